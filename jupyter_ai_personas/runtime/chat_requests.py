"""Requests of turns for the chat around them, by personas that keep a view of it.

Personas written for Jupyter AI read and write the chat's model. Below the wall they get a view
of it: the answer to ``chat.read`` with their own writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_ai_personas.chat import PERSONA_PREFIX, Chat, User
from jupyter_ai_personas.chat.history import MOST_MESSAGES
from jupyter_ai_personas.chat.messages import METADATA_KEY, Attachment, encode_message, encode_user
from jupyter_ai_personas.chat.protocol import Update
from jupyter_ai_personas.context.privacy import confined
from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.runtime.requests import RequestContext, RequestHandler
from jupyter_ai_personas.runtime.services import Services

__all__ = ["ChatRequests"]

SHOWN = (
    *("id", "type", "sender", "body", "time", "raw_time", "deleted", "edited"),
    *("mentions", "attachments", "metadata", "mime_model"),
)
"""The keys of a message that a persona is shown."""

MAX_METADATA = 200_000
"""Characters of JSON that one value in the metadata of a chat or a message may have."""


class ChatRequests:
    """The requests below ``chat.`` of one turn, about the chat that it is in."""

    def __init__(self, services: Services, chat: Chat, persona: Persona) -> None:
        self._services = services
        self._chat = chat
        self._persona = persona

    @property
    def handlers(self) -> Mapping[str, RequestHandler]:
        """The handlers of requests by their kind."""
        return {
            "chat.read": self._read,
            "chat.update": self._update,
            "chat.set_metadata": self._set_metadata,
            "chat.report": self._report,
        }

    async def _read(self, context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        """Return the newest messages up to the one to answer, their users and attachments."""
        chat = self._chat
        messages = [*chat.before(context.message.id, MOST_MESSAGES - 1), context.message]
        found = [(chat.raw(message.id) or encode_message(message)) for message in messages]
        ids = dict.fromkeys(id_ for message in messages for id_ in message.attachments)
        attachments = chat.attachments(ids)
        names = dict.fromkeys([*(message.sender for message in messages), *chat.people()])
        users = {name: chat.user(name) or User(name, name) for name in names}
        for persona in self._services.personas.values():
            users[persona.id] = persona.user(self._services.avatar_url(persona))
        root = self._services.settings.root_dir
        if attachments:
            attachments = await asyncio.to_thread(_readable, root, attachments)
        return {
            "messages": [{key: raw[key] for key in SHOWN if key in raw} for raw in found],
            "users": {name: encode_user(user) for name, user in users.items()},
            "attachments": [asdict(attachment) for attachment in attachments],
            "metadata": chat.metadata(),
            "mcp": [dict(one) for one in self._services.tools.connections(self._persona)],
        }

    async def _update(self, context: RequestContext, arguments: Mapping[str, Any]) -> None:
        """``{"id", "body" or null, "append", "metadata"}``: change an earlier message of its own.

        Replies of the turn itself are not changed this way: they grow by events.
        """
        match arguments:
            case {"id": str(id_), "body": None | str() as body, "metadata": dict(metadata)}:
                pass
            case _:
                raise RequestRefusedError("`chat.update` takes `id`, `body` and `metadata`.")
        message = self._chat.get(id_)
        if message is None or message.sender != context.persona_id or message.deleted:
            raise RequestRefusedError("A persona can change messages of its own only.")
        if body is not None and arguments.get("append"):
            body = message.body + body
        if body is not None and len(body) > self._services.settings.max_reply_chars:
            raise RequestRefusedError("The message would be longer than a reply may be.")
        beside = {name: _checked(name, value) for name, value in metadata.items()}
        self._chat.apply([Update(id_, body, beside=beside)])

    async def _set_metadata(self, context: RequestContext, arguments: Mapping[str, Any]) -> None:
        """``{"name", "value"}``: store metadata of the chat."""
        name = arguments.get("name")
        if not isinstance(name, str) or not name or len(name) > 200:
            raise RequestRefusedError("`chat.set_metadata` takes a `name` and a `value`.")
        self._chat.set_metadata(name, _checked(name, arguments.get("value")))

    async def _report(self, context: RequestContext, arguments: Mapping[str, Any]) -> None:
        """``{"model", "settings", "usage", "commands"}``: a report of a persona about itself."""
        self._services.reports.note(context.chat_id, context.persona_id, arguments)


def _checked(name: str, value: Any) -> Any:
    if name == METADATA_KEY or name.startswith(PERSONA_PREFIX):
        raise RequestRefusedError(f"The metadata `{name[:80]}` is the server's.")
    if len(repr(value)) > MAX_METADATA:
        raise RequestRefusedError(
            f"The metadata `{name[:80]}` has more than {MAX_METADATA:,} characters."
        )
    return value


def _readable(root: str | None, attachments: list[Attachment]) -> list[Attachment]:
    """Return the attachments that a persona may read: below the root, and not secret-like."""
    if root is None:
        return []
    top = Path(root)
    return [
        attachment
        for attachment in attachments
        if not attachment.path.startswith(("/", "\\")) and confined(top, attachment.path)
    ]
