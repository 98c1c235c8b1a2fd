"""Recorded chats: questions and answers as plain data without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_ai_personas.chat.file_format import ChatFile, parse_chat
from jupyter_ai_personas.chat.messages import (
    SYSTEM_ID,
    Message,
    decode_attachment,
    decode_message,
    decode_user,
)
from jupyter_ai_personas.errors import RecordingError
from jupyter_ai_personas.redaction import redact

__all__ = ["Exchange", "Recorded", "Recording", "record"]

FORMAT = "jupyter_ai_personas.recording"
VERSION = 1

_USED = frozenset({"done", "stopped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One message. ``by`` is a display name; ``up`` and ``down`` are votes on a reply.

    ``reply_to`` is the id of the message that a persona's reply answers, and ``None`` for a
    person's message. ``attachments`` are paths.
    """

    id: str
    by: str
    body: str
    reply_to: str | None = None
    state: str | None = None
    up: int = 0
    down: int = 0
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message, a persona's reply to it, and the messages before."""

    history: tuple[Recorded, ...]
    question: Recorded
    reply: Recorded


@dataclass(frozen=True, slots=True)
class Recording:
    """The messages of a chat, in order, without secrets."""

    messages: tuple[Recorded, ...]

    @property
    def personas(self) -> list[str]:
        """The names of the personas that answered."""
        return list(dict.fromkeys(m.by for m in self.messages if m.reply_to))

    def exchanges(self, persona: str | None = None) -> Iterator[Exchange]:
        """Return each reply, of the persona with this name only, with what it answers."""
        index = {message.id: i for i, message in enumerate(self.messages)}
        for reply in self.messages:
            if reply.reply_to in index and persona in (None, reply.by):
                at = index[reply.reply_to]
                yield Exchange(self.messages[:at], self.messages[at], reply)

    def as_text(self) -> str:
        """Return the recording as the text of a file."""
        messages = [
            {key: value for key, value in asdict(m).items() if value} for m in self.messages
        ]
        content = {"format": FORMAT, "version": VERSION, "messages": messages}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Recording:
        """Return what :meth:`as_text` was called on.

        Raises:
            RecordingError: it is no recording, or one of another version.
        """
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise KeyError
            version, raws = content["version"], content["messages"]
        except (ValueError, KeyError, TypeError):
            raise RecordingError(
                "This is no recording. Make one with `jupyter ai-personas record CHAT`."
            ) from None
        if version != VERSION:
            raise RecordingError(
                f"The recording has version {version}, and this package reads {VERSION}. Record "
                "the chat again."
            )
        try:
            return cls(tuple(_from_plain(raw) for raw in raws))
        except (TypeError, ValueError) as error:
            raise RecordingError(f"A message of the recording cannot be read: {error}.") from None


def _from_plain(raw: Any) -> Recorded:
    if not isinstance(raw, dict):
        raise TypeError(f"it is {type(raw).__name__}, not an object")
    attachments = tuple(raw.pop("attachments", ()))
    return Recorded(**raw, attachments=attachments)


def record(content: str | bytes) -> Recording:
    """Return the recording of a ``.chat`` file's content.

    Deleted messages, commands and their answers, approvals and failed replies are left out.

    Raises:
        RecordingError: it is no chat, or no persona has answered in it.
    """
    chat = parse_chat(content)
    if chat is None:
        raise RecordingError("This is no chat: its content is not a JSON object.")
    ids: dict[str, str] = {}
    messages: list[Recorded] = []
    for raw in chat.messages:
        message = decode_message(raw)
        if message is None or not _is_used(message):
            continue
        ids[message.id] = f"m{len(ids) + 1}"
        messages.append(_recorded(message, chat, ids))
    recording = Recording(tuple(messages))
    if not recording.personas:
        raise RecordingError("No persona has answered in this chat, so there is nothing to replay.")
    return recording


def _is_used(message: Message) -> bool:
    if message.deleted or not message.body.strip() or message.sender == SYSTEM_ID:
        return False
    if message.by_persona:
        return message.state in _USED and not message.is_approval
    return not message.body.startswith("/")


def _recorded(message: Message, chat: ChatFile, ids: Mapping[str, str]) -> Recorded:
    votes = message.metadata.get("feedback")
    votes = votes if isinstance(votes, Mapping) else {}
    attached = (decode_attachment(id_, chat.attachments.get(id_)) for id_ in message.attachments)
    return Recorded(
        id=ids[message.id],
        by=decode_user(message.sender, chat.users.get(message.sender)).shown_name,
        body=redact(message.body),
        reply_to=ids.get(message.reply_to or "") if message.by_persona else None,
        state=message.state if message.by_persona else None,
        up=_count(votes.get("up")),
        down=_count(votes.get("down")),
        attachments=tuple(one.path for one in attached if one is not None),
    )


def _count(value: Any) -> int:
    return max(0, int(value)) if isinstance(value, int | float) else 0
