"""Events across the wall: many threads put them in, one event loop takes batches out."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.personas.wire import HostEvent, ReplyOpened, TextDelta

__all__ = ["Outbox", "joined"]

WINDOW = 0.03
"""Minimum seconds between two batches, unless something begins or ends."""

MOST = 5000
"""Maximum events of a batch: a few milliseconds of the loop."""

PACING = Pacing()
"""How long chunks are collected while text flows: the reply's pause between writes."""


def joined(events: Iterable[HostEvent]) -> list[HostEvent]:
    """Return ``events`` with consecutive chunks of a reply joined.

    The order of each turn's events is kept; joined text takes the place of its first chunk.
    """
    batch: list[HostEvent] = []
    growing: dict[str, tuple[str, list[str]]] = {}
    joins: list[tuple[int, TextDelta, list[str]]] = []
    for event in events:
        if not isinstance(event, TextDelta):
            growing.pop(event.turn_id, None)
            batch.append(event)
            continue
        begun = growing.get(event.turn_id)
        if begun is not None and begun[0] == event.reply_id:
            begun[1].append(event.text)
        else:
            growing[event.turn_id] = event.reply_id, (parts := [event.text])
            joins.append((len(batch), event, parts))
            batch.append(event)
    for index, first, parts in joins:
        if len(parts) > 1:
            batch[index] = TextDelta(first.turn_id, first.reply_id, "".join(parts))
    return batch


class Outbox:
    """Collects events from any thread and delivers them in batches to the creating loop.

    Beginnings, ends and the first chunk of a quiet turn wake the loop. While text flows, a turn
    does not wake the loop: the loop collects it when a reply of that length is written next. A
    blocked producer does not delay events already put in.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: deque[HostEvent] = deque()
        self._any = asyncio.Event()
        self._woken = False
        self._woken_urgently = False
        self._closed = False
        self._taken_at = -math.inf
        # Turn → characters since it was quiet; the loop collects these on its own.
        self._flowing: dict[str, int] = {}

    def put(self, event: HostEvent) -> None:
        """Add an event; safe in any thread."""
        if self._closed:
            return
        self._events.append(event)
        urgent = not isinstance(event, TextDelta)
        if not urgent and event.turn_id in self._flowing and len(self._events) < MOST:
            return
        if not self._woken or (urgent and not self._woken_urgently):
            self._woken = True
            self._woken_urgently = self._woken_urgently or urgent
            # The loop may be closed: then nothing reads any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake, urgent)

    def _wake(self, urgent: bool) -> None:
        early = 0.0 if urgent else self._taken_at + WINDOW - self._loop.time()
        if early > 0:
            self._loop.call_later(early, self._any.set)
        else:
            self._any.set()

    def close(self) -> None:
        """End :meth:`batches` after the pending events."""
        self._closed = True
        self._wake(True)

    async def batches(self) -> AsyncIterator[list[HostEvent]]:
        """Yield non-empty batches until :meth:`close`."""
        while True:
            if not self._events:
                self._flowing = {}
            # Check again: events put in before this point woke nobody.
            if not self._events:
                await self._any.wait()
            self._any.clear()
            # Set this first: events put in from here on wake the loop again.
            self._woken = self._woken_urgently = False
            self._taken_at = self._loop.time()
            count = min(len(self._events), MOST)
            if count:
                batch = joined(self._events.popleft() for _ in range(count))
                self._flowing = self._flow(batch)
                yield batch
            if self._closed and not self._events:
                return
            if count == MOST:
                # Let other tasks run, then deliver the rest without waiting for more.
                await asyncio.sleep(0)
            elif self._flowing:
                pause = PACING.pause(chars=min(self._flowing.values()))
                timer = self._loop.call_later(pause, self._any.set)
                await self._any.wait()
                timer.cancel()

    def _flow(self, batch: list[HostEvent]) -> dict[str, int]:
        flowing: dict[str, int] = {}
        for event in batch:
            if isinstance(event, ReplyOpened | TextDelta):
                said = flowing.get(event.turn_id) or self._flowing.get(event.turn_id, 0)
                flowing[event.turn_id] = said + len(event.text)
        return flowing
