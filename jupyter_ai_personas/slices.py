"""Time slices of an event loop, for work that may never suspend."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Generator
from types import coroutine
from typing import Any, TypeVar

import anyio.lowlevel

__all__ = ["SLICE", "Slices"]

SLICE = 0.005
"""Seconds that one piece of work may run before other tasks get the event loop."""

T = TypeVar("T")


class Slices:
    """Measures how long a stream, or other work, has run without suspending.

    Await the items of a stream with :meth:`watch`: one that suspends has yielded already, and
    another yield would cost more than the item.
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    @coroutine
    def watch(self, item: Awaitable[T]) -> Generator[Any, Any, T]:
        """Await ``item`` and return its result; note when it suspends."""
        waiting: Any = item.__await__()
        try:
            future = next(waiting)
            while True:
                try:
                    yield future
                except BaseException as error:  # such as a cancellation
                    if not hasattr(waiting, "throw"):
                        raise  # a plain iterator has no `throw`
                    self._since = time.perf_counter()
                    future = waiting.throw(error)
                else:
                    self._since = time.perf_counter()
                    future = next(waiting)
        except StopIteration as stop:
            value: T = stop.value
            return value

    @property
    def is_over(self) -> bool:
        """Whether to let other tasks run; see :meth:`hand_over`."""
        return time.perf_counter() - self._since > SLICE

    async def hand_over(self) -> None:
        """Let other tasks of the loop run, then start the next slice."""
        await anyio.lowlevel.checkpoint()
        self._since = time.perf_counter()
