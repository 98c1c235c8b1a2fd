"""The ``.chat`` file format: read from text, written as text, and merged into an open document.

A file is a JSON object with the keys ``messages`` (a list), ``users``, ``attachments`` and
``metadata`` (objects). The chat library writes it; other programs and crashes may leave anything.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from jupyter_ai_personas.chat.messages import Message, decode_message

__all__ = ["ChatFile", "add_missing", "format_chat", "parse_chat"]


@dataclass(frozen=True, slots=True)
class ChatFile:
    """The content of a ``.chat`` file, as plain JSON; ``messages`` may hold anything."""

    messages: Sequence[Any] = ()
    users: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        """The id of the chat, or ``None`` if it was never saved as a chat."""
        id_ = self.metadata.get("id")
        return id_ if isinstance(id_, str) else None

    @property
    def message_ids(self) -> set[str]:
        """The ids of the messages, readable or not."""
        return {raw["id"] for raw in self.messages if _has_id(raw)}

    def find(self, ids: Collection[str]) -> dict[str, Message | None]:
        """Return the message with each of ``ids``, ``None`` for one that is missing."""
        found: dict[str, Message | None] = dict.fromkeys(ids)
        for raw in self.messages:
            if _has_id(raw) and raw["id"] in found:
                found[raw["id"]] = decode_message(raw)
        return found


def parse_chat(content: str | bytes) -> ChatFile | None:
    """Return what a ``.chat`` file with ``content`` holds, or ``None`` if that is no JSON object.

    Never raises; a part of a wrong type counts as absent.
    """
    try:
        parts = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, dict):
        return None
    messages = parts.get("messages")
    objects = {
        name: part
        for name in ("users", "attachments", "metadata")
        if isinstance(part := parts.get(name), dict)
    }
    return ChatFile(messages if isinstance(messages, list) else [], **objects)


def format_chat(chat: ChatFile) -> str:
    """Return the text of a ``.chat`` file that holds ``chat``."""
    return json.dumps(asdict(chat), indent=2)


def add_missing(ychat: Any, chat: ChatFile) -> None:
    """Write into an open ``YChat`` what it lacks of ``chat``.

    The messages of ``chat`` go before those in the document, which people have written since; its
    metadata, such as the chat's id, replaces that of the document, which opened empty.
    """
    from pycrdt import Map

    there = {raw.get("id") for raw in ychat.ymessages.to_py() or [] if isinstance(raw, Mapping)}
    # The library cannot load a file with a message that has no id, nor such a message.
    missing = [raw for raw in chat.messages if _has_id(raw) and raw["id"] not in there]
    with ychat.ydoc.transaction():
        for map_, entries in ((ychat.yusers, chat.users), (ychat.yattachments, chat.attachments)):
            known = set(map_.keys())
            map_.update({key: entry for key, entry in entries.items() if key not in known})
        ychat.ymetadata.update(dict(chat.metadata))
        for index, raw in enumerate(missing):
            # With a server's time the library does not stamp it, which would move it.
            ychat.ymessages.insert(index, Map({**raw, "raw_time": False}))


def _has_id(raw: Any) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("id"), str)
