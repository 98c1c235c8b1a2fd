"""The runtime: chats, actors, turns, hosts and the ledger in one supervised task tree.

From a person's message to a reply, in the order of the calls:

1. ``server/chats`` opens a :class:`Session` for each chat. The chat calls :meth:`Session._observe`
   with each change, and :meth:`Session.run` handles the events in order.
2. :meth:`Router.handle` runs a command, or finds the addressed personas with
   :func:`~jupyter_ai_personas.routing.addressing.address` and submits a :class:`TurnOrder`.
3. :meth:`Scheduler.submit` records the turns in the ledger and queues each in its :class:`Actor`.
4. :meth:`Execution.run` starts a turn in the host of its persona (:meth:`HostPool.start`). There,
   :class:`TurnRunner` calls :meth:`BasePersona.process_message`.
5. :meth:`Execution._on_event` gets what the persona does as events. :class:`Replies` passes text to
   :class:`ReplyWriter`, which writes it into the chat.
6. :class:`ReplyFinished` comes back to the session, which passes the reply on to the personas that
   it mentions.

``docs/architecture.md`` lists the modules, and where to add a command, a host, a kind of write.
"""

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
