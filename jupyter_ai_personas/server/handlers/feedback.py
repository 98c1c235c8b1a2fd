"""``POST feedback``: vote on a reply in an open chat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.server.handlers.base import BaseHandler

if TYPE_CHECKING:
    from jupyter_ai_personas.chat.feedback import Vote

__all__ = ["FeedbackHandler"]


class FeedbackHandler(BaseHandler):
    """Takes votes."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Take ``{"message_id", "vote": 1, 0 or -1}``; answer ``{"up": number, "down": number}``.

        The authenticated user has one vote on a reply; 0 takes it back.
        """
        runtime = await self.loaded()
        path = self.get_query_argument("chat_path", "")
        if not path:
            raise HTTPError(400, "Say which chat: `?chat_path=` and its path.")
        body = self.json_body()
        message_id, vote = body.get("message_id"), body.get("vote")
        if not isinstance(message_id, str) or type(vote) is not int or vote not in (1, 0, -1):
            raise HTTPError(400, 'Send `{"message_id": "…", "vote": 1}`; `vote` is 1, 0 or -1.')
        if not runtime.settings.feedback:
            raise HTTPError(
                403,
                "Votes are turned off here. The operator can set `c.AiExtension.feedback = True`.",
            )
        by = self.current_user.username
        feedback = await runtime.vote(path, message_id, cast("Vote", vote), by=by)
        self.finish(json.dumps({"up": feedback.up, "down": feedback.down}))
