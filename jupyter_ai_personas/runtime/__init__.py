"""The runtime: chats, actors, turns, hosts and the ledger in one supervised task tree."""

from jupyter_ai_personas.runtime.chat_runtime import ChatRuntime as ChatRuntime
from jupyter_ai_personas.runtime.ledger import Ledger as Ledger
from jupyter_ai_personas.runtime.ledger import MemoryLedger as MemoryLedger
from jupyter_ai_personas.runtime.runtime import Command as Command
from jupyter_ai_personas.runtime.runtime import Commands as Commands
from jupyter_ai_personas.runtime.runtime import Metrics as Metrics
from jupyter_ai_personas.runtime.runtime import Runtime as Runtime
from jupyter_ai_personas.runtime.settings import RuntimeSettings as RuntimeSettings
from jupyter_ai_personas.runtime.turn import ActiveTurn as ActiveTurn
from jupyter_ai_personas.runtime.turn import Outcome as Outcome

__all__ = [
    "ActiveTurn",
    "ChatRuntime",
    "Command",
    "Commands",
    "Ledger",
    "MemoryLedger",
    "Metrics",
    "Outcome",
    "Runtime",
    "RuntimeSettings",
]
