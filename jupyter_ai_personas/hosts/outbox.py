"""A queue of events: many threads put events in, one event loop takes batches out."""

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
"""Seconds between two batches, at least, unless something begins or ends."""

MOST = 5000
"""Events that are taken at once: a few milliseconds of the loop."""

PACING = Pacing()
"""How long chunks are gathered while text flows: as long as the writer waits between flushes."""


def joined(events: Iterable[HostEvent]) -> list[HostEvent]:
    """Return ``events`` with consecutive chunks of a reply joined.

    The order of each turn's events stays. Joined text takes the place of its first chunk.
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
    """Events from any thread, in batches to the loop that made it.

    Events other than text wake the loop, and so does the first text of a turn that was quiet. While
    text flows, no event wakes the loop: it takes the text when a reply of that length is written
    next. A producer that blocks delays no event that it has put in.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: deque[HostEvent] = deque()
        self._any = asyncio.Event()
        self._woken = False
        self._woken_urgently = False
        self._closed = False
        self._taken_at = -math.inf
        # Turn → characters of its flowing text. The loop polls for more, so it need not be woken.
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
            # The loop may be closed.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake, urgent)

    def _wake(self, urgent: bool) -> None:
        early = 0.0 if urgent else self._taken_at + WINDOW - self._loop.time()
        if early > 0:
            self._loop.call_later(early, self._any.set)
        else:
            self._any.set()

    def close(self) -> None:
        """End :meth:`batches` after the events that are there."""
        self._closed = True
        self._wake(True)

    async def batches(self) -> AsyncIterator[list[HostEvent]]:
        """Yield non-empty batches until :meth:`close`."""
        while True:
            if not self._events:
                self._flowing = {}
            # Check again: events that were put in before that line did not wake the loop.
            if not self._events:
                await self._any.wait()
            self._any.clear()
            # Events that are put in after this wake the loop again.
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
                # Let other tasks run, then take the rest at once.
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
