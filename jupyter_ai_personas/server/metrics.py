"""Prometheus metrics on the server's ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jupyter_ai_personas.chat.feedback import VoteReport
from jupyter_ai_personas.runtime import (
    Approval,
    CallReport,
    Decision,
    Metrics,
    Runtime,
    TurnReport,
)

__all__ = ["PrometheusMetrics"]

_PREFIX = "jupyter_ai_personas"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


class PrometheusMetrics(Metrics, Collector):
    """Counts turns, and reads the runtime's own numbers when somebody asks for them.

    Nothing is computed for a metric between two scrapes but what a turn itself counts.
    """

    def __init__(self) -> None:
        # A registry of its own: a second server in one process does not find the names taken.
        self._counted = CollectorRegistry()
        self._turns = Counter(
            f"{_PREFIX}_turns",
            "Turns that ended, by the final state of the reply.",
            ["state"],
            registry=self._counted,
        )
        self._first_text = Histogram(
            f"{_PREFIX}_turn_first_text_seconds",
            "Time from the acceptance of a turn to the first text of its reply.",
            buckets=_SECONDS,
            registry=self._counted,
        )
        self._duration = Histogram(
            f"{_PREFIX}_turn_duration_seconds",
            "Time from the acceptance of a turn to its end, waiting included.",
            buckets=_SECONDS,
            registry=self._counted,
        )
        self._tokens = Counter(
            f"{_PREFIX}_model_tokens",
            "Tokens that models read and wrote, as far as their vendors tell.",
            ["model", "direction"],
            registry=self._counted,
        )
        self._model_duration = Histogram(
            f"{_PREFIX}_model_duration_seconds",
            "Time that turns took which a model answered, by model, waiting excluded.",
            ["model"],
            buckets=_SECONDS,
            registry=self._counted,
        )
        self._calls = Counter(
            f"{_PREFIX}_tool_calls",
            "Calls of tools that ended, by tool and outcome.",
            ["tool", "outcome"],
            registry=self._counted,
        )
        self._call_duration = Histogram(
            f"{_PREFIX}_tool_call_duration_seconds",
            "Time that tools ran, the wait for an approval excluded.",
            ["tool"],
            buckets=_SECONDS,
            registry=self._counted,
        )
        self._approvals = Counter(
            f"{_PREFIX}_approvals",
            "Approvals that people were asked for, by what became of them and who decided.",
            ["decision", "by"],
            registry=self._counted,
        )
        self._approval_wait = Histogram(
            f"{_PREFIX}_approval_wait_seconds",
            "Time from the question to the decision.",
            buckets=(*_SECONDS, 3600),
            registry=self._counted,
        )
        self._votes = Counter(
            f"{_PREFIX}_feedback",
            "Votes of people on replies, by persona and model; a vote that is changed counts anew.",
            ["persona", "model", "vote"],
            registry=self._counted,
        )
        self._runtime: Runtime | None = None

    # -- what the runtime tells ---------------------------------------------------------------

    def first_text(self, seconds: float) -> None:
        """Count the first text of a turn."""
        self._first_text.observe(seconds)

    def ended(self, report: TurnReport) -> None:
        """Count the end of a turn."""
        self._turns.labels(report.state).inc()
        self._duration.observe(report.seconds)
        usage = report.usage
        if (model := usage.get("model")) is None:
            return
        self._model_duration.labels(model).observe(report.work_seconds)
        for direction in ("input", "output"):
            if tokens := usage.get(f"{direction}_tokens"):
                self._tokens.labels(model, direction).inc(tokens)

    def called(self, report: CallReport) -> None:
        """Count a call of a tool."""
        self._calls.labels(report.tool or "unknown", report.outcome).inc()
        if report.outcome in ("done", "failed") and report.tool:
            self._call_duration.labels(report.tool).observe(report.seconds)

    def decided(self, approval: Approval, decision: Decision) -> None:
        """Count what became of an approval."""
        self._approvals.labels(decision.status, "person" if decision.by else "nobody").inc()
        self._approval_wait.observe(max(0.0, decision.at - approval.asked_at))

    def voted(self, report: VoteReport) -> None:
        """Count a vote on a reply."""
        vote = {1: "up", 0: "withdrawn", -1: "down"}[report.vote]
        self._votes.labels(report.persona_id, report.model, vote).inc()

    # -- what Prometheus asks -----------------------------------------------------------------

    def publish(self, runtime: Runtime) -> None:
        """Show these metrics and the numbers of ``runtime`` on ``/metrics``."""
        self._runtime = runtime
        REGISTRY.register(self)

    def withdraw(self) -> None:
        """Show them no longer."""
        if self._runtime is not None:
            self._runtime = None
            REGISTRY.unregister(self)

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not collect from a runtime that does not run yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics as they stand."""
        yield from self._counted.collect()
        if self._runtime is not None:
            yield from _read(self._runtime)


def _read(runtime: Runtime) -> Iterator[Metric]:
    phases = [turn.phase for turn in runtime.turns]
    for name, text, value in (
        ("chats_open", "Chats that personas have joined.", len(runtime.sessions)),
        ("turns_queued", "Turns that wait for an earlier one.", phases.count("queued")),
        ("turns_running", "Turns that run.", phases.count("running")),
        (
            "turns_waiting",
            "Turns that wait for an approval; they count as running, too.",
            sum(turn.waiting_since is not None for turn in runtime.turns),
        ),
    ):
        yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value)
    yield CounterMetricFamily(
        f"{_PREFIX}_host_blocks",
        "How often a persona was found to block its own event loop.",
        runtime.hosts.blocks,
    )
    pacer = runtime.pacer
    yield CounterMetricFamily(
        f"{_PREFIX}_flushes", "Transactions that wrote replies.", pacer.flushes
    )
    yield CounterMetricFamily(
        f"{_PREFIX}_written_bytes",
        "Bytes of text (UTF-8) that these transactions wrote.",
        pacer.bytes_written,
    )
    yield GaugeMetricFamily(
        f"{_PREFIX}_flush_stretch_ratio",
        "How much longer than usual replies pause between transactions, since the event loop is "
        "busy or late.",
        pacer.slowdown,
    )
