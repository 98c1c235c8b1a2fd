"""Chats on a server whose personas are off: messages to personas get the reason as an answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
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
from jupyter_ai_personas.routing import may_mention
from jupyter_ai_personas.routing.flood import FloodGate
from jupyter_ai_personas.runtime.session import SYSTEM_USER

if TYPE_CHECKING:
    from jupyter_ai_personas.chat.document import DocumentChat

__all__ = ["OffNotices"]

MOST_A_MINUTE = 20
"""Maximum answers to one person a minute."""


class OffNotices:
    """Answers messages to personas with ``text`` and does nothing else."""

    def __init__(self, text: str, *, log: logging.Logger) -> None:
        self._text = text
        self._log = log
        self._chats: dict[int, DocumentChat] = {}

    async def session_event(self, room: Any, action: Any) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        for key, chat in list(self._chats.items()):
            if action == "clean" and chat.document.room_id == room:
                self._chats.pop(key).close()

    async def contents_event(self, data: Mapping[str, Any]) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""

    async def opened(self, document: Any, held: AbstractSet[str] | None) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
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
