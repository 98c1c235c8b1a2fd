"""The protocol of all hosts; one test suite covers them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from jupyter_ai_personas.personas.wire import HostEvent, TurnAnswer, TurnSpec
from jupyter_ai_personas.providers.settings import ProviderSettings

__all__ = ["Host", "HostConfig", "HostHealth"]


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Configuration of a host, as plain data that can be sent to another process.

    ``models``: whether its personas have models at all.
    """

    providers: ProviderSettings = field(default_factory=ProviderSettings)
    models: bool = True


@dataclass(frozen=True, slots=True)
class HostHealth:
    """Health of a host: seconds without a sign of life, and the code it runs.

    ``location`` is ``file:line (function)``, or empty if the host answers.
    """

    stuck_seconds: float = 0.0
    location: str = ""


class Host(Protocol):
    """Runs the turns of one persona. All calls are made on the server's event loop."""

    async def open(self) -> None:
        """Prepare to run turns."""

    def start(self, spec: TurnSpec) -> None:
        """Begin a turn. It ends with an event: finished, failed or lost."""

    def cancel(self, turn_id: str) -> None:
        """Cancel a turn; idempotent. An unknown turn is no error."""

    def answer(self, turn_id: str, answer: TurnAnswer) -> None:
        """Answer a request of a turn. An unknown turn or request is no error."""

    def release(self, chat_id: str) -> None:
        """Shut down the persona's object for a chat that has been idle."""

    def events(self) -> AsyncIterator[list[HostEvent]]:
        """Yield the turns' events in batches, in order for each turn, until :meth:`close`."""

    async def close(self) -> None:
        """Cancel all turns and shut the persona down, within a bound."""

    def abandon(self) -> None:
        """Abandon an unresponsive host. Its running turns are lost."""

    def health(self, now: float) -> HostHealth:
        """Return the host's health and request a sign of life; ``now`` is in monotonic seconds."""
