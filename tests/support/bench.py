"""A host with one persona class, whose behaviour a test chooses turn by turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import Host, HostEvent, HostServices
from jupyter_ai_personas.personas import TurnSpec

LOG = logging.getLogger("tests.hosts")
ENDS = ("end", "failed", "lost")
WAIT = 60.0
"""Seconds after which something is taken never to come, however slow the machine is."""

Act = Callable[[BasePersona, Message], Any]


class Bench:
    """A host with one persona class whose behaviour a test chooses, turn by turn."""

    def __init__(self, host: Host, events: dict[str, list[HostEvent]]) -> None:
        self.host = host
        self.events = events
        self.acts: dict[str, Act] = {}
        self.made: list[BasePersona] = []
        self.prepare: Callable[[], Any] = lambda: None
        self.make: Callable[[], Any] = lambda: None
        self.shut_down: list[BasePersona] = []
        self.shutdown: Callable[[], Any] = lambda: None
        self._changed = anyio.Event()
        self._count = 0

    def resolve(self, path: str) -> type:
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
        self.host.start(TurnSpec(**{**known, **more}))
        return turn_id

    def take(self, batch: list[HostEvent]) -> None:
        assert batch
        for event in batch:
            self.events.setdefault(event.turn_id, []).append(event)
        self._changed.set()
        self._changed = anyio.Event()

    def kinds(self, turn_id: str) -> list[str]:
        return [event.kind for event in self.events[turn_id]]

    async def until(self, turn_id: str, *kinds: str) -> list[HostEvent]:
        """Wait for one of `kinds`, else for the end, and return all events so far."""
        with anyio.fail_after(WAIT):
            while not any(e.kind in (kinds or ENDS) for e in self.events[turn_id]):
                await self._changed.wait()
        return self.events[turn_id]


@asynccontextmanager
async def bench_with(make_host: Callable[[str, HostServices], Host]) -> AsyncIterator[Bench]:
    bench: Bench
    services = HostServices(lambda path: bench.resolve(path), lambda: None, LOG)  # type: ignore[arg-type, return-value]
    host = make_host("Persona", services)
    bench = Bench(host, {})
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
