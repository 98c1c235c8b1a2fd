"""``POST turns/<id>/cancel`` and ``POST turns/<id>/retry``: one turn of an open chat."""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_ai_personas.server.handlers.base import BaseHandler

__all__ = ["CancelTurnHandler", "RetryTurnHandler"]


class CancelTurnHandler(BaseHandler):
    """Stops one turn."""

    @web.authenticated
    @authorized
    async def post(self, turn_id: str) -> None:
        """Answer ``{"status": "cancelled"}``."""
        runtime, user = await self.loaded(), self.current_user
        name = user.display_name or user.name or ""
        await runtime.cancel_turn(turn_id, by=user.username, name=name)
        self.finish(json.dumps({"status": "cancelled"}))


class RetryTurnHandler(BaseHandler):
    """Runs one turn again."""

    @web.authenticated
    @authorized
    async def post(self, turn_id: str) -> None:
        """Answer ``{"status": "accepted", "turn": id}``, with the id of the new turn."""
        runtime = await self.loaded()
        new = await runtime.retry_turn(turn_id, by=self.current_user.username)
        self.finish(json.dumps({"status": "accepted", "turn": new}))
