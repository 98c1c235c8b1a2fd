"""The text of a reply, on its way from the agent that writes it to the turn that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio

__all__ = ["Pieces"]

WAITING = 100
"""Pieces that may wait to be shown; an agent that writes faster waits."""


class Pieces:
    """Pieces of text in order, from one task to another of the same event loop."""

    def __init__(self) -> None:
        self._into, self._out = anyio.create_memory_object_stream[str | asyncio.Event](WAITING)
        self._marks: set[asyncio.Event] = set()
        self._is_closed = False

    async def put(self, piece: str) -> None:
        """Add a piece, when there is room for it. After :meth:`close`, it is dropped."""
        with suppress(anyio.BrokenResourceError):
            await self._into.send(piece)

    async def all_taken(self) -> None:
        """Return when what was put has been taken, or nobody takes any more."""
        if self._is_closed:
            return
        mark = asyncio.Event()
        self._marks.add(mark)
        try:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._into.send(mark)
                await mark.wait()
        finally:
            self._marks.discard(mark)

    def end(self) -> None:
        """Let :meth:`taken` end after what was put."""
        self._into.close()

    async def taken(self) -> AsyncIterator[str]:
        """Yield the pieces until :meth:`end`."""
        async for piece in self._out:
            if isinstance(piece, str):
                yield piece
            else:
                piece.set()

    def close(self) -> None:
        """Note that nobody takes any more."""
        self._is_closed = True
        self._out.close()
        for mark in self._marks:
            mark.set()
