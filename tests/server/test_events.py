"""Jupyter events of calls and approvals, checked by their schemas in a real event logger."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from jupyter_events import EventLogger

from jupyter_ai_personas.chat.feedback import VoteReport
from jupyter_ai_personas.runtime import Approval, CallReport, Decision
from jupyter_ai_personas.server.events import APPROVAL, FEEDBACK, TOOL_CALL, ReportingMetrics
from jupyter_ai_personas.server.metrics import PrometheusMetrics
from jupyter_ai_personas.server.schemas import register_schemas

LOG = logging.getLogger("tests.events")


class Sink(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(json.loads(self.format(record)))


def approval(asked_at: float) -> Approval:
    return Approval(
        id="a",
        turn_id="t",
        call_id="1",
        chat_id="c",
        chat_path="a.chat",
        persona_id="p",
        persona_name="P",
        tool="notebook.run_cell",
        arguments={"secret": "value"},
        person="ada",
        approvers=["anyone"],
        asked_at=asked_at,
        expires=asked_at + 1,
        text="It wants a secret.",
    )


def report(**fields: Any) -> CallReport:
    values: dict[str, Any] = {
        "turn_id": "t",
        "call_id": "1",
        "persona_id": "p",
        "tool": "notebook.read",
        "person": "ada",
        "policy": "allow",
        "outcome": "done",
        "seconds": 0.25,
    }
    return CallReport(**{**values, **fields})


def test_a_call_and_a_decision_are_events_without_arguments() -> None:
    sink = Sink()
    event_logger = EventLogger(handlers=[sink])
    register_schemas(event_logger)
    metrics = ReportingMetrics(PrometheusMetrics(), event_logger, log=LOG)
    metrics.called(report())
    now = time.time()
    metrics.decided(approval(now - 2), Decision("denied", "bob", "Bob", "a secret", at=now))
    metrics.voted(VoteReport("t", "p", "", "ada", -1))
    call, decision, vote = sink.events
    assert (vote["__schema__"], vote["person"], vote["vote"]) == (FEEDBACK, "ada", -1)
    assert call["__schema__"] == TOOL_CALL
    assert {key: call[key] for key in ("tool", "person", "policy", "outcome", "seconds")} == {
        "tool": "notebook.read",
        "person": "ada",
        "policy": "allow",
        "outcome": "done",
        "seconds": 0.25,
    }
    assert decision["__schema__"] == APPROVAL
    assert (decision["asked_by"], decision["decided_by"]) == ("ada", "bob")
    assert (decision["decision"], round(decision["seconds"], 3)) == ("denied", 2)
    assert "secret" not in json.dumps(sink.events)


@pytest.mark.parametrize("outcome", ["done", "failed", "denied", "refused"])
@pytest.mark.parametrize("policy", ["allow", "ask", "deny", ""])
def test_each_outcome_fits_the_schema(outcome: str, policy: str) -> None:
    sink = Sink()
    event_logger = EventLogger(handlers=[sink])
    register_schemas(event_logger)
    metrics = ReportingMetrics(PrometheusMetrics(), event_logger, log=LOG)
    metrics.called(report(outcome=outcome, policy=policy, tool=""))
    assert len(sink.events) == 1


def test_a_sink_that_fails_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    metrics = ReportingMetrics(PrometheusMetrics(), EventLogger(handlers=[Sink()]), log=LOG)
    metrics.called(report(outcome="of no known kind"))
    assert "could not be emitted" in caplog.text
