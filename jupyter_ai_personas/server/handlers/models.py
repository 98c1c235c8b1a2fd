"""``PUT models``: choose the model of a persona in an open chat."""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.server.handlers.base import WORK_SECONDS, BaseHandler

__all__ = ["ModelsHandler"]


class ModelsHandler(BaseHandler):
    """Chooses models."""

    @web.authenticated
    @authorized
    async def put(self) -> None:
        """Take ``{"model": reference or null}``; answer ``{"model": reference}``.

        ``null`` takes back what was chosen. The answer is the model that the persona uses from
        now on, ``null`` if there is none.
        """
        runtime = await self.loaded()
        path = self.get_query_argument("chat_path", "")
        persona_id = self.get_query_argument("persona_id", "")
        if not path or not persona_id:
            raise HTTPError(400, "Say which chat and persona: `?chat_path=…&persona_id=…`.")
        body = self.json_body()
        wanted = body.get("model")
        if "model" not in body or not isinstance(wanted, str | None) or wanted == "":
            raise HTTPError(400, 'Send `{"model": "provider:model"}`, or `null` for the default.')
        with self.within(WORK_SECONDS, "The model cannot be checked in time."):
            model, _ = await runtime.choose_model(path, persona_id, wanted)
        self.finish(json.dumps({"model": model}))
