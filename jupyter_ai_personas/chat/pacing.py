"""Decides when a growing reply is written next: a pure policy, and the measured load.

A body is a string, so each flush writes all of it: the bytes grow with the number of flushes times
the length. A document transaction costs the server milliseconds whatever its size, most of them
after the call has returned (clients, update store, saving), and each browser renders the body
again. About four flushes a second show text sooner than twenty.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

__all__ = ["Clock", "Pacer", "Pacing"]


@dataclass(frozen=True, slots=True)
class Pacing:
    """The flush policy. Times are in seconds, sizes in characters.

    ``interval`` is the pause while text flows. The first ``eager_chars`` of a reply are flushed
    after ``eager_interval``, so that a short answer appears quickly. Long bodies are written less
    often, so that no more than ``chars_per_second`` are written, but at least every ``longest``.

    When the server's event loop works for more than ``share`` of the time, all pauses stretch, up
    to ``longest_by_load``. This is less than the second of quiet after which a room saves its file;
    otherwise an expensive save would follow each transaction.

    Transactions of different chats are ``spacing`` apart, or less if there are many chats: requests
    run in between, and the update stores of the rooms seldom wait for each other's locks. Text of
    up to ``joint_chars`` is written together with the end of another reply.
    """

    interval: float = 0.25
    eager_interval: float = 0.1
    eager_chars: int = 200
    chars_per_second: float = 400_000
    share: float = 0.5
    longest: float = 2.0
    longest_by_load: float = 0.9
    spacing: float = 0.008
    joint_chars: int = 10_000

    def pause(self, *, chars: int, stretch: float = 1.0, lag: float = 0.0) -> float:
        """Return the seconds to wait after a flush before the next one.

        ``chars`` is the size of all bodies that grow in the chat, ``stretch`` the result of
        :meth:`adapt`, ``lag`` the delay of the event loop. The last two are the same for all
        chats: under load all of them slow down evenly.
        """
        flow = self.eager_interval if chars < self.eager_chars else self.interval
        by_load = min(max(flow * stretch, 2 * lag), self.longest_by_load)
        return min(max(by_load, chars / self.chars_per_second), self.longest)

    def space(self, *, chats: int, stretch: float = 1.0) -> float:
        """Return the seconds between transactions while replies grow in ``chats`` chats."""
        return min(self.spacing, self.interval * stretch / max(chats, 1))

    def adapt(self, stretch: float, busy: float) -> float:
        """Return the next ``stretch``, at least 1, for an event loop that was ``busy`` with it.

        ``busy`` is the processor time of the loop's thread as a share of the time that passed. The
        square root damps the control: the effect of a longer pause is measured one pause later.
        """
        factor = math.sqrt(max(busy, 0.0) / self.share)
        return min(max(stretch * factor, 1.0), self.longest_by_load / self.interval)


class Clock(Protocol):
    """The time and the timers that the writer needs."""

    def time(self) -> float:
        """Return monotonic seconds."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        """Call ``callback`` after ``delay`` seconds."""


class _LoopClock:
    """The time and the timers of the event loop that runs."""

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay, callback)


@dataclass(slots=True)
class Pacer:
    """The policy and the measured load; all chats of a server share one.

    ``processor_time`` returns the processor time of the loop's thread: it includes all that a
    transaction causes there.
    """

    clock: Clock = field(default_factory=_LoopClock)
    policy: Pacing = field(default_factory=Pacing)
    processor_time: Callable[[], float] = time.thread_time
    stretch: float = 1.0
    lag: float = 0.0
    flushes: int = 0
    bytes_written: int = 0
    writing: WeakSet[object] = field(default_factory=WeakSet)
    """The writers of the chats in which replies grow."""
    _measured_at: float = 0.0
    _used: float = 0.0
    _next_slot: float = 0.0

    def pause(self, chars: int) -> float:
        """Return the seconds until a chat with ``chars`` of growing bodies is flushed again."""
        return self.policy.pause(chars=chars, stretch=self.stretch, lag=self.lag)

    def next_slot(self) -> float:
        """Reserve the next time at which a chat may write, and return it."""
        spacing = self.policy.space(chats=len(self.writing), stretch=self.stretch)
        self._next_slot = max(self.clock.time(), self._next_slot + spacing)
        return self._next_slot

    @property
    def is_loaded(self) -> bool:
        """Whether pauses are longer than on an idle server."""
        return self.stretch > 1.0

    @property
    def slowdown(self) -> float:
        """The factor by which pauses are longer than on an idle server; at least 1."""
        if not self.writing:
            return 1.0  # what was measured while replies grew is out of date
        return self.pause(self.policy.eager_chars) / self.policy.interval

    def flushed(self, *, late: float, size: int) -> None:
        """Record a flush that was ``late`` seconds late and wrote ``size`` bytes of bodies."""
        self.flushes += 1
        self.bytes_written += size
        self.lag += (max(0.0, late) - self.lag) / 4
        now = self.clock.time()
        passed = now - self._measured_at
        if passed >= self.policy.interval:
            used = self.processor_time()
            self.stretch = self.policy.adapt(self.stretch, (used - self._used) / passed)
            self._measured_at, self._used = now, used
