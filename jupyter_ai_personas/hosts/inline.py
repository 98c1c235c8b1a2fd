"""A host on the caller's own event loop: for tests, and for one process with one user."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jupyter_ai_personas.hosts.outbox import Outbox
from jupyter_ai_personas.hosts.runner import TurnRunner
from jupyter_ai_personas.hosts.seam import HostEvent, HostServices
from jupyter_ai_personas.personas import TurnSpec

__all__ = ["InlineHost"]


class InlineHost:
    """The seam :class:`~jupyter_ai_personas.hosts.Host` without a wall."""

    def __init__(self, name: str, services: HostServices) -> None:
        self.name = name
        self._services = services
        self._running: set[str] = set()

    async def open(self) -> None:
        """See :meth:`Host.open`."""
        self._outbox = Outbox()
        self._runner = TurnRunner(self._services, self._put)

    def _put(self, event: HostEvent) -> None:
        if event.kind in ("end", "failed"):
            self._running.discard(event.turn_id)
        self._outbox.put(event)

    def start(self, spec: TurnSpec) -> None:
        """See :meth:`Host.start`."""
        self._running.add(spec.turn_id)
        self._runner.start(spec)

    def cancel(self, turn_id: str) -> None:
        """See :meth:`Host.cancel`."""
        self._runner.cancel(turn_id)

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
            self._outbox.put(HostEvent(turn_id, "lost"))
        self._outbox.close()

    def ping(self, now: float) -> None:
        """See :meth:`Host.ping`: whoever can ask is on the loop that would be stuck."""

    def stuck_for(self, now: float) -> float:
        """See :meth:`Host.stuck_for`."""
        return 0.0

    def where(self) -> str:
        """See :meth:`Host.where`."""
        return "on the event loop that asks"
