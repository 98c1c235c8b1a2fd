"""Jupyter events of calls, approvals and votes; ``event_schemas/`` defines their fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jupyter_ai_personas.chat.feedback import VoteReport
from jupyter_ai_personas.runtime import (
    Approval,
    CallReport,
    Decision,
    Metrics,
    TurnReport,
)

__all__ = ["APPROVAL", "FEEDBACK", "TOOL_CALL", "ReportingMetrics"]

TOOL_CALL = "https://events.jupyter.org/jupyter_ai_personas/tool_call/v1"
APPROVAL = "https://events.jupyter.org/jupyter_ai_personas/approval/v1"
FEEDBACK = "https://events.jupyter.org/jupyter_ai_personas/feedback/v1"


class ReportingMetrics(Metrics):
    """Emits calls, approvals and votes as Jupyter events, and hands everything on to ``metrics``.

    ``event_logger`` is the server's, which knows the schemas; ``None``: nothing is emitted.
    """

    def __init__(self, metrics: Metrics, event_logger: Any, *, log: logging.Logger) -> None:
        self._metrics = metrics
        self._event_logger = event_logger
        self._log = log

    def first_text(self, seconds: float) -> None:
        """See :meth:`Metrics.first_text`."""
        self._metrics.first_text(seconds)

    def ended(self, report: TurnReport) -> None:
        """See :meth:`Metrics.ended`."""
        self._metrics.ended(report)

    def called(self, report: CallReport) -> None:
        """See :meth:`Metrics.called`."""
        self._metrics.called(report)
        self._emit(TOOL_CALL, asdict(report))

    def decided(self, approval: Approval, decision: Decision) -> None:
        """See :meth:`Metrics.decided`."""
        self._metrics.decided(approval, decision)
        data = {
            "approval_id": approval.id,
            "turn_id": approval.turn_id,
            "call_id": approval.call_id,
            "persona_id": approval.persona_id,
            "tool": approval.tool,
            "asked_by": approval.person,
            "decision": decision.status,
            "decided_by": decision.by,
            "scope": decision.scope,
            "seconds": max(0.0, decision.at - approval.asked_at),
        }
        self._emit(APPROVAL, data)

    def voted(self, report: VoteReport) -> None:
        """See :meth:`Metrics.voted`."""
        self._metrics.voted(report)
        self._emit(FEEDBACK, asdict(report))

    def _emit(self, schema_id: str, data: Mapping[str, Any]) -> None:
        if self._event_logger is None:
            return
        try:
            self._event_logger.emit(schema_id=schema_id, data=data)
        except Exception:
            # A sink of the operator's must not end a call.
            self._log.exception("An event of %s could not be emitted", schema_id)
