"""Slices of an event loop's time: what to do about a stream that may never suspend."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from functools import partial
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

    def watch(self, item: Awaitable[T]) -> Awaitable[T]:
        """Return what awaits ``item``, and notes when that suspends."""
        return _Watched(self, item)

    @property
    def is_over(self) -> bool:
        """Whether others should have their turn: see :meth:`hand_over`."""
        return time.perf_counter() - self._since > SLICE

    async def hand_over(self) -> None:
        """Let the other tasks of the loop run, and begin the next slice."""
        await anyio.lowlevel.checkpoint()
        self._since = time.perf_counter()


class _Watched(Awaitable[T]):
    __slots__ = ("_item", "_slices")

    def __init__(self, slices: Slices, item: Awaitable[T]) -> None:
        self._slices = slices
        self._item = item

    def __await__(self) -> Generator[Any, Any, T]:
        waiting: Any = self._item.__await__()
        step: Callable[[], Any] = partial(next, waiting)
        while True:
            try:
                future = step()
            except StopIteration as stop:
                value: T = stop.value
                return value
            try:
                yield future
                step = partial(next, waiting)
            except BaseException as error:  # whatever is thrown in, such as a cancellation
                if not hasattr(waiting, "throw"):
                    raise  # a plain iterator cannot be told
                step = partial(waiting.throw, error)
            self._slices._since = time.perf_counter()
