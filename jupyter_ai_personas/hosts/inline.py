"""A host on the caller's event loop, for tests and single-user processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.outbox import Outbox
from jupyter_ai_personas.hosts.protocol import HostHealth
from jupyter_ai_personas.hosts.runner import TurnRunner
from jupyter_ai_personas.personas.wire import HostEvent, TurnAnswer, TurnEnd, TurnLost, TurnSpec

__all__ = ["InlineHost"]


class InlineHost:
    """A :class:`~jupyter_ai_personas.hosts.Host` without a wall."""

    def __init__(self, name: str, environment: HostEnvironment) -> None:
        self.name = name
        self._environment = environment
        self._running: set[str] = set()

    async def open(self) -> None:
        """See :meth:`Host.open`."""
        self._outbox = Outbox()
        self._runner = TurnRunner(self._environment, self._put)

    def _put(self, event: HostEvent) -> None:
        if isinstance(event, TurnEnd):
            self._running.discard(event.turn_id)
        self._outbox.put(event)

    def start(self, spec: TurnSpec) -> None:
        """See :meth:`Host.start`."""
        self._running.add(spec.turn_id)
        self._runner.start(spec)

    def cancel(self, turn_id: str) -> None:
        """See :meth:`Host.cancel`."""
        self._runner.cancel(turn_id)

    def answer(self, turn_id: str, answer: TurnAnswer) -> None:
        """See :meth:`Host.answer`."""
        self._runner.answer(turn_id, answer)

    def release(self, chat_id: str) -> None:
        """See :meth:`Host.release`."""
        self._runner.release(chat_id)

    def events(self) -> AsyncIterator[list[HostEvent]]:
        """See :meth:`Host.events`."""
        return self._outbox.batches()

    async def close(self) -> None:
        """See :meth:`Host.close`."""
        await self._runner.close()
        self._outbox.close()

    def abandon(self) -> None:
        """See :meth:`Host.abandon`."""
        for turn_id in list(self._running):
            self._runner.cancel(turn_id)
            self._outbox.put(TurnLost(turn_id))
        self._outbox.close()

    def health(self, now: float) -> HostHealth:
        """See :meth:`Host.health`. A stuck loop would also be the caller's."""
        return HostHealth()
