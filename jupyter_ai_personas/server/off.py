"""Chats on a server whose personas are off: messages to personas get the reason as an answer."""

from __future__ import annotations

import asyncio
import logging
import time
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
    from jupyter_ai_personas.chat.opened_file import OpenedFile

__all__ = ["OffNotices"]

MOST_A_MINUTE = 20
"""Maximum answers to one person a minute."""


class OffNotices:
    """Answers messages to personas with ``text`` and does nothing else."""

    def __init__(self, text: str, *, log: logging.Logger) -> None:
        self._text = text
        self._log = log
        self._chats: dict[int, DocumentChat] = {}

    async def opened(
        self, chat: DocumentChat, events: list[ChatEvent], file: asyncio.Future[OpenedFile]
    ) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        self._chats[id(chat.document)] = chat
        # Nobody is offered for mentioning.
        chat.register([SYSTEM_USER], owned_prefix=PERSONA_PREFIX)
        gate = FloodGate(MOST_A_MINUTE, clock=time.monotonic)
        listener = partial(self._on_posted, chat, gate)
        chat.subscribe(listener)
        for event in events:
            listener(event)

    async def saved(self, document: Any) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""

    def closed(self, document: Any) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        if (chat := self._chats.pop(id(document), None)) is not None:
            chat.close()

    async def file_deleted(self, path: str) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""

    def file_moved(self, source: str, path: str) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""

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
