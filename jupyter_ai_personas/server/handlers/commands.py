"""``GET commands``: the commands of a chat."""

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
        """Answer ``{"commands": [{"name", "help", "source"}]}``.

        Names begin with the slash. A command that a persona told of while it answered
        has the persona's name as ``persona`` too.
        """
        runtime = await self.loaded()
        listed = await runtime.commands(self.get_query_argument("chat_path", ""))
        found = [
            {"name": one.name, "help": one.help, "source": one.source}
            | ({"persona": one.persona} if one.is_reported else {})
            for one in listed
        ]
        self.finish(json.dumps({"commands": found}))
