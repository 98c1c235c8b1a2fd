"""Slices of an event loop's time: what to do about a stream that may never suspend."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Generator
from types import coroutine
from typing import Any, TypeVar

import anyio.lowlevel

__all__ = ["SLICE", "Slices"]

SLICE = 0.01
"""Seconds for which a stream may hold its event loop before others get their turn."""

T = TypeVar("T")


class Slices:
    """Whether a stream has held its event loop for long.

    Items are awaited by :meth:`watch`: a stream that waits for its items lets others have the loop
    by itself, and needs no further turn of it, which would cost more than the item.
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    @coroutine
    def watch(self, item: Awaitable[T]) -> Generator[Any, Any, T]:
        """Await ``item`` and return what it gives; note when it suspends."""
        waiting: Any = item.__await__()
        try:
            future = next(waiting)
            while True:
                try:
                    yield future
                except BaseException as error:  # whatever is thrown in, such as a cancellation
                    if not hasattr(waiting, "throw"):
                        raise  # a plain iterator cannot be told
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
        """Whether others should have their turn: see :meth:`hand_over`."""
        return time.perf_counter() - self._since > SLICE

    async def hand_over(self) -> None:
        """Let the other tasks of the loop run, and begin the next slice."""
        await anyio.lowlevel.checkpoint()
        self._since = time.perf_counter()
