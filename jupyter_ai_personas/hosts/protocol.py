"""The protocol of every host; one suite of tests runs over all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from jupyter_ai_personas.personas.wire import HostEvent, TurnAnswer, TurnSpec
from jupyter_ai_personas.providers.settings import ProviderSettings

__all__ = ["Host", "HostConfig", "HostHealth"]


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What hosts are configured with, as plain data: it can be sent to another process."""

    providers: ProviderSettings = field(default_factory=ProviderSettings)


@dataclass(frozen=True, slots=True)
class HostHealth:
    """How a host is: for how many seconds it has given no sign of life, and what it runs.

    ``location`` is ``file:line (function)``, or empty if the host answers.
    """

    stuck_seconds: float = 0.0
    location: str = ""


class Host(Protocol):
    """Runs the turns of one persona. All calls are made on the server's event loop."""

    async def open(self) -> None:
        """Get ready to run turns."""

    def start(self, spec: TurnSpec) -> None:
        """Begin a turn. It ends with an event: finished, failed or lost."""

    def cancel(self, turn_id: str) -> None:
        """Ask a turn to end; idempotent. A turn that is gone is no error."""

    def answer(self, turn_id: str, answer: TurnAnswer) -> None:
        """Answer a request of a turn. A turn or request that is gone is no error."""

    def release(self, chat_id: str) -> None:
        """Shut down the persona's object for a chat, in which nobody addressed it for a while."""

    def events(self) -> AsyncIterator[list[HostEvent]]:
        """Yield what the turns do, in batches, in order for each turn, until :meth:`close`."""

    async def close(self) -> None:
        """Cancel all turns, let the persona shut down, and end within a bound."""

    def abandon(self) -> None:
        """Give the host up: it does not come back. Its running turns are lost."""

    def health(self, now: float) -> HostHealth:
        """Return how the host is, and ask it for a sign of life; ``now``: monotonic seconds."""
