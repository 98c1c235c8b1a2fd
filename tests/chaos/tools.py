"""The kill test of tools: each call appends a line to a file outside the server.

A server is killed while personas note lines, some after an approval. After each restart no line
is there twice, each approval that anybody saw is there and decided, as people were told, and each
message has one final reply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio
import httpx
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient, RoomRefusedError

from chaos.play import GONE, SETTLE_SECONDS

__all__ = ["ToolTally", "play_tools"]

FINAL = ("done", "interrupted")
LINES_OF_A_TURN = 3
SOURCE = f"""
import os
import re
from pathlib import Path
from typing import ClassVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from jupyter_ai_personas import BasePersona, BaseProvider, PersonaDefaults


@tool
def note(line: str) -> str:
    '''Note a line.'''
    with Path(os.environ["NOTES_FILE"]).open("a") as file:
        file.write(line + "\\n")
    return "noted"


class Noter(BasePersona):
    defaults = PersonaDefaults(name="Noter", model="noting:one")

    def tools(self):
        asks = note.model_copy(update={{"name": "ask_note"}})
        return [note, asks]


class NotingProvider(BaseProvider, BaseChatModel):
    id: ClassVar[str] = "noting"
    name: ClassVar[str] = "Noting"
    models: ClassVar[list[str]] = ["one"]
    model_id_key: ClassVar[str] = "model_id"

    model_id: str = "one"

    @property
    def _llm_type(self):
        return "noting"

    def bind_tools(self, tools, **kwargs):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        asked = next(m for m in reversed(messages) if isinstance(m, HumanMessage))
        question = re.findall(r"q\\d+x", str(asked.content))[-1]
        number = sum(isinstance(message, ToolMessage) for message in messages)
        if number < {LINES_OF_A_TURN}:
            name = "Noter__ask_note" if number == 1 else "Noter__note"
            line = f"{{question}} {{number}}"
            calls = [{{"name": name, "args": {{"line": line}}, "id": f"c{{number}}"}}]
            message = AIMessage(content=f"Step {{number}}. ", tool_calls=calls)
        else:
            message = AIMessage(content=f"All of {{question}} is noted.")
        return ChatResult(generations=[ChatGeneration(message=message)])
"""


@dataclass
class ToolTally:
    """What a game found; ``faults`` are one sentence each."""

    rounds: int = 0
    requests: int = 0
    approvals: int = 0
    lines: int = 0
    states: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class ToolPlay:
    """One chat, one person who asks and approves, on a server that is killed."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = Random(seed)
        self.notes = directory / "notes.txt"
        self.notes.touch()
        points = {
            "jupyter_ai.personas": {"noter": "noting:Noter"},
            "jupyter_ai.model_providers": {"noting": "noting:NotingProvider"},
        }
        package = make_plugin(directory / "packages", "noting", {"__init__.py": SOURCE}, points)
        self.server = JupyterServer(
            directory / "server",
            pythonpath=[package],
            config={
                "AiExtension.tool_policy": {"Noter.note": "allow"},
                "AiExtension.max_queued_turns": 1000,
                "AiExtension.max_messages_per_minute": 10_000,
            },
            env={"NOTES_FILE": str(self.notes)},
        )
        self.tally = ToolTally()
        self.asked: set[str] = set()
        self.seen: set[str] = set()
        self.decided: dict[str, str] = {}
        self._has_decided = anyio.Event()

    async def round(self, me: ChatClient) -> None:
        self.tally.rounds += 1
        longest = self.random.uniform(0.3, 4)
        with anyio.move_on_after(longest):
            async with anyio.create_task_group() as busy:
                busy.start_soon(self._ask, me)
                busy.start_soon(self._approve, 0.6)
                # Half of the kills come while a call runs that was decided, or just after it.
                if self.random.random() < 0.5:
                    await anyio.sleep(longest / 2)
                    self._has_decided = anyio.Event()
                    await self._has_decided.wait()
                    await anyio.sleep(self.random.uniform(0, 0.03))
                    busy.cancel_scope.cancel()
        self.server.kill()
        await me.wait_disconnected()
        await self.server.start()
        try:
            await me.reconnect()
        except RoomRefusedError:
            me.forget_session()
            await me.reconnect()

    async def _ask(self, me: ChatClient) -> None:
        while True:
            question = f"q{len(self.asked)}x"
            self.asked.add(me.post(f"@Noter {question}"))
            await anyio.sleep(self.random.expovariate(2))

    async def _approve(self, chance: float) -> None:
        """Decide what is open, now and then, as fast as the server answers."""
        while True:
            with suppress(*GONE, httpx.HTTPError):
                response = await self.server.request("GET", "/api/ai/approvals")
                for approval in response.json()["approvals"] if response.is_success else ():
                    self.seen.add(approval["id"])
                    if self.random.random() < chance:
                        await self._decide(approval["id"])
            await anyio.sleep(0.05)

    async def _decide(self, approval_id: str) -> None:
        decision = self.random.choice(["approve", "approve", "approve", "deny"])
        response = await self.server.request(
            "POST", f"/api/ai/approvals/{approval_id}", json={"decision": decision}
        )
        if response.is_success:
            self.decided[approval_id] = response.json()["status"]
            self._has_decided.set()

    async def settle(self, me: ChatClient) -> None:
        """Decide all that is open until every turn has ended, and judge."""
        async with anyio.create_task_group() as deciding:
            deciding.start_soon(self._approve, 1.0)
            with suppress(AssertionError):
                await me.wait_for(lambda client: not self._faults(client), SETTLE_SECONDS)
            deciding.cancel_scope.cancel()
        self.tally.faults = [*dict.fromkeys([*self.tally.faults, *self._faults(me)])]
        self.tally.requests = len(self.asked)
        self.tally.approvals = len(self.seen)
        lines = self.notes.read_text().splitlines()
        self.tally.lines = len(lines)
        self.tally.states = Counter(str(_about(m).get("state")) for m in me.messages() if _about(m))

    def _faults(self, me: ChatClient) -> list[str]:
        faults = []
        messages = {message["id"]: message for message in me.messages()}
        noted = self.notes.read_text().splitlines()
        for id_ in self.asked:
            replies = [m for m in messages.values() if _about(m).get("reply_to") == id_]
            if id_ not in messages:
                faults.append(f"message {id_} is lost")
                continue
            if len(replies) != 1 or _about(replies[0]).get("state") not in FINAL:
                faults.append(f"{messages[id_]['body']!r} has no final reply: {replies}")
            elif _about(replies[0])["state"] == "done":
                question = messages[id_]["body"].split()[-1]
                found = {line for line in noted if line.startswith(f"{question} ")}
                # The middle one may have been denied.
                if not {f"{question} 0", f"{question} 2"} <= found:
                    faults.append(f"{question} is answered, and only {found} are noted")
        for id_ in self.seen:
            if id_ not in messages:
                faults.append(f"approval {id_} is lost")
            elif "decision" not in _about(messages[id_]):
                faults.append(f"approval {id_} is open")
            elif (told := self.decided.get(id_)) not in (None, _about(messages[id_])["decision"]):
                faults.append(f"approval {id_} was {told}, and is shown as something else")
        counts = Counter(noted)
        return faults + [f"{line!r} is there {n} times" for line, n in counts.items() if n > 1]


def _about(message: dict[str, Any]) -> dict[str, Any]:
    found = (message.get("metadata") or {}).get("jupyter_ai_personas")
    return found if isinstance(found, dict) else {}


async def play_tools(
    rounds: int, seed: int, directory: Path, say: Callable[[str], None] = print
) -> ToolTally:
    """Play ``rounds`` rounds below ``directory``."""
    game = await anyio.to_thread.run_sync(ToolPlay, directory, seed)
    game.server.create_chat("notes.chat", {})
    try:
        async with game.server, ChatClient(game.server, "notes.chat", "Ada") as me:
            for number in range(rounds):
                await game.round(me)
                await game.settle(me)
                faults = game.tally.faults
                say(f"round {number + 1}: {len(game.asked)} questions, {len(faults)} faults")
    finally:
        (directory / "server.log").write_text("\n".join(game.server.log), encoding="utf-8")
    return game.tally
