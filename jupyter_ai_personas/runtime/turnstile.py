"""Spreads work that many tasks begin at once over iterations of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from jupyter_ai_personas.slices import Slices

__all__ = ["SpreadCalls", "Turnstile"]

AT_ONCE = 2
"""Tasks that pass in one iteration of the event loop. Handling a message takes 2 ms, and starting a
turn too."""


class Turnstile:
    """Lets a few tasks pass in each iteration of the event loop, so that requests run in between.

    Many tasks come at once when one message addresses many personas.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passed = 0
        self._counts = False

    async def enter(self) -> None:
        """Wait until this task may pass; it passes at once if few others come."""
        loop = asyncio.get_running_loop()
        if not self._counts:
            self._counts = True
            loop.call_soon(self._next)
        if self._passed < AT_ONCE and not self._waiting:
            self._passed += 1
            return
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _next(self) -> None:
        self._passed = 0
        while self._waiting and self._passed < AT_ONCE:
            waiter = self._waiting.popleft()
            if not waiter.done():  # else its task was cancelled
                waiter.set_result(None)
                self._passed += 1
        self._counts = self._passed > 0
        if self._counts:
            asyncio.get_running_loop().call_soon(self._next)


class SpreadCalls:
    """Makes calls in the next iterations of the event loop, for one slice of time in each."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()

    def soon(self, call: Callable[[], None]) -> None:
        """Make ``call`` in the next iteration, after the calls that are queued already."""
        if not self._calls:
            asyncio.get_running_loop().call_soon(self._run)
        self._calls.append(call)

    def _run(self) -> None:
        slices = Slices()
        try:
            while self._calls and not slices.is_over:
                self._calls.popleft()()
        finally:
            if self._calls:
                asyncio.get_running_loop().call_soon(self._run)
