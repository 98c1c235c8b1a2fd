"""The hosts of a server: opened when a persona is first addressed, watched, replaced, closed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.hosts import Host
from jupyter_ai_personas.personas import Persona, TurnSpec
from jupyter_ai_personas.personas.wire import HostEvent, TurnAnswer, TurnEnd, TurnLost
from jupyter_ai_personas.runtime.placement import Placement
from jupyter_ai_personas.runtime.settings import RuntimeSettings
from jupyter_ai_personas.slices import Slices

__all__ = ["HostPool"]

WATCH_SECONDS = 0.5

Sink = Callable[[HostEvent], None]


@dataclass(slots=True)
class _Entry:
    host: Host
    persona: Persona
    # Turn id → what gets its events, and when it began.
    turns: dict[str, tuple[Sink, float]] = field(default_factory=dict)
    # Cancelled turns that the host has not ended yet.
    leaving: set[str] = field(default_factory=set)
    opened: anyio.Event = field(default_factory=anyio.Event)
    warned: bool = False
    # Why it could not be opened.
    problem: Exception | None = None


class HostPool:
    """One host for each persona. :meth:`run` owns the tasks of all hosts."""

    def __init__(
        self, placement: Placement, settings: RuntimeSettings, *, log: logging.Logger
    ) -> None:
        self._placement = placement
        self._settings = settings
        self._log = log
        self._entries: dict[str, _Entry] = {}
        # Persona id → chat id → how many actors hold the persona there.
        self._holds: dict[str, Counter[str]] = {}
        self._group: TaskGroup | None = None
        self._busy = anyio.Event()
        self.blocks = 0
        self.blocked: dict[str, str] = {}

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Serve until cancelled, then close all hosts, each within its bound."""
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._watch)
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    async with anyio.create_task_group() as closing:
                        for entry in self._entries.values():
                            if entry.opened.is_set():
                                closing.start_soon(entry.host.close)
                    self._entries.clear()
                    await self._placement.aclose()

    def status(self) -> Sequence[str]:
        """Return how the workers are, as lines for people."""
        return self._placement.status()

    async def start(self, persona: Persona, spec: TurnSpec, sink: Sink) -> None:
        """Begin a turn in the persona's host; ``sink`` gets its events until it ends."""
        entry = await self._entry(persona)
        entry.turns[spec.turn_id] = sink, anyio.current_time()
        entry.host.start(spec)
        self._busy.set()

    def cancel(self, persona: Persona, turn_id: str) -> None:
        """Cancel a turn in its host; its sink gets no further events."""
        entry = self._entries.get(persona.id)
        if entry is not None and entry.turns.pop(turn_id, None) is not None:
            entry.leaving.add(turn_id)
            entry.host.cancel(turn_id)

    def answer(self, persona: Persona, turn_id: str, answer: TurnAnswer) -> None:
        """Send an answer down to a turn, if it still runs."""
        entry = self._entries.get(persona.id)
        if entry is not None and turn_id in entry.turns:
            entry.host.answer(turn_id, answer)

    def hold(self, persona: Persona, chat_id: str) -> None:
        """Keep the persona's object for a chat, and its host, until :meth:`release`."""
        self._holds.setdefault(persona.id, Counter())[chat_id] += 1

    def release(self, persona: Persona, chat_id: str) -> None:
        """Undo one :meth:`hold`. The host goes with the last hold on its persona."""
        holds = self._holds[persona.id]
        holds[chat_id] -= 1
        if holds[chat_id] > 0:
            return
        del holds[chat_id]
        if not holds:
            del self._holds[persona.id]
        entry = self._entries.get(persona.id)
        if entry is None or not entry.opened.is_set():
            return  # `_live` closes a host that nobody wants when it is open
        entry.host.release(chat_id)
        if not self._is_wanted(entry) and self._group is not None:
            del self._entries[persona.id]
            self._group.start_soon(entry.host.close)

    def _is_wanted(self, entry: _Entry) -> bool:
        return bool(entry.turns) or entry.persona.id in self._holds

    async def _entry(self, persona: Persona) -> _Entry:
        entry = self._entries.get(persona.id)
        if entry is None:
            assert self._group is not None, "the pool is not running"
            host = self._placement.host(persona)
            entry = self._entries[persona.id] = _Entry(host, persona)
            # In a task of the pool: the host outlives the turn that needs it first.
            self._group.start_soon(self._live, entry)
        if not entry.opened.is_set():
            await entry.opened.wait()
        if entry.problem is not None:
            raise entry.problem
        return entry

    async def _live(self, entry: _Entry) -> None:
        try:
            await entry.host.open()
        except Exception as error:
            entry.problem = error
            del self._entries[entry.persona.id]
        entry.opened.set()
        if entry.problem is None and not self._is_wanted(entry):
            del self._entries[entry.persona.id]
            await entry.host.close()
        elif entry.problem is None:
            await self._pump(entry)

    async def _pump(self, entry: _Entry) -> None:
        async for batch in entry.host.events():
            slices = Slices()
            for event in batch:
                turn = entry.turns.get(event.turn_id)
                if isinstance(event, TurnEnd):
                    entry.turns.pop(event.turn_id, None)
                    entry.leaving.discard(event.turn_id)
                if turn is not None:
                    try:
                        turn[0](event)
                    except Exception:
                        self._log.exception("Event of turn %s was lost", event.turn_id)
                if slices.is_over:
                    await slices.hand_over()

    # -- the watchdog -----------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self._busy.wait()
            await anyio.sleep(WATCH_SECONDS)
            busy = False
            for entry in list(self._entries.values()):
                if entry.turns or entry.leaving:
                    busy = True
                    self._look_at(entry, anyio.current_time())
                else:
                    self.blocked.pop(entry.persona.name, None)
            if not busy:
                self._busy = anyio.Event()

    def _look_at(self, entry: _Entry, now: float) -> None:
        host, name = entry.host, entry.persona.name
        health = host.health(now)
        stuck = health.stuck_seconds
        if stuck < self._settings.block_warning:
            entry.warned = False
            self.blocked.pop(name, None)
            # Cancel again: a turn may have swallowed its cancellation.
            for turn_id in entry.leaving:
                host.cancel(turn_id)
            return
        where = health.location
        self.blocked[name] = f"blocked for {stuck:.0f} s at {where}"
        if not entry.warned:
            entry.warned = True
            self.blocks += 1
            self._log.warning(
                "Persona %s has blocked its event loop for %.1f s at %s; only its own turns wait",
                name,
                stuck,
                where,
            )
        wanted = any(began < now - stuck for _, began in entry.turns.values())
        bound = self._settings.block_timeout if wanted else self._settings.stop_grace
        if stuck > bound:
            self._replace(entry, where, since=now - stuck)

    def _replace(self, entry: _Entry, where: str, *, since: float) -> None:
        self._log.error(
            "Persona %s did not come back (%s); its host is replaced", entry.persona.name, where
        )
        self.blocked.pop(entry.persona.name, None)
        if self._entries.get(entry.persona.id) is entry:
            del self._entries[entry.persona.id]
        entry.leaving.clear()
        entry.host.abandon()
        for turn_id, (sink, began) in list(entry.turns.items()):
            # A turn that was started while the host was stuck may run in another host.
            sink(TurnLost(turn_id, begun=began < since))
        entry.turns.clear()
