from .approvals import Approval, Approvals, Decision, may_decide
from .commands import Command, CommandContext, CommandInfo, Commands
from .ledger import Ledger, MemoryLedger
from .metrics import CallReport, Metrics, TurnReport
from .requests import RequestContext, RequestHandler
from .runtime import Runtime
from .session import Session
from .settings import RuntimeSettings
from .turn import ActiveTurn

__all__ = [
    "ActiveTurn",
    "Approval",
    "Approvals",
    "CallReport",
    "Command",
    "CommandContext",
    "CommandInfo",
    "Commands",
    "Decision",
    "Ledger",
    "MemoryLedger",
    "Metrics",
    "RequestContext",
    "RequestHandler",
    "Runtime",
    "RuntimeSettings",
    "Session",
    "TurnReport",
    "may_decide",
]
