"""A chat in memory: for one-shot requests, for tests, for authors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from jupyter_ai_personas.chat.messages import (
    METADATA_KEY,
    PERSONA_PREFIX,
    Attachment,
    Message,
    OpenTurn,
    User,
    decode_message,
    encode_message,
)
from jupyter_ai_personas.chat.protocol import (
    ChatEvent,
    Insert,
    Listener,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Restore,
    Update,
    Write,
)

__all__ = ["MemoryChat"]


class MemoryChat:
    """The in-memory twin of a collaborative chat.

    It implements :class:`~jupyter_ai_personas.chat.protocol.Chat`, and adds what people do in a
    front end: :meth:`post`, :meth:`edit`, :meth:`delete`.
    """

    def __init__(self, path: str = "memory.chat", *, id: str | None = None) -> None:
        self.id = id or str(uuid4())
        self.path = path
        self.users: dict[str, User] = {}
        self.statuses: dict[str, str] = {}
        self.turns: tuple[OpenTurn, ...] = ()
        self.transactions = 0
        self.shows_live = False
        """Whether replies are written as :class:`Append`; see :attr:`Chat.shows_live`."""
        self._messages: dict[str, Message] = {}
        self._attachments: dict[str, Attachment] = {}
        self._settings: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}
        self._beside: dict[str, dict[str, Any]] = {}
        self._listener: Listener | None = None

    # -- what people do ---------------------------------------------------------------------

    def post(
        self,
        body: str,
        *,
        sender: str = "person",
        mentions: Iterable[str] = (),
        attachments: Iterable[Attachment] = (),
    ) -> str:
        """Post a message as ``sender`` and return its id."""
        attached = list(attachments)
        self._attachments.update({a.id: a for a in attached})
        message = Message(
            id=str(uuid4()),
            sender=sender,
            body=body,
            time=time.time(),
            mentions=tuple(mentions),
            attachments=tuple(a.id for a in attached),
        )
        self.users.setdefault(sender, User(sender, sender))
        self._messages[message.id] = message
        self._emit(MessagePosted(message))
        return message.id

    def edit(self, message_id: str, body: str, *, mentions: Iterable[str] = ()) -> None:
        """Edit a message."""
        before = self._messages[message_id]
        message = replace(before, body=body, mentions=tuple(mentions), edited=True)
        self._messages[message_id] = message
        if (before.body, before.mentions) != (message.body, message.mentions):
            self._emit(MessageEdited(message))

    def delete(self, message_id: str) -> None:
        """Delete a message: it stays as an empty one, as in the front end."""
        message = self._messages[message_id]
        self._messages[message_id] = replace(message, body="", deleted=True)
        if not message.deleted:
            self._emit(MessageDeleted(message))

    @property
    def messages(self) -> list[Message]:
        """All messages, in order."""
        return list(self._messages.values())

    def _emit(self, event: ChatEvent) -> None:
        if self._listener is not None:
            self._listener(event)

    # -- the protocol -----------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> None:
        """See :meth:`Chat.subscribe`."""
        self._listener = listener

    def close(self) -> None:
        """See :meth:`Chat.close`."""
        self._listener = None

    def get(self, message_id: str) -> Message | None:
        """See :meth:`Chat.get`."""
        return self._messages.get(message_id)

    def raw(self, message_id: str) -> dict[str, Any] | None:
        """See :meth:`Chat.raw`."""
        message = self._messages.get(message_id)
        if message is None:
            return None
        raw = encode_message(message)
        if beside := self._beside.get(message_id):
            raw["metadata"] = {**beside, **raw.get("metadata", {})}
        return raw

    def before(self, message_id: str | None, limit: int) -> list[Message]:
        """See :meth:`Chat.before`."""
        found: list[Message] = []
        reached = message_id is None
        for message in reversed(self._messages.values()):
            if len(found) >= limit:
                break
            if reached:
                found.append(message)
            reached = reached or message.id == message_id
        return found[::-1]

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """See :meth:`Chat.apply`."""
        self.transactions += 1
        gone = []
        for write in writes:
            if isinstance(write, Insert | Update) and write.beside:
                beside = {**self._beside.get(write.id, {}), **write.beside}
                self._beside[write.id] = {k: v for k, v in beside.items() if v is not None}
            if isinstance(write, Insert):
                self._messages[write.id] = Message(
                    id=write.id,
                    sender=write.sender,
                    body=write.body,
                    time=time.time(),
                    mentions=write.mentions,
                    metadata=dict(write.metadata),
                )
                continue
            if isinstance(write, Restore):
                restored = decode_message(write.raw)
                if restored is not None:
                    self._messages[restored.id] = restored
                continue
            message = self._messages.get(write.id)
            if message is None or message.deleted:
                gone.append(write.id)
            else:
                self._messages[write.id] = write.applied_to(message)
        return gone

    def user(self, username: str) -> User | None:
        """See :meth:`Chat.user`."""
        return self.users.get(username)

    def register(self, users: Sequence[User], *, owned_prefix: str) -> None:
        """See :meth:`Chat.register`."""
        for username, user in self.users.items():
            if username.startswith(owned_prefix):
                self.users[username] = replace(user, offered=False)
        self.users.update({user.username: user for user in users})

    def watch_clients(self, listener: Callable[[], None]) -> None:
        """See :meth:`Chat.watch_clients`; nobody joins a chat in memory."""

    def people(self) -> set[str]:
        """See :meth:`Chat.people`."""
        return {
            username
            for username, user in self.users.items()
            if user.offered and not username.startswith(PERSONA_PREFIX)
        }

    def attachments(self, ids: Iterable[str]) -> list[Attachment]:
        """See :meth:`Chat.attachments`."""
        return [self._attachments[id_] for id_ in ids if id_ in self._attachments]

    def set_status(self, user: User, text: str | None, turns: Iterable[OpenTurn] = ()) -> None:
        """See :meth:`Chat.set_status`."""
        self.turns = tuple(turns)
        if text is None:
            self.statuses.pop(user.username, None)
        else:
            self.statuses[user.username] = text

    def setting(self, name: str) -> Any:
        """See :meth:`Chat.setting`."""
        return self._settings.get(name)

    def set_setting(self, name: str, value: Any) -> None:
        """See :meth:`Chat.set_setting`."""
        if value is None:
            self._settings.pop(name, None)
        else:
            self._settings[name] = value

    def metadata(self) -> dict[str, Any]:
        """See :meth:`Chat.metadata`."""
        return dict(self._metadata)

    def set_metadata(self, name: str, value: Any) -> None:
        """See :meth:`Chat.set_metadata`."""
        if name == METADATA_KEY:
            raise ValueError(f"`{METADATA_KEY}` is written by `set_setting`.")
        if value is None:
            self._metadata.pop(name, None)
        else:
            self._metadata[name] = value
