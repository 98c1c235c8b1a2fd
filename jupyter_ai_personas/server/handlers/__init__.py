"""The routes below ``/api/ai/``, one file a resource."""

from typing import Any

from jupyter_ai_personas.server.handlers.approvals import ApprovalHandler, ApprovalsHandler
from jupyter_ai_personas.server.handlers.avatars import AvatarHandler
from jupyter_ai_personas.server.handlers.cancel import CancelHandler
from jupyter_ai_personas.server.handlers.commands import CommandsHandler
from jupyter_ai_personas.server.handlers.feedback import FeedbackHandler
from jupyter_ai_personas.server.handlers.help import HelpHandler
from jupyter_ai_personas.server.handlers.message import MessageHandler
from jupyter_ai_personas.server.handlers.model_providers import ModelProvidersHandler
from jupyter_ai_personas.server.handlers.models import ModelsHandler
from jupyter_ai_personas.server.handlers.personas import PersonasHandler
from jupyter_ai_personas.server.handlers.search import SearchHandler
from jupyter_ai_personas.server.handlers.toolsets import ToolsetsHandler
from jupyter_ai_personas.server.handlers.turns import CancelTurnHandler, RetryTurnHandler

__all__ = ["HANDLERS"]

HANDLERS: list[tuple[str, type[Any]]] = [
    (r"/api/ai/personas", PersonasHandler),
    (r"/api/ai/personas/cancel", CancelHandler),
    (r"/api/ai/model_providers", ModelProvidersHandler),
    (r"/api/ai/commands", CommandsHandler),
    (r"/api/ai/models", ModelsHandler),
    (r"/api/ai/feedback", FeedbackHandler),
    (r"/api/ai/avatars/([^/]+)", AvatarHandler),
    (r"/api/ai/help/([a-z-]+)", HelpHandler),
    (r"/api/ai/message/([^/]+)", MessageHandler),
    (r"/api/ai/search", SearchHandler),
    (r"/api/ai/toolsets", ToolsetsHandler),
    (r"/api/ai/approvals", ApprovalsHandler),
    (r"/api/ai/approvals/([^/]+)", ApprovalHandler),
    (r"/api/ai/turns/([^/]+)/cancel", CancelTurnHandler),
    (r"/api/ai/turns/([^/]+)/retry", RetryTurnHandler),
]
