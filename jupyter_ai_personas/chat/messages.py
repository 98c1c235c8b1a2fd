"""Frozen values of a chat, decoded from untrusted content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

__all__ = [
    "FINAL_STATES",
    "GROWING_STATES",
    "METADATA_KEY",
    "PERSONA_PREFIX",
    "RECENT",
    "SYSTEM_ID",
    "Attachment",
    "Message",
    "OpenTurn",
    "ReplyState",
    "Selection",
    "User",
    "content_of",
    "decode_message",
    "encode_message",
    "is_duplicate",
]

PERSONA_PREFIX = "jupyter-ai-personas::"
"""Prefix of every persona's id; the front end hides users marked as bots."""

SYSTEM_ID = "jupyter-ai-personas::system"
"""The sender of command answers and notices; not a persona."""

METADATA_KEY = "jupyter_ai_personas"
"""The key of our part in a message's metadata and in the chat's."""

_TO_PERSONA = "to_persona"
"""The key of Jupyter AI 3 in a message's metadata."""

RECENT = 256
"""How many messages from the end are held decoded, and searched for unfinished replies.

Reading an older message costs more in a longer chat.
"""

ReplyState = Literal["streaming", "waiting", "done", "stopped", "failed", "interrupted", "rejected"]
GROWING_STATES = frozenset({"streaming", "waiting"})
_STATES = get_args(ReplyState)
FINAL_STATES = frozenset(_STATES) - GROWING_STATES


@dataclass(frozen=True, slots=True)
class User:
    """A user of a chat: a person, a persona, or the system; ``offered`` for mentioning or not."""

    username: str
    name: str
    display_name: str = ""
    mention_name: str = ""
    initials: str = ""
    color: str | None = None
    avatar_url: str | None = None
    offered: bool = True

    @property
    def shown_name(self) -> str:
        """The name that people see."""
        return self.display_name or self.name or self.username


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """A turn that runs or waits, as the front end hears of it.

    ``persona`` and ``message`` are the ids of the answering persona and of the message, and
    ``person`` is the username of the asker.
    """

    turn: str
    persona: str
    message: str
    person: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A person's selection: (line, column) from 0, and the text there at that time."""

    start: tuple[int, int]
    end: tuple[int, int]
    content: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Selection:
        """Return what :func:`dataclasses.asdict` made plain."""
        (line, column), (last_line, last_column) = data["start"], data["end"]
        return cls((line, column), (last_line, last_column), data["content"])


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment: a path relative to the server's root, and its kind.

    ``cells`` are ids of cells of a notebook; without any, all of it is meant. ``selection`` is
    a part of a file; ``cell_selections`` are parts of cells, by the cell's id.
    """

    id: str
    path: str
    type: str = "file"
    mimetype: str | None = None
    cells: tuple[str, ...] = ()
    selection: Selection | None = None
    cell_selections: Mapping[str, Selection] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Attachment:
        """Return what :func:`dataclasses.asdict` made plain."""
        parts = {id_: Selection.from_json(part) for id_, part in data["cell_selections"].items()}
        selection = data["selection"]
        return cls(
            **{
                **data,
                "cells": tuple(data["cells"]),
                "selection": None if selection is None else Selection.from_json(selection),
                "cell_selections": parts,
            }
        )


@dataclass(frozen=True, slots=True)
class Message:
    """An entry of the chat at the time at which it was read.

    ``time`` is in seconds since the epoch, by any clock; it never identifies a message.
    ``attachments`` are ids within the chat. ``metadata`` is our part of the message's metadata
    (:data:`METADATA_KEY`): ``reply_to``, ``turn`` and ``state`` on a reply, else empty.
    ``to_persona`` is the id of the persona that the client of another runtime sends it to.
    """

    id: str
    sender: str
    body: str
    time: float = 0.0
    mentions: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    deleted: bool = False
    edited: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    to_persona: str | None = None

    @property
    def by_persona(self) -> bool:
        """Whether a persona wrote it."""
        return self.sender.startswith(PERSONA_PREFIX) and self.sender != SYSTEM_ID

    @property
    def by_person(self) -> bool:
        """Whether a person wrote it."""
        return not self.sender.startswith(PERSONA_PREFIX)

    @property
    def state(self) -> ReplyState | None:
        """The reply's state, or ``None`` if it is no reply."""
        state = self.metadata.get("state")
        return cast(ReplyState, state) if state in _STATES else None

    @property
    def is_approval(self) -> bool:
        """Whether it asks people to approve a call of a tool."""
        return "approval" in self.metadata

    @property
    def reply_to(self) -> str | None:
        """The id of the message that it answers."""
        reply_to = self.metadata.get("reply_to")
        return reply_to if isinstance(reply_to, str) else None


def content_of(message: Message) -> tuple[object, ...]:
    """Return the parts of a message whose change is an edit."""
    # The state counts: a browser may restore a streaming reply of a server that died.
    return message.body, message.mentions, message.by_persona and message.state


def is_duplicate(one: Message, other: Message) -> bool:
    """Return whether two messages with one id are versions of one message.

    One of them may be from before an edit; the server's time does not change. Otherwise a client
    gave one id to different messages.
    """
    if one.sender != other.sender:
        return False
    return one.by_persona or one.body == other.body or 0 < one.time == other.time


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def decode_message(raw: Any) -> Message | None:
    """Return the message that ``raw`` holds, or ``None`` if it holds none.

    Never raises: clients may write anything. Without a usable id, sender and body there is no
    message; any other field of a wrong type counts as absent.
    """
    if not isinstance(raw, Mapping):
        return None
    id_, sender, body = raw.get("id"), raw.get("sender"), raw.get("body")
    if not isinstance(id_, str) or not id_ or not isinstance(sender, str) or not sender:
        return None
    if not isinstance(body, str):
        return None
    time = raw.get("time")
    if isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) < 1e300:
        time = 0.0
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    ours, to_persona = metadata.get(METADATA_KEY), metadata.get(_TO_PERSONA)
    return Message(
        id=id_,
        sender=sender,
        body=body,
        time=float(time),
        mentions=_strings(raw.get("mentions")),
        attachments=_strings(raw.get("attachments")),
        deleted=raw.get("deleted") is True,
        edited=raw.get("edited") is True,
        metadata=dict(ours) if isinstance(ours, Mapping) else {},
        to_persona=to_persona if isinstance(to_persona, str) and to_persona else None,
    )


def encode_message(message: Message) -> dict[str, Any]:
    """Return ``message`` as the document holds it: the input of :func:`decode_message`."""
    raw: dict[str, Any] = {
        "id": message.id,
        "type": "msg",
        "sender": message.sender,
        "body": message.body,
        "time": message.time,
    }
    if message.mentions:
        raw["mentions"] = list(message.mentions)
    if message.attachments:
        raw["attachments"] = list(message.attachments)
    if message.deleted:
        raw["deleted"] = True
    if message.metadata:
        raw["metadata"] = {METADATA_KEY: dict(message.metadata)}
    if message.to_persona:
        raw.setdefault("metadata", {})[_TO_PERSONA] = message.to_persona
    return raw


def decode_user(username: str, raw: Any) -> User:
    """Return the user that the chat's users map holds under ``username``. Never raises."""
    fields = raw if isinstance(raw, Mapping) else {}

    def text(key: str) -> str:
        value = fields.get(key)
        return value if isinstance(value, str) else ""

    return User(
        username=username,
        name=text("name") or username,
        display_name=text("display_name"),
        mention_name=text("mention_name"),
        initials=text("initials"),
        color=text("color") or None,
        avatar_url=text("avatar_url") or None,
        offered=fields.get("bot") is not True,
    )


def decode_attachment(id_: str, raw: Any) -> Attachment | None:
    """Return the attachment that the chat holds under ``id_``, or ``None``. Never raises."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("value"), str):
        return None
    listed = raw.get("cells")
    cells = [c for c in listed if isinstance(c, Mapping)] if isinstance(listed, list) else []
    cells = [cell for cell in cells if isinstance(cell.get("id"), str)]
    selections = {cell["id"]: _decode_selection(cell.get("selection")) for cell in cells}
    mimetype = raw.get("mimetype")
    return Attachment(
        id=id_,
        path=raw["value"],
        type="notebook" if raw.get("type") == "notebook" else "file",
        mimetype=mimetype if isinstance(mimetype, str) else None,
        cells=tuple(cell["id"] for cell in cells),
        selection=_decode_selection(raw.get("selection")),
        cell_selections={id_: part for id_, part in selections.items() if part is not None},
    )


def _decode_selection(raw: Any) -> Selection | None:
    if not isinstance(raw, Mapping):
        return None
    start, end = _decode_place(raw.get("start")), _decode_place(raw.get("end"))
    content = raw.get("content")
    if start is None or end is None:
        return None
    # A selection may go backwards.
    start, end = min(start, end), max(start, end)
    return Selection(start, end, content if isinstance(content, str) else "")


def _decode_place(raw: Any) -> tuple[int, int] | None:
    if not isinstance(raw, list | tuple) or len(raw) != 2:
        return None
    # Numbers in a document are floats.
    if not all(type(n) in (int, float) and 0 <= n < 2**53 and n == int(n) for n in raw):
        return None
    return int(raw[0]), int(raw[1])


def encode_user(user: User) -> dict[str, Any]:
    """Return ``user`` as an entry of the chat's users."""
    return {
        "username": user.username,
        "name": user.name,
        "display_name": user.display_name,
        "initials": user.initials,
        "avatar_url": user.avatar_url,
        "color": user.color,
        # The front end offers no bots for mentioning; personas are known by their id.
        "bot": not user.offered,
        "mention_name": user.mention_name,
    }
