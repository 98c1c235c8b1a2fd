"""Waiting for people: the turn gives its slots back, and its time limit stops."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.runtime.turn import ActiveTurn
from jupyter_ai_personas.runtime.wording import ASKING, THINKING

__all__ = ["Slot", "Waiting"]


class Slot(Protocol):
    """Something that a turn holds while it works."""

    def release(self) -> None:
        """Give it back."""

    async def acquire(self) -> None:
        """Get it again; when cancelled, it is not held."""


class Waiting:
    """Lets one attempt of a turn wait for people, in several calls at once.

    ``slots`` are acquired in this order. ``scope`` has the time limit of the attempt, and
    ``group`` ends with it. ``show`` shows what the turn does.
    """

    def __init__(
        self,
        turn: ActiveTurn,
        scope: anyio.CancelScope,
        slots: Sequence[Slot],
        group: TaskGroup,
        *,
        show: Callable[[ActiveTurn, str], None],
    ) -> None:
        self._turn = turn
        self._scope = scope
        self._slots = slots
        self._group = group
        self._show = show
        self._waits = 0
        self._is_held = True
        self._remaining = math.inf
        self._lock = anyio.Lock()
        self._working = anyio.Event()
        self._working.set()

    async def until_working(self) -> None:
        """Return when the turn does not wait."""
        await self._working.wait()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Wait for people inside the block; the turn continues when it ends."""
        self._begin()
        try:
            yield
        except BaseException:
            # If only this call was given up, the turn continues.
            self._waits -= 1
            self._group.start_soon(self._go_on)
            raise
        self._waits -= 1
        await self._go_on()

    def _begin(self) -> None:
        self._waits += 1
        if not self._is_held:
            return
        self._is_held = False
        self._remaining = self._scope.deadline - anyio.current_time()
        self._scope.deadline = math.inf
        self._working = anyio.Event()
        for slot in reversed(self._slots):
            slot.release()
        self._turn.wait(True)
        self._show(self._turn, ASKING)

    async def _go_on(self) -> None:
        async with self._lock:
            if self._waits or self._is_held:
                return
            with ExitStack() as held:
                for slot in self._slots:
                    await slot.acquire()
                    held.callback(slot.release)
                if self._waits:  # another call has begun to wait meanwhile
                    return
                held.pop_all()
            self._is_held = True
            self._scope.deadline = anyio.current_time() + self._remaining
            self._working.set()
            self._turn.wait(False)
            self._show(self._turn, THINKING)
