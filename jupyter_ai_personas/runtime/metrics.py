"""What the runtime reports for metrics and events: turns, calls of tools, approvals, votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.chat.feedback import VoteReport
from jupyter_ai_personas.runtime.approvals import Approval, Decision
from jupyter_ai_personas.runtime.ledger import FinalState

__all__ = ["CallReport", "Metrics", "TurnReport"]


@dataclass(frozen=True, slots=True)
class TurnReport:
    """A turn that ended, for metrics.

    ``seconds`` are since the turn was accepted, ``work_seconds`` since it got its slot.
    """

    turn_id: str
    persona_id: str
    state: FinalState
    seconds: float
    work_seconds: float
    usage: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """A call of a tool that ended, for metrics and events.

    ``policy`` is ``allow``, ``ask`` or ``deny``, and empty for a tool that is not there.
    ``outcome`` is ``done``, ``failed``, ``denied`` by the operator or people, or ``refused`` by the
    server. ``seconds`` are of the execution, 0 if there was none.
    """

    turn_id: str
    call_id: str
    persona_id: str
    tool: str
    person: str
    policy: str
    outcome: str
    seconds: float


class Metrics:
    """Hears of turns, calls, approvals and votes; this class counts nothing."""

    def first_text(self, seconds: float) -> None:
        """Note the first text of a turn, ``seconds`` after the turn was accepted."""

    def ended(self, report: TurnReport) -> None:
        """Note the end of a turn."""

    def called(self, report: CallReport) -> None:
        """Note the end of a call."""

    def decided(self, approval: Approval, decision: Decision) -> None:
        """Note what became of an approval."""

    def voted(self, report: VoteReport) -> None:
        """Note a vote on a reply."""
