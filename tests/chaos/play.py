"""The game: people, a busy time, a kill, a restart, and a look at what is left."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from support.server import JupyterServer
from support.yclient import ChatClient, RoomRefusedError
from websockets.exceptions import InvalidStatus, WebSocketException

from chaos.personas import NAMES, install
from chaos.tally import Request, Tally, Verdict, judge
from chaos.victims import SERVER, VICTIMS

PEOPLE = ("Ada", "Bob", "Cleo", "Dan")
ROUNDS_OF_A_CHAT = 5
"""After as many rounds the people go on in a new chat."""

LONG = 400
"""Messages that some of the chats hold from before: more than is held decoded of a chat."""

SETTLE_SECONDS = 180.0
"""How long after the last restart everything must have come to an end."""

HELD = "an open tab held"
"""Why a message is required that no server is known to have seen."""

GONE = (OSError, RoomRefusedError, InvalidStatus, WebSocketException, AssertionError, TimeoutError)
"""What a client meets whose server dies."""


@dataclass
class Person:
    """Somebody with a tab open, who writes, loses the connection, comes back or closes the tab."""

    name: str
    server: JupyterServer
    path: str
    random: Random
    requests: dict[str, Request]
    client: ChatClient | None = None
    _leave: anyio.Event = field(default_factory=anyio.Event)
    _left: anyio.Event = field(default_factory=anyio.Event)

    async def open_tab(self, *, task_status: TaskStatus[None]) -> None:
        """Hold a client until the tab is closed."""
        self._leave, self._left = anyio.Event(), anyio.Event()
        try:
            async with ChatClient(self.server, self.path, self.name) as self.client:
                task_status.started()
                await self._leave.wait()
        finally:
            self.client = None
            self._left.set()

    async def close_tab(self) -> None:
        """Forget everything that is in the tab."""
        self._leave.set()
        await self._left.wait()

    async def be_busy(self) -> None:
        """Write and do what people do, until cancelled."""
        while True:
            await anyio.sleep(self.random.expovariate(2.5))
            assert self.client is not None
            action = self.random.choices(
                (self.ask, self.chat, self.edit, self.stop, self.retry, self.flicker),
                (70, 8, 8, 4, 4, 10),
            )[0]
            with suppress(*GONE):
                await action(self.client)

    async def ask(self, client: ChatClient) -> None:
        names = self.random.sample(NAMES, self.random.choice((1, 1, 2)))
        mentions = " and ".join(f"@{name}" for name in names)
        number = len(self.requests)
        message_id = client.post(f"{mentions}, question {number} of {self.name}")
        self.requests[message_id] = Request(message_id, tuple(names))

    async def chat(self, client: ChatClient) -> None:
        message_id = client.post(f"{self.name} says something to nobody")
        self.requests[message_id] = Request(message_id, ())

    async def edit(self, client: ChatClient) -> None:
        asked = {request.id for request in self.requests.values() if request.personas}
        mine = [m for m in client.messages() if m["id"] in asked]
        mine = [m for m in mine if m["sender"] == client.user.username]
        if mine:
            with suppress(TypeError):  # the library has left a message that nobody can edit
                client.edit(mine[-1]["id"], mine[-1]["body"] + ", please")

    async def stop(self, client: ChatClient) -> None:
        client.post("/stop")

    async def retry(self, client: ChatClient) -> None:
        client.post("/retry")

    async def flicker(self, client: ChatClient) -> None:
        """Lose the connection, write, and come back after a while, or not before the crash."""
        # To the end: one that is half closed would count as connected when people come back.
        with anyio.CancelScope(shield=True):
            await client.disconnect()
        for _ in range(self.random.randint(0, 3)):
            await self.ask(client)
        await anyio.sleep(self.random.expovariate(1))
        await client.reconnect()


class Play:
    """Rounds on one server, whose directory survives all of them."""

    def __init__(
        self, directory: Path, seed: int, say: Callable[[str], None], hosts: str = "threads"
    ) -> None:
        self.random = Random(seed)
        packages = install(directory / "packages")
        self.victims = VICTIMS[hosts](packages, directory / "cluster")
        self.server = JupyterServer(
            directory / "server", config=self.victims.config, pythonpath=[packages]
        )
        self.tally = Tally()
        self._say = say
        self._requests: dict[str, Request] = {}
        self._people: list[Person] = []
        self._path = ""

    @asynccontextmanager
    async def table(self) -> AsyncIterator[TaskGroup]:
        """Run the server, and hold the people's tabs."""
        await self.victims.start()
        try:
            async with self.server, anyio.create_task_group() as tabs:
                yield tabs
                for person in self._people:
                    await person.close_tab()
        finally:
            await self.victims.close()

    async def round(self, tabs: TaskGroup) -> None:
        """Be busy, kill, restart, come back, settle, judge."""
        if self.tally.rounds % ROUNDS_OF_A_CHAT == 0:
            await self._new_chat(tabs)
        victim = self.victims.kinds[self.tally.rounds % len(self.victims.kinds)]
        self.tally.rounds += 1
        if victim == SERVER:
            await self._fall_and_rise(tabs)
        else:
            await self._lose(victim)
        await self._come_back(tabs)
        verdict = await self._settle()
        self._say(
            f"round {self.tally.rounds} ({victim}): {verdict.requests} requests in {self._path}, "
            f"{len(verdict.faults)} faults"
        )
        for fault in verdict.faults:
            self._say(f"  {fault}")

    async def _lose(self, victim: str) -> None:
        """Kill what personas run in while people are busy."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._be_busy, 6)
            await anyio.sleep(self.random.uniform(0.05, 3))
            await self.victims.kill(victim, self.server, self.random)

    async def _fall_and_rise(self, tabs: TaskGroup) -> None:
        """Kill the server while people are busy, perhaps twice."""
        # Some kills come while the server is still importing, most while everybody is answered.
        await self._be_busy(self.random.choice((1.5, 6)))
        await self._kill()
        await self.server.start()
        if self.random.random() < 0.3:
            # It falls again while people come back and what was lost is being put back.
            with anyio.move_on_after(self.random.random() * 4):
                await self._come_back(tabs)
                await self._be_busy(4)
            await self._kill()
            await self.server.start()

    async def _be_busy(self, longest: float) -> None:
        with anyio.move_on_after(self.random.uniform(0.05, longest)):
            async with anyio.create_task_group() as busy:
                for person in self._people:
                    busy.start_soon(person.be_busy)

    async def _kill(self) -> None:
        """Kill the server; some people close their tab.

        What only they held, and no ledger, may be lost.
        """
        self.server.kill()
        for person in self._people:
            if person.client is not None:
                await person.client.wait_disconnected()
                if self.random.random() < 0.2:
                    await person.close_tab()
        held = {m["id"] for p in self._people if p.client is not None for m in p.client.messages()}
        accepted = accepted_messages(self.server)
        for request in self._requests.values():
            if request.id in accepted:
                request.required = "the server had accepted"
            elif request.id in held:
                request.required = request.required or HELD
            elif request.required == HELD:
                # The tab was closed before it had come back.
                request.required = ""

    async def _new_chat(self, tabs: TaskGroup) -> None:
        for person in self._people:
            await person.close_tab()
        self._path = f"chat-{self.tally.rounds}.chat"
        self.server.create_chat(self._path, history(self.random.choice((0, LONG))))
        self._requests = {}
        self._people = [
            Person(name, self.server, self._path, self.random, self._requests) for name in PEOPLE
        ]
        for person in self._people:
            await tabs.start(person.open_tab)

    async def _come_back(self, tabs: TaskGroup) -> None:
        async with anyio.create_task_group() as returning:
            for person in self.random.sample(self._people, len(self._people)):
                returning.start_soon(self._return, person, tabs)

    async def _return(self, person: Person, tabs: TaskGroup) -> None:
        await anyio.sleep(self.random.choice((0, 0, self.random.random() * 3)))
        if person.client is None:
            await tabs.start(person.open_tab)
        elif not person.client.connected:
            try:
                await person.client.reconnect()
            except RoomRefusedError:
                # The server died before it had noted the session: people are asked to reload.
                person.client.forget_session()
                await person.client.reconnect()

    async def _settle(self) -> Verdict:
        """Wait until nothing is left to do, as somebody sees it who joins now."""
        verdict = Verdict()

        def settled(me: ChatClient) -> bool:
            nonlocal verdict
            writing = [w["user"]["name"] for w in me.writers()]
            verdict = judge(self._requests.values(), me.messages(), writing)
            return not verdict.faults

        async with ChatClient(self.server, self._path, "Observer") as observer:
            # A command is answered when the chat has been recovered and its mailbox is empty.
            asked = observer.post("/status")
            await observer.wait_for_reply(asked, state=None, timeout=SETTLE_SECONDS)
            for person in self._people:
                assert person.client is not None
                await person.client.flush()
            await observer.flush()
            with suppress(AssertionError):
                await observer.wait_for(settled, SETTLE_SECONDS)
            there = {message["id"] for message in observer.messages()}
            for request in self._requests.values():
                if request.id in there:
                    request.required = "the chat held when all was settled"
            self._count_states(observer)
        before = self.tally.verdicts.get(self._path)
        self.tally.verdicts[self._path] = verdict
        assert before is None or before.requests <= verdict.requests
        return verdict

    def _count_states(self, observer: ChatClient) -> None:
        if self.tally.rounds % ROUNDS_OF_A_CHAT == 0:
            for message in observer.messages():
                about = (message.get("metadata") or {}).get("jupyter_ai_personas") or {}
                if about.get("state"):
                    self.tally.states[about["state"]] += 1


def history(length: int) -> dict[str, Any]:
    """Return a chat's file with so many messages, each a year old."""
    old = time.time() - 365 * 86_400
    messages = [
        {
            "id": f"old-{number}",
            "sender": "eve",
            "body": f"something that was said long ago, number {number}",
            "time": old + number,
            "raw_time": False,
            "type": "msg",
        }
        for number in range(length)
    ]
    return {"messages": messages} if messages else {}


def accepted_messages(server: JupyterServer) -> set[str]:
    """Return the messages that the dead server's ledger knows; the ledger is left as it is."""
    ledger = server.data_dir / "jupyter_ai_personas" / "ledger.sqlite"
    with tempfile.TemporaryDirectory() as copies:
        for file in ledger.parent.glob(f"{ledger.name}*"):
            shutil.copy(file, copies)
        if not (Path(copies) / ledger.name).exists():
            return set()
        db = sqlite3.connect(Path(copies) / ledger.name)
        try:
            found = [
                row[0]
                for table in ("turns", "tombstones")
                for row in db.execute(f"SELECT message_id FROM {table}")
            ]
        finally:
            db.close()
    return {id_.decode() if isinstance(id_, bytes) else id_ for id_ in found}


async def play(
    rounds: int,
    seed: int,
    directory: Path,
    say: Callable[[str], None] = print,
    hosts: str = "threads",
) -> Tally:
    """Play ``rounds`` rounds below ``directory``; the same ``seed`` makes the same people.

    ``hosts`` is where personas run: one of :data:`VICTIMS`.
    """
    game = Play(directory, seed, say, hosts)
    try:
        async with game.table() as tabs:
            for _ in range(rounds):
                await game.round(tabs)
    finally:
        (directory / "server.log").write_text("\n".join(game.server.log), encoding="utf-8")
    return game.tally
