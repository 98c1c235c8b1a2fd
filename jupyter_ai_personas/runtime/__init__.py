"""The runtime: chats, actors, turns, hosts and the ledger in one supervised task tree."""

from jupyter_ai_personas.chat.feedback import VoteReport
from jupyter_ai_personas.runtime.approvals import Approval, Approvals, Decision, may_decide
from jupyter_ai_personas.runtime.commands import Command, CommandContext, CommandInfo, Commands
from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger
from jupyter_ai_personas.runtime.metrics import CallReport, Metrics, TurnReport
from jupyter_ai_personas.runtime.requests import RequestContext, RequestHandler
from jupyter_ai_personas.runtime.runtime import Runtime
from jupyter_ai_personas.runtime.session import Session
from jupyter_ai_personas.runtime.settings import RuntimeSettings
from jupyter_ai_personas.runtime.turn import ActiveTurn

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
    "VoteReport",
    "may_decide",
]
