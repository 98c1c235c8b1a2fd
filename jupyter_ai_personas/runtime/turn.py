"""The server's side of a turn: its message, persona, phase and replies."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import anyio

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.personas.turn import reply_id
from jupyter_ai_personas.routing import Chain
from jupyter_ai_personas.runtime.ledger import FinalState, TurnLedger, TurnStep
from jupyter_ai_personas.runtime.outcome import Outcome
from jupyter_ai_personas.runtime.replies import Replies

__all__ = ["ActiveTurn", "ReplyFinished", "TurnOrder", "is_resumable"]


@dataclass(frozen=True, slots=True)
class TurnOrder:
    """An order to run turns: one for each of ``persona_ids`` answers ``message``.

    ``anew``: the ledger may know the turns already, as for a retry; ``rewrite`` is then the id of
    the reply to replace. ``turn_id`` is the id of a single turn that continues.
    """

    message: Message
    persona_ids: Sequence[str]
    chain: Chain
    person: str
    rewrite: str | None = None
    anew: bool = False
    turn_id: str | None = None
    steps: Sequence[TurnStep] = ()
    """The steps that a turn continues from."""
    so_far: str | None = None
    """The text of the reply at the cut, if the turn continues by itself; otherwise ``None``."""


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """A turn has ended. ``written`` has the message id and body of each of its replies."""

    persona_id: str
    request_id: str
    state: FinalState
    written: tuple[tuple[str, str], ...]
    chain: Chain
    person: str


def is_resumable(persona: Persona) -> bool:
    """Return whether turns of ``persona`` can continue from their steps.

    The product's loop reads the steps; an agent loads its session again.
    """
    return persona.is_agent or not persona.answers_itself


class ActiveTurn:
    """A turn that was accepted. Only its own methods change it.

    ``person`` is the username of the person who started the chain: lanes, stops and limits go by
    it. Times are in seconds since 1970.
    """

    def __init__(
        self,
        turn_id: str,
        persona: Persona,
        message: Message,
        *,
        person: str,
        chain: Chain,
        replies: Replies,
    ) -> None:
        self.id = turn_id
        self.persona = persona
        self.message = message
        self.person = person
        self.chain = chain
        self.replies = replies
        self.accepted_at = time.time()
        self.began_at: float | None = None
        self.outcome: Outcome | None = None
        self.ended = anyio.Event()
        self.has_steps = False
        """Whether the ledger has steps of the turn."""
        self.so_far: str | None = None
        """See :class:`TurnOrder`."""
        self.waiting_since: float | None = None
        """When the turn began to wait for people, ``None`` if it does not wait."""
        self.lost = ""
        """Why the last attempt was lost with its worker; empty if it was not."""
        self.losses = 0
        """How many attempts were lost with their workers."""
        self._attempts = 0
        self._restarts = False
        self._scope: anyio.CancelScope | None = None

    @property
    def phase(self) -> Literal["queued", "running", "ended"]:
        """How far the turn is."""
        if self.ended.is_set():
            return "ended"
        return "queued" if self.began_at is None else "running"

    @property
    def is_resumable(self) -> bool:
        """Whether it continues from its steps after a restart.

        A working agent may do something that the server does not see; a waiting one does not.
        """
        if self.persona.is_agent and self.waiting_since is None:
            return False
        return self.has_steps and is_resumable(self.persona)

    def wait(self, is_waiting: bool) -> None:
        """Note that the turn waits for people, or does so no longer."""
        self.waiting_since = time.time() if is_waiting else None
        self.replies.wait(is_waiting)

    @property
    def host_id(self) -> str:
        """The id of the current attempt in the host; events of earlier attempts do not match."""
        return f"{self.id}.{self._attempts}" if self._attempts else self.id

    @property
    def wants_restart(self) -> bool:
        """Whether another attempt replaces the current one."""
        return self._restarts and self.outcome is None

    @property
    def seconds(self) -> float:
        """Seconds since the turn was accepted."""
        # The clock of the machine may have been set back.
        return max(0.0, time.time() - self.accepted_at)

    def checkpoint(self, ledger: TurnLedger) -> None:
        """Record the replies, if they have changed since they were recorded last."""
        if self.replies.is_stale:
            ledger.checkpoint(self.id, self.replies.so_far())

    def lose(self, reason: str) -> None:
        """End the current attempt: its worker is gone."""
        if self.outcome is None:
            self.lost = reason
            self.losses += 1
            self._wake()

    def go_on(self) -> None:
        """Prepare another attempt that continues from the steps of the lost one."""
        self.lost = ""
        self.so_far = next((body for _, body in self.replies.written), "")
        self._attempts += 1
        self.replies.restart()

    @contextmanager
    def attempt(self) -> Iterator[anyio.CancelScope]:
        """Run an attempt in the scope that is returned; it ends when the turn is settled."""
        if self.began_at is None:
            self.began_at = time.time()
        if self._restarts:
            self._restarts = False
            self._attempts += 1
            self.has_steps = False
            self.so_far = None
            self.replies.restart()
        with anyio.CancelScope() as self._scope:
            yield self._scope

    def settle(self, outcome: Outcome) -> None:
        """Set the outcome, unless there is one, and end the current attempt."""
        if self.outcome is None and not self.ended.is_set():
            self.outcome = outcome
            self._wake()

    def begin_again(self, message: Message) -> None:
        """Answer ``message`` instead; an attempt that runs is replaced by another."""
        self.message = message
        if self.phase == "running" and self.outcome is None:
            self._restarts = True
            self._wake()

    def _wake(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    def end(self, outcome: Outcome) -> bool:
        """Bring the replies to their final state; return whether the turn ends now.

        ``outcome`` is for a turn that was not settled (:meth:`settle`).
        """
        if self.ended.is_set():
            return False
        self.outcome = outcome = self.outcome or outcome
        self.ended.set()
        note_id = reply_id(self.id, len(self.replies.written) + 1)
        self.replies.finish(outcome, fallback_id=note_id)
        return True

    def leave(self) -> None:
        """Set :attr:`ended` without an outcome: the next server runs the turn."""
        self.ended.set()

    def finished(self) -> ReplyFinished:
        """Return the event that reports the turn's end."""
        assert self.outcome is not None, "the turn has not ended"
        return ReplyFinished(
            self.persona.id,
            self.message.id,
            self.outcome.state,
            tuple(self.replies.written),
            self.chain,
            self.person,
        )
