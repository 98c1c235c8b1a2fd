"""Time that passes when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def ahead() -> Iterator[Callable[[float], None]]:
    """Yield a function that puts the clock of the running event loop forward, by seconds.

    What is to happen when a time is over happens when a test says so, and not before.
    """
    loop = asyncio.get_running_loop()
    real, seconds = loop.time, 0.0

    def forward(by: float) -> None:
        nonlocal seconds
        seconds += by

    loop.time = lambda: real() + seconds  # type: ignore[method-assign]
    try:
        yield forward
    finally:
        del loop.time


def is_linear(work: Callable[[int], object], size: int) -> bool:
    """Tell whether ``work(size)`` takes time in proportion to ``size``, and not to its square.

    Under a second it cannot be the square, if ``size`` is well chosen. On a slow machine anything
    may take longer: then it is compared with a tenth, of which it takes ten times, or a hundred.
    """

    def seconds(size: int) -> float:
        began = time.thread_time()
        work(size)
        return time.thread_time() - began

    if seconds(size) < 1.0:
        return True
    whole, tenth = (min(seconds(n) for _ in range(3)) for n in (size, size // 10))
    return whole < 30 * tenth


class FakeTimer:
    """What `call_later` returns."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """The two methods of an event loop that a writer needs, in fake time."""

    def __init__(self) -> None:
        self.now = 100.0
        self._count = itertools.count()
        self._timers: list[tuple[float, int, FakeTimer]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any:
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (self.now + max(0.0, delay), next(self._count), timer))
        return timer

    @property
    def pending(self) -> int:
        """How many timers would still fire."""
        return sum(timer.callback is not None for _, _, timer in self._timers)

    def advance(self, seconds: float, *, late: float = 0.0) -> None:
        """Let time pass; timers fire in order, each `late` seconds after it was due."""
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            due, _, timer = heapq.heappop(self._timers)
            if (callback := timer.callback) is not None:
                timer.callback = None
                self.now = max(self.now, due + late)
                callback()
        self.now = max(self.now, until)


class _Selector(selectors.DefaultSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        # A thread that is about to finish is waited for; else the next timer is due at once.
        ready = super().select(0.0005)
        if not ready:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer whenever nothing else is to be done.

    What waits for hours takes no time, and the order of things does not depend on the machine.
    """

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now
