"""A host with one persona class, whose behaviour a test chooses turn by turn."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

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
"""Seconds after which something is taken never to come, however slow the machine is."""

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

    def __init__(self, make_host: Callable[[str, HostEnvironment], Host]) -> None:
        super().__init__(crossed(HostConfig()), log=LOG)
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

    def new_models(self) -> Any:
        return None

    def persona_class(self, path: str) -> type:
        if path != "tests:Persona":
            raise ImportError(path)
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
            "persona_class": "tests:Persona",
            "persona_name": "Persona",
            "chat_id": chat,
            "chat_path": f"{chat}.chat",
            "message": Message("m", "ada", turn_id),
            "speaker": "Ada",
        }
        self.host.start(crossed(TurnSpec(**{**known, **more})))
        return turn_id

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


@asynccontextmanager
async def bench_with(make_host: Callable[[str, HostEnvironment], Host]) -> AsyncIterator[Bench]:
    bench = Bench(make_host)
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
