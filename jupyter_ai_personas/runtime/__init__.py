"""The runtime: chats, actors, turns, hosts and the ledger in one supervised task tree."""

from jupyter_ai_personas.runtime.approvals import Approval as Approval
from jupyter_ai_personas.runtime.approvals import Approvals as Approvals
from jupyter_ai_personas.runtime.approvals import Decision as Decision
from jupyter_ai_personas.runtime.commands import Command as Command
from jupyter_ai_personas.runtime.commands import CommandContext as CommandContext
from jupyter_ai_personas.runtime.commands import Commands as Commands
from jupyter_ai_personas.runtime.executors import CallContext as CallContext
from jupyter_ai_personas.runtime.executors import Preview as Preview
from jupyter_ai_personas.runtime.executors import Toolbox as Toolbox
from jupyter_ai_personas.runtime.executors import ToolExecutor as ToolExecutor
from jupyter_ai_personas.runtime.ledger import Ledger as Ledger
from jupyter_ai_personas.runtime.ledger import MemoryLedger as MemoryLedger
from jupyter_ai_personas.runtime.requests import RequestContext as RequestContext
from jupyter_ai_personas.runtime.requests import RequestHandler as RequestHandler
from jupyter_ai_personas.runtime.runtime import Runtime as Runtime
from jupyter_ai_personas.runtime.services import CallReport as CallReport
from jupyter_ai_personas.runtime.services import Metrics as Metrics
from jupyter_ai_personas.runtime.services import TurnReport as TurnReport
from jupyter_ai_personas.runtime.session import Session as Session
from jupyter_ai_personas.runtime.settings import RuntimeSettings as RuntimeSettings
from jupyter_ai_personas.runtime.turn import ActiveTurn as ActiveTurn

__all__ = [
    "ActiveTurn",
    "Approval",
    "Approvals",
    "CallContext",
    "CallReport",
    "Command",
    "CommandContext",
    "Commands",
    "Decision",
    "Ledger",
    "MemoryLedger",
    "Metrics",
    "Preview",
    "RequestContext",
    "RequestHandler",
    "Runtime",
    "RuntimeSettings",
    "Session",
    "ToolExecutor",
    "Toolbox",
    "TurnReport",
]
