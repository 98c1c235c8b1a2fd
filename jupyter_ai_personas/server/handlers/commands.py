"""``GET commands``: what can be typed in a chat."""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_ai_personas.server.handlers.base import BaseHandler

__all__ = ["CommandsHandler"]


class CommandsHandler(BaseHandler):
    """Lists commands."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"commands": [{"name", "help", "source"}]}``; names begin with the slash."""
        runtime = await self.loaded()
        listed = await runtime.commands(self.get_query_argument("chat_path", ""))
        found = [{"name": one.name, "help": one.help, "source": one.source} for one in listed]
        self.finish(json.dumps({"commands": found}))
