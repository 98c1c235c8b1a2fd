"""``POST personas/cancel``: stop turns of an open chat."""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.server.handlers.base import WORK_SECONDS, BaseHandler

__all__ = ["CancelHandler"]


class CancelHandler(BaseHandler):
    """Stops turns."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Answer ``{"status": "cancelled", "cancelled": [persona ids]}``."""
        runtime = await self.loaded()
        path = self.get_query_argument("chat_path", "")
        if not path:
            raise HTTPError(400, "Say which chat: `?chat_path=` and its path.")
        persona, user = self.get_query_argument("persona_id", None), self.current_user
        with self.within(WORK_SECONDS, "The turns are being stopped, and have not ended yet."):
            cancelled = await runtime.cancel(
                path, persona, by=user.username, name=user.display_name or user.name or ""
            )
        self.finish(json.dumps({"status": "cancelled", "cancelled": cancelled}))
