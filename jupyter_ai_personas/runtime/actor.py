"""The running persona in one chat: a mailbox, a lane for each person, its turns."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.runtime.turn import ActiveTurn

__all__ = ["Actor"]


class Actor:
    """Runs the turns addressed to one persona in one chat.

    One person's turns run one after the other, in order. Turns of different people run side by
    side, up to ``max_concurrent()``. After ``idle`` seconds without turns the actor retires:
    :meth:`run` returns and :attr:`retired` is true.
    """

    def __init__(
        self,
        persona: Persona,
        run_turn: Callable[[ActiveTurn, Actor], Awaitable[None]],
        *,
        max_concurrent: Callable[[], int],
        idle: float,
    ) -> None:
        self.persona = persona
        self.turns: dict[str, ActiveTurn] = {}
        self.retired = False
        self._run_turn = run_turn
        self._max_concurrent = max_concurrent
        self._idle = idle
        self._lanes: dict[str, deque[ActiveTurn]] = {}
        self._running: set[str] = set()
        # The people whose running turns wait for a decision, and whose turns want to continue.
        self._resting: set[str] = set()
        self._returning: dict[str, anyio.Event] = {}
        self._group: TaskGroup | None = None
        self._ended = anyio.Event()

    def put(self, turn: ActiveTurn) -> None:
        """Queue a turn at the end of its person's lane, and begin it if the lane is free."""
        self.turns[turn.id] = turn
        self._lanes.setdefault(turn.person, deque()).append(turn)
        self._pump()

    def is_busy(self, person: str) -> bool:
        """Return whether a turn of ``person`` runs or waits, so that another would wait."""
        return any(t.person == person and t.phase != "ended" for t in self.turns.values())

    def waiting(self, person: str) -> int:
        """Return how many turns of ``person`` have not begun."""
        return sum(t.person == person and t.phase == "queued" for t in self.turns.values())

    async def run(self) -> None:
        """Work until idle, or cancelled."""
        try:
            async with anyio.create_task_group() as self._group:
                self._pump()
                while not self.retired:
                    self._ended = anyio.Event()
                    with anyio.move_on_after(math.inf if self.turns else self._idle) as wait:
                        await self._ended.wait()
                    # No await between the check and the flag, so no turn can be added in between.
                    self.retired = wait.cancelled_caught and not self.turns
        finally:
            self.retired = True
            self._group = None

    def _pump(self) -> None:
        if self._group is None:
            return  # `run` starts the queued turns
        while self._returning and self.has_room:
            person = next(iter(self._returning))
            self._resting.discard(person)
            self._returning.pop(person).set()
        for person in list(self._lanes):
            if not self.has_room:
                return
            if person in self._running:
                continue
            lane = self._lanes[person]
            if lane:
                self._running.add(person)
                self._group.start_soon(self._work, lane.popleft())
            else:
                del self._lanes[person]

    @property
    def has_room(self) -> bool:
        """Whether a turn of one more person may run."""
        working = len(self._running) - len(self._resting)
        # One turn may always run, so the bound is not looked up then.
        return not working or working < self._max_concurrent()

    def rest(self, person: str) -> None:
        """Free the slot of a turn of ``person`` that waits for people."""
        self._resting.add(person)
        self._pump()

    async def come_back(self, person: str) -> None:
        """Wait until a resting turn may continue; it precedes turns that have not begun."""
        if person not in self._resting:
            return
        self._returning[person] = allowed = anyio.Event()
        self._pump()
        try:
            await allowed.wait()
        finally:
            self._returning.pop(person, None)

    async def _work(self, turn: ActiveTurn) -> None:
        await self._run_turn(turn, self)
        if self.turns.get(turn.id) is turn:  # a turn that continues it may have its id
            del self.turns[turn.id]
        self._running.discard(turn.person)
        self._resting.discard(turn.person)
        # The lane goes behind those of other people.
        if (lane := self._lanes.pop(turn.person, None)) is not None:
            self._lanes[turn.person] = lane
        self._pump()
        self._ended.set()
