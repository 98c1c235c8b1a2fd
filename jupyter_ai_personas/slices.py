"""Time slices of an event loop, for streams that may never suspend."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Generator
from types import coroutine
from typing import Any, TypeVar

import anyio.lowlevel

__all__ = ["SLICE", "Slices"]

SLICE = 0.01
"""Seconds that a stream may run before it yields to other tasks."""

T = TypeVar("T")


class Slices:
    """Measures how long a stream has run without suspending.

    Await items with :meth:`watch`: a stream that suspends has yielded already, and another yield
    would cost more than the item.
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
        """Whether the stream should yield; see :meth:`hand_over`."""
        return time.perf_counter() - self._since > SLICE

    async def hand_over(self) -> None:
        """Let other tasks of the loop run, then start the next slice."""
        await anyio.lowlevel.checkpoint()
        self._since = time.perf_counter()
