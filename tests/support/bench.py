"""A host with one persona class, whose behaviour a test chooses turn by turn."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import anyio
import cloudpickle

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import Host, HostConfig, HostEnvironment
from jupyter_ai_personas.personas.wire import (
    HostEvent,
    TurnAnswer,
    TurnEnd,
    TurnRequest,
    TurnRequested,
    TurnSpec,
)

LOG = logging.getLogger("tests.hosts")
WAIT = 30.0
"""Seconds after which something is taken never to come: a host may be a process that starts."""

Act = Callable[[BasePersona, Message], Any]


def crossed(data: Any) -> Any:
    """Return ``data`` as the other side of a wall between processes gets it."""
    copy = pickle.loads(pickle.dumps(data))
    assert copy == data
    return copy


class Bench(HostEnvironment):
    """A host with one persona class whose behaviour a test chooses, turn by turn.

    All that crosses the wall is sent through a pickle, as to another process.
    """

    class_path = "tests:Persona"

    def __init__(self, make_host: Callable[[str, HostEnvironment], Host]) -> None:
        super().__init__(crossed(HostConfig(models=False)), log=LOG)
        self.host = make_host("Persona", self)
        self.events: dict[str, list[HostEvent]] = {}
        self.acts: dict[str, Act] = {}
        self.made: list[BasePersona] = []
        self.prepare: Callable[[], Any] = lambda: None
        self.make: Callable[[], Any] = lambda: None
        self.shut_down: list[BasePersona] = []
        self.shutdown: Callable[[], Any] = lambda: None
        self._changed = anyio.Event()
        self._count = 0

    def persona_class(self, path: str) -> type:
        if path != self.class_path:
            return super().persona_class(path)
        bench = self

        class Persona(BasePersona):
            defaults = PersonaDefaults(name="Persona")

            def __init__(self, context: Any) -> None:
                super().__init__(context)
                bench.make()
                bench.made.append(self)

            async def prepare(self) -> None:
                answer = bench.prepare()
                if answer is not None:
                    await answer

            async def process_message(self, message: Message) -> None:
                answer = bench.acts[message.body](self, message)
                if asyncio.iscoroutine(answer):
                    await answer

            async def shutdown(self) -> None:
                bench.shut_down.append(self)
                answer = bench.shutdown()
                if answer is not None:
                    await answer

        return Persona

    def start(self, act: Act, *, chat: str = "c", **more: Any) -> str:
        self._count += 1
        turn_id = f"turn-{self._count}"
        self.acts[turn_id] = act
        self.events[turn_id] = []
        known: dict[str, Any] = {
            "turn_id": turn_id,
            "persona_id": "p",
            "persona_class": self.class_path,
            "persona_name": "Persona",
            "chat_id": chat,
            "chat_path": f"{chat}.chat",
            "message": Message("m", "ada", turn_id),
            "speaker": "Ada",
            "config": self.config_of(act),
        }
        self.host.start(crossed(TurnSpec(**{**known, **more})))
        return turn_id

    def config_of(self, act: Act) -> dict[str, Any]:
        """Return what the persona gets as its configuration."""
        return {}

    def clean_up(self) -> None:
        """Remove what the bench has made."""

    def take(self, batch: list[HostEvent]) -> None:
        assert batch
        for event in batch:
            self.events.setdefault(event.turn_id, []).append(crossed(event))
        self._changed.set()
        self._changed = anyio.Event()

    def types(self, turn_id: str) -> list[type]:
        return [type(event) for event in self.events[turn_id]]

    async def until(self, turn_id: str, *types: type) -> list[HostEvent]:
        """Wait for an event of one of `types`, else for the end, and return all events so far."""
        with anyio.fail_after(WAIT):
            while not any(isinstance(e, types or TurnEnd) for e in self.events[turn_id]):
                await self._changed.wait()
        return self.events[turn_id]

    async def asked(self, turn_id: str, count: int = 1) -> list[TurnRequest]:
        """Wait until a turn has made so many requests, and return them all."""
        with anyio.fail_after(WAIT):
            while True:
                events = self.events[turn_id]
                requests = [e.request for e in events if isinstance(e, TurnRequested)]
                if len(requests) >= count:
                    return requests
                await self._changed.wait()

    def answer(self, turn_id: str, request: TurnRequest, value: Any = None, **more: Any) -> None:
        self.host.answer(turn_id, crossed(TurnAnswer(request.id, value, **more)))


class Gate:
    """Holds threads of any process until it is opened."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / uuid4().hex
        os.mkfifo(self._path)

    def wait(self) -> None:
        """Block the calling thread until the gate is open."""
        self._path.open("rb").close()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Open the gate for as long as the block runs."""
        holder = os.open(self._path, os.O_RDWR)
        try:
            yield
        finally:
            os.close(holder)


class RemoteBench(Bench):
    """A bench whose host is in another process, to which what a test defines is sent.

    What the persona there does is noted in a file.
    """

    class_path = "support.bench_persona:Persona"

    def __init__(self, make_host: Callable[[str, HostEnvironment], Host]) -> None:
        self._folder = TemporaryDirectory(prefix="bench-")
        self._journal = Path(self._folder.name) / "journal"
        self._journal.touch()
        self._id = uuid4().hex
        self._kept: list[Any] = []  # or another function would get the number of one that is gone
        super().__init__(make_host)

    def _noted(self, what: str) -> list[Any]:
        lines = map(str.split, self._journal.read_text().splitlines())
        return [int(number) for noted, number in lines if noted == what]

    @property
    def made(self) -> list[Any]:  # type: ignore[override]
        return self._noted("made")

    @made.setter
    def made(self, value: Any) -> None:
        pass

    @property
    def shut_down(self) -> list[Any]:  # type: ignore[override]
        return self._noted("shut_down")

    @shut_down.setter
    def shut_down(self, value: Any) -> None:
        pass

    def config_of(self, act: Act) -> dict[str, Any]:
        """A function that is sent twice is the same one there, with what it remembers."""
        functions = {
            "act": act,
            "make": self.make,
            "prepare": self.prepare,
            "shutdown": self.shutdown,
        }
        self._kept += functions.values()
        return {
            "journal": str(self._journal),
            "functions": {
                role: (f"{self._id}-{id(function)}", pickled(function))
                for role, function in functions.items()
            },
        }

    def clean_up(self) -> None:
        self._folder.cleanup()


def pickled(function: Any) -> bytes:
    """Return a function of a test's module, which no other process can import."""
    module = sys.modules[function.__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        dumped: bytes = cloudpickle.dumps(function)
        return dumped
    finally:
        cloudpickle.unregister_pickle_by_value(module)


@asynccontextmanager
async def bench_with(
    make_host: Callable[[str, HostEnvironment], Host], bench_class: type[Bench] = Bench
) -> AsyncIterator[Bench]:
    bench = bench_class(make_host)
    host = bench.host
    async with asyncio.timeout(WAIT):
        await host.open()

    async def listen() -> None:
        async for batch in host.events():
            bench.take(batch)

    # No task group: pytest leaves a fixture in another task than it entered it in.
    listener = asyncio.get_running_loop().create_task(listen())
    try:
        yield bench
    finally:
        async with asyncio.timeout(2 * WAIT):
            await host.close()
            await listener
        bench.clean_up()
