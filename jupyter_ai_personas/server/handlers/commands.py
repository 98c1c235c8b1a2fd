"""``GET commands``: the commands of a chat."""

from __future__ import annotations

import json
from dataclasses import asdict

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

        Names begin with the slash. A persona's command has its name as ``persona`` too.
        """
        runtime = await self.loaded()
        listed = await runtime.commands(self.get_query_argument("chat_path", ""))
        found = [{k: v for k, v in asdict(one).items() if v or k != "persona"} for one in listed]
        self.finish(json.dumps({"commands": found}))
