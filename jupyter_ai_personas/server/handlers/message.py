"""``POST message/<persona name>``: one message, one answer, no chat."""

from __future__ import annotations

import json
from typing import Any

import anyio
from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.server.handlers.base import BaseHandler
from jupyter_ai_personas.text import Anew

__all__ = ["MessageHandler"]

MAX_MESSAGE = 200_000
WAIT_SECONDS = 60.0
"""Seconds beyond the turn's limit that a message may wait for a busy persona."""

LINES = "application/x-ndjson"


class MessageHandler(BaseHandler):
    """Asks a persona in a chat of its own that leaves no file."""

    def initialize(self) -> None:
        """Prepare for a disconnect of the client."""
        self._scope = anyio.CancelScope()

    def on_connection_close(self) -> None:
        """Cancel the turn: the client has disconnected."""
        self._scope.cancel()

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Take ``{"message": …}``, answer ``{"response": …}``.

        With ``Accept: application/x-ndjson`` the reply is streamed in lines:
        ``{"text": …}`` with more of it (``{"text": …, "anew": true}``: with all of it so far, in
        place of what came before), at last ``{"response": …}`` with all of it, or
        ``{"message": …}`` that says why it failed.
        """
        from jupyter_ai_personas.chat import User, WatchedChat

        message = self.json_body().get("message")
        if not isinstance(message, str) or not message.strip():
            raise HTTPError(400, 'Send `{"message": "your question"}`.')
        if len(message) > MAX_MESSAGE:
            raise HTTPError(413, f"The message is longer than {MAX_MESSAGE:,} characters.")
        runtime = await self.loaded()
        persona = runtime.personas.find(name)
        chat = None
        if LINES in self.request.headers.get("Accept", ""):
            chat = WatchedChat(self._send_piece)
            self.set_header("Content-Type", LINES)
            self.flush()  # Somebody is there to answer.
        answer = None
        seconds = runtime.settings.turn_timeout + WAIT_SECONDS
        with self._scope, anyio.move_on_after(seconds) as bound:
            user = self.current_user
            sender = User(user.username, user.name or "", user.display_name or "")
            answer = await runtime.one_shot(persona.id, message, sender=sender, chat=chat)
        if answer is None and not bound.cancelled_caught:
            return  # the client has disconnected
        failed = answer is None or answer.failed
        text = f"`{persona.name}` did not answer within {seconds:g} seconds."
        if answer is not None:
            text = (chat.failure if chat is not None and failed else "") or answer.text
        if chat is not None:
            self._send({"message" if failed else "response": text})
            self.finish(set_content_type=LINES)
        elif failed:
            raise HTTPError(503 if answer is None else 502, "%s", text)
        else:
            self.finish(json.dumps({"response": text}))

    def _send_piece(self, text: str) -> None:
        self._send({"text": text, "anew": True} if isinstance(text, Anew) else {"text": text})

    def _send(self, line: dict[str, Any]) -> None:
        self.write(json.dumps(line) + "\n")
        self.flush()
