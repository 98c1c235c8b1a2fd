"""Waiting for people: the turn gives its slots back, and its time limit stops."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.runtime.actor import Actor
from jupyter_ai_personas.runtime.turn import ActiveTurn
from jupyter_ai_personas.runtime.wording import ASKING, THINKING, WAITING

__all__ = ["Waiting"]


class Waiting:
    """The slots of one attempt of a turn, which may wait for people in several calls at once.

    ``actor`` runs the turn in a slot of its own; ``exclusive`` are acquired after that, in this
    order. ``scope`` gets the time limit of the attempt. ``show`` shows what the turn does.
    """

    def __init__(
        self,
        turn: ActiveTurn,
        scope: anyio.CancelScope,
        actor: Actor,
        exclusive: Sequence[anyio.Semaphore],
        *,
        show: Callable[[ActiveTurn, str], None],
    ) -> None:
        self._turn = turn
        self._scope = scope
        self._actor = actor
        self._exclusive = exclusive
        self._show = show
        self._held = ExitStack()
        self._waits = 0
        self._remaining = math.inf
        self._lock = anyio.Lock()
        self._working = anyio.Event()
        self._working.set()

    @asynccontextmanager
    async def slots(self, seconds: float) -> AsyncIterator[TaskGroup]:
        """Hold all slots in the block, which may work for ``seconds``; yield a group for it."""
        if self._turn.waiting_since is not None:  # the attempt before this ended while it waited
            self._show(self._turn, WAITING)
            await self._actor.come_back(self._turn.person)
            self._turn.wait(False)
        await self._acquire()
        try:
            # The time limit starts when the slots are acquired.
            self._scope.deadline = anyio.current_time() + seconds
            async with anyio.create_task_group() as self._group:
                yield self._group
        finally:
            self._held.close()

    async def _acquire(self) -> None:
        """Hold all exclusive slots; when cancelled, none."""
        with ExitStack() as held:
            for slot in self._exclusive:
                if slot.value == 0:
                    self._show(self._turn, WAITING)
                await slot.acquire()
                held.callback(slot.release)
            self._held = held.pop_all()

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
        if not self._working.is_set():
            return
        self._working = anyio.Event()
        self._remaining = self._scope.deadline - anyio.current_time()
        self._scope.deadline = math.inf
        self._held.close()
        self._actor.rest(self._turn.person)
        self._turn.wait(True)
        self._show(self._turn, ASKING)

    async def _go_on(self) -> None:
        async with self._lock:
            if self._waits or self._working.is_set():
                return
            with ExitStack() as undo:
                await self._actor.come_back(self._turn.person)
                undo.callback(self._actor.rest, self._turn.person)
                await self._acquire()
                if self._waits:  # another call has begun to wait meanwhile
                    self._held.close()
                    return
                undo.pop_all()
            self._scope.deadline = anyio.current_time() + self._remaining
            self._working.set()
            self._turn.wait(False)
            self._show(self._turn, THINKING)
