"""The way up through the wall: many threads put events in, one event loop takes batches out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from jupyter_ai_personas.hosts.seam import HostEvent

__all__ = ["Outbox", "joined"]

WINDOW = 0.03
"""Seconds that chunks are gathered for; what begins or ends something does not wait."""

MOST = 5000
"""Events that are taken at once: a few milliseconds of the loop."""


def joined(events: Iterable[HostEvent]) -> list[HostEvent]:
    """Return ``events`` with the chunks of a reply that follow each other in its turn made one.

    The order of each turn's events stays; a reply's text comes as soon as its first chunk did.
    """
    batch: list[HostEvent] = []
    growing: dict[str, tuple[str, list[str]]] = {}
    texts: list[tuple[int, list[str]]] = []
    for event in events:
        if event.kind != "chunk":
            growing.pop(event.turn_id, None)
            batch.append(event)
            continue
        reply_id, text = event.data
        begun = growing.get(event.turn_id)
        if begun is not None and begun[0] == reply_id:
            begun[1].append(text)
        else:
            growing[event.turn_id] = reply_id, (parts := [text])
            texts.append((len(batch), parts))
            batch.append(event)
    for place, parts in texts:
        if len(parts) > 1:
            turn_id, kind, (reply_id, _) = batch[place]
            batch[place] = HostEvent(turn_id, kind, (reply_id, "".join(parts)))
    return batch


class Outbox:
    """Events from any thread, in batches to the loop that made it.

    The loop is woken once a batch, however many events there are, and drains on its own clock: a
    producer that blocks holds back nothing that it has put in.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: deque[HostEvent] = deque()
        self._any = asyncio.Event()
        self._urgent = asyncio.Event()
        self._woken = False
        self._woken_urgently = False
        self._closed = False

    def put(self, event: HostEvent) -> None:
        """Add an event; safe in any thread."""
        if self._closed:
            return
        self._events.append(event)
        urgent = event.kind != "chunk"
        if not self._woken or (urgent and not self._woken_urgently):
            self._woken = True
            self._woken_urgently = self._woken_urgently or urgent
            # The loop may be closed by now: then nobody listens any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake, urgent)

    def _wake(self, urgent: bool) -> None:
        self._any.set()
        if urgent:
            self._urgent.set()

    def close(self) -> None:
        """End :meth:`batches` after what is there."""
        self._closed = True
        self._wake(True)

    async def batches(self) -> AsyncIterator[list[HostEvent]]:
        """Yield non-empty batches until :meth:`close`."""
        while True:
            await self._any.wait()
            self._any.clear()
            self._urgent.clear()
            # In this order: what is put in from here on wakes the loop again.
            self._woken = self._woken_urgently = False
            count = min(len(self._events), MOST)
            if count:
                yield joined(self._events.popleft() for _ in range(count))
            if self._closed and not self._events:
                return
            if count == MOST:
                # Others of the loop come first, then what is left, without waiting for more.
                self._any.set()
                await asyncio.sleep(0)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(WINDOW):
                    await self._urgent.wait()
