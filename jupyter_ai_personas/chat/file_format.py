"""What a chat's file holds, written into a document that is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pycrdt import Map

__all__ = ["add_missing"]


def add_missing(ychat: Any, content: Mapping[str, Any]) -> None:
    """Write into a ``YChat`` what it lacks of ``content``, a chat's file as it is documented.

    Its messages come before those that are there already, which people wrote since; its metadata,
    the chat's id among them, replaces what a chat that opened empty was given.
    """

    def part(name: str) -> dict[str, Any]:
        found = content.get(name)
        return dict(found) if isinstance(found, Mapping) else {}

    there = {raw.get("id") for raw in ychat.ymessages.to_py() or [] if isinstance(raw, Mapping)}
    listed = content.get("messages")
    messages = [raw for raw in listed if isinstance(raw, dict)] if isinstance(listed, list) else []
    # The library cannot load a file with a message that has no id, nor such a message.
    lost = [raw for raw in messages if isinstance(raw.get("id"), str) and raw["id"] not in there]
    with ychat.ydoc.transaction():
        for shared, name in ((ychat.yusers, "users"), (ychat.yattachments, "attachments")):
            known = set(shared.keys())
            shared.update({key: value for key, value in part(name).items() if key not in known})
        ychat.ymetadata.update(part("metadata"))
        for index, raw in enumerate(lost):
            # With this the library does not re-stamp it, which would move it.
            ychat.ymessages.insert(index, Map({**raw, "raw_time": False}))
