"""Chats on a server whose personas are off: messages to personas get the reason as an answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    SYSTEM_ID,
    Chat,
    ChatEvent,
    Insert,
    Message,
    MessagePosted,
)
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.routing import may_mention
from jupyter_ai_personas.routing.flood import FloodGate
from jupyter_ai_personas.runtime.session import SYSTEM_USER
from jupyter_ai_personas.server.chats import SESSION_EVENTS, find_chat_manager

if TYPE_CHECKING:
    from jupyter_ai_personas.chat.document import DocumentChat

__all__ = ["OffNotices", "off_text"]

MOST_A_MINUTE = 20
"""Maximum answers to one person a minute."""


def off_text(reason: str) -> str:
    """Return the text for people, without secrets and paths."""
    fix = "The operator can correct this and restart the server."
    return f"Personas are off on this server. {for_people(reason)} {fix}"


class OffNotices:
    """Answers messages to personas with ``text`` and does nothing else."""

    def __init__(self, text: str, *, log: logging.Logger) -> None:
        self._text = text
        self._log = log
        self._manager: Any = None
        self._chats: dict[int, DocumentChat] = {}

    async def observe(self, settings: Mapping[str, Any]) -> None:
        """Begin with the chats that are open, and go on with those that are opened."""
        self._manager = await find_chat_manager(settings, self._log)
        if self._manager is None:
            return
        self._manager.observe_chats(self._on_event)
        event_logger = settings.get("event_logger")
        if event_logger is not None:
            event_logger.add_listener(schema_id=SESSION_EVENTS, listener=self._on_session_event)
        for document in list(settings.get("chats_by_id", {}).values()):
            self._open(document)

    async def _on_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if data.get("action") in ("opened", "client_connected"):
            document = self._manager.get(data.get("chat_id"))
            if document is not None:
                self._open(document)

    async def _on_session_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        for key, chat in list(self._chats.items()):
            if data.get("action") == "clean" and chat.document.room_id == data.get("room"):
                self._chats.pop(key).close()

    def _open(self, document: Any) -> None:
        if id(document) in self._chats or not hasattr(document, "ymessages"):
            return
        from jupyter_ai_personas.chat.document import DocumentChat

        chat = self._chats[id(document)] = DocumentChat(document, log=self._log)
        # Nobody is offered for mentioning.
        chat.register([SYSTEM_USER], owned_prefix=PERSONA_PREFIX)
        gate = FloodGate(MOST_A_MINUTE, clock=time.monotonic)
        chat.subscribe(partial(self._on_posted, chat, gate))

    def _on_posted(self, chat: Chat, gate: FloodGate, event: ChatEvent) -> None:
        if not isinstance(event, MessagePosted) or not _asks(chat, event.message):
            return
        if gate.check(event.message.sender) == "pass":
            # An observer must not write.
            asyncio.get_running_loop().call_soon(self._answer, chat, event.message)

    def _answer(self, chat: Chat, message: Message) -> None:
        metadata = {"reply_to": message.id, "notice": True}
        chat.apply([Insert(str(uuid4()), SYSTEM_ID, self._text, metadata)])


def _asks(chat: Chat, message: Message) -> bool:
    """Return whether a persona or a command may be meant: nobody knows their names here."""
    if not message.by_person or message.deleted:
        return False
    return may_mention(message.body) or message.body.startswith("/") or len(chat.people()) == 1
