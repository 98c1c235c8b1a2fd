"""A turn on the server's side: who asked whom what, how far it is, what it wrote."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import anyio

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.routing import Chain
from jupyter_ai_personas.runtime.ledger import FinalState

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime.replies import Replies

__all__ = ["ActiveTurn", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended: the final state of its reply, a paragraph for people, more metadata."""

    state: FinalState
    note: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class ActiveTurn:
    """A turn that was accepted and has not ended.

    ``person`` is who started the chain: the owner of the lane, the stop and the limits.
    ``attempt`` counts restarts after an edit. Times are in seconds since 1970.
    """

    persona: Persona
    message: Message
    person: str
    chain: Chain
    replies: Replies
    id: str = field(default_factory=lambda: str(uuid4()))
    accepted_at: float = field(default_factory=time.time)
    began_at: float | None = None
    phase: Literal["queued", "running", "ended"] = "queued"
    attempt: int = 0
    restart: bool = False
    outcome: Outcome | None = None
    scope: anyio.CancelScope | None = None
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def host_id(self) -> str:
        """The id that its host knows it by: late events of an earlier attempt do not match."""
        return f"{self.id}.{self.attempt}" if self.attempt else self.id

    def settle(self, outcome: Outcome) -> None:
        """Say how the turn ends, once, and let its task go on to the end."""
        if self.outcome is None and self.phase != "ended":
            self.outcome = outcome
            self._wake()

    def begin_again(self, message: Message) -> None:
        """Restart the turn with ``message``."""
        self.message = message
        if self.phase == "running" and self.outcome is None:
            self.restart = True
            self._wake()

    def _wake(self) -> None:
        if self.scope is not None:
            self.scope.cancel()
