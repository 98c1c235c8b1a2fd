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
        """Answer ``{"commands": [{"name", "help", "source", "persona"}]}``.

        Names begin with the slash. ``persona`` is the name of the persona whose command it is, or
        empty.
        """
        runtime = await self.loaded()
        listed = await runtime.commands(self.get_query_argument("chat_path", ""))
        found = [asdict(one) for one in listed]
        self.finish(json.dumps({"commands": found}))
