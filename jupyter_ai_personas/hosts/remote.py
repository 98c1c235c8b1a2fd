"""The server's side of a persona whose turns run on workers.

A persona has one object for each chat, so all turns of a chat go to one worker.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.frames import (
    AbandonHost,
    AnswerTurn,
    CancelTurn,
    CloseHost,
    ReleaseChat,
    StartTurn,
)
from jupyter_ai_personas.hosts.protocol import HostHealth
from jupyter_ai_personas.hosts.runner import SHUTDOWN_SECONDS
from jupyter_ai_personas.hosts.workers import ConnectionLostError, Worker, Workers
from jupyter_ai_personas.personas.wire import (
    HostEvent,
    TurnAnswer,
    TurnEnd,
    TurnFinished,
    TurnLost,
    TurnSpec,
)

__all__ = ["RemoteHost"]


class RemoteHost:
    """A :class:`~jupyter_ai_personas.hosts.Host` on the workers of an engine."""

    def __init__(self, name: str, environment: HostEnvironment, workers: Workers) -> None:
        self.name = name
        self._log = environment.log
        self._workers = workers
        self._numbers: dict[Worker, int] = {}
        self._places: dict[str, Worker] = {}
        self._turns: dict[str, Worker] = {}
        self._waiting: dict[str, TurnSpec] = {}
        self._events: deque[HostEvent] = deque()
        self._any = asyncio.Event()
        self._empty = asyncio.Event()
        self._closing = False
        self._closed = False

    async def open(self) -> None:
        """See :meth:`Host.open`.

        Raises:
            HostUnavailableError: there is no worker; the message says what to do.
        """
        await self._workers.until_known()
        if not self._workers.ready:
            raise HostUnavailableError(self._workers.problem)
        self._end_watch = self._workers.watch(self._place_waiting)

    # -- what comes up ----------------------------------------------------------------------

    def received(self, events: Iterable[HostEvent]) -> None:
        """See :meth:`Receiver.received`."""
        for event in events:
            if isinstance(event, TurnEnd):
                # Ignore it if the turn was lost or runs on another worker.
                worker = self._turns.pop(event.turn_id, None)
                if worker is None:
                    continue
                worker.turns -= 1
            elif event.turn_id not in self._turns:
                continue
            self._events.append(event)
        self._any.set()

    def ended(self, worker: Worker) -> None:
        """See :meth:`Receiver.ended`."""
        self._forget(worker)

    def lost(self, worker: Worker, error: ConnectionLostError) -> None:
        """See :meth:`Receiver.lost`."""
        turns = [turn_id for turn_id, its in self._turns.items() if its is worker]
        self._lose(turns, reason=error.reason, blameless=error.blameless)
        self._forget(worker)

    def _forget(self, worker: Worker) -> None:
        self._numbers.pop(worker, None)
        self._places = {chat: its for chat, its in self._places.items() if its is not worker}
        if self._closing and not self._numbers:
            self._empty.set()

    def _lose(self, turns: Iterable[str], *, reason: str = "", blameless: bool = False) -> None:
        for turn_id in turns:
            if (worker := self._turns.pop(turn_id, None)) is not None:
                worker.turns -= 1
            self._events.append(TurnLost(turn_id, reason=reason, blameless=blameless))
        self._any.set()

    async def events(self) -> AsyncIterator[list[HostEvent]]:
        """See :meth:`Host.events`."""
        while True:
            if self._events:
                batch = list(self._events)
                self._events.clear()
                yield batch
            elif self._closed:
                return
            else:
                self._any.clear()
                await self._any.wait()

    # -- what goes down ---------------------------------------------------------------------

    def start(self, spec: TurnSpec) -> None:
        """See :meth:`Host.start`. The turn waits while a worker is replaced."""
        worker = self._places.get(spec.chat_id) or self._workers.pick()
        if worker is None and (problem := self._workers.problem):
            self._lose([spec.turn_id], reason=problem, blameless=True)
        elif worker is None:
            self._waiting[spec.turn_id] = spec
        else:
            self._give(worker, spec)

    def _give(self, worker: Worker, spec: TurnSpec) -> None:
        number = self._numbers.get(worker)
        if number is None:
            number = self._numbers[worker] = worker.open_host(self.name, self)
        self._places[spec.chat_id] = worker
        self._turns[spec.turn_id] = worker
        worker.turns += 1
        worker.use_providers(self._workers.environment.providers_of(spec))
        worker.send(StartTurn(number, spec))

    def _place_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for spec in waiting.values():
            self.start(spec)

    def cancel(self, turn_id: str) -> None:
        """See :meth:`Host.cancel`."""
        if self._waiting.pop(turn_id, None) is not None:
            self._events.append(TurnFinished(turn_id))
            self._any.set()
        elif (worker := self._turns.get(turn_id)) is not None:
            worker.send(CancelTurn(self._numbers[worker], turn_id))

    def answer(self, turn_id: str, answer: TurnAnswer) -> None:
        """See :meth:`Host.answer`."""
        if (worker := self._turns.get(turn_id)) is not None:
            worker.send(AnswerTurn(self._numbers[worker], turn_id, answer))

    def release(self, chat_id: str) -> None:
        """See :meth:`Host.release`."""
        if (worker := self._places.pop(chat_id, None)) is not None:
            worker.send(ReleaseChat(self._numbers[worker], chat_id))

    async def close(self) -> None:
        """See :meth:`Host.close`."""
        if not self._closing and not self._closed:
            self._closing = True
            for turn_id in list(self._waiting):
                self.cancel(turn_id)
            for worker, number in self._numbers.items():
                worker.send(CloseHost(number))
            if self._numbers:
                with suppress(TimeoutError):
                    # The worker gives a persona three times that.
                    await asyncio.wait_for(self._empty.wait(), 4 * SHUTDOWN_SECONDS)
            if self._numbers:
                names = ", ".join(worker.name for worker in self._numbers)
                self._log.warning("Persona %s did not end on %s", self.name, names)
        self.abandon()

    def abandon(self) -> None:
        """See :meth:`Host.abandon`. A worker that does not respond at all is ended."""
        if self._closed:
            return
        self._closed = True
        self._end_watch()
        self._lose([*self._waiting, *self._turns])
        self._waiting.clear()
        for worker, number in list(self._numbers.items()):
            if worker.is_responsive:
                worker.send(AbandonHost(number))
            else:
                worker.kill()

    def health(self, now: float) -> HostHealth:
        """See :meth:`Host.health`: the worst of its workers."""
        found = [worker.health(number) for worker, number in self._numbers.items()]
        return max(found, key=lambda one: one.stuck_seconds, default=HostHealth())
