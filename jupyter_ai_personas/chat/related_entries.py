"""The entries of a chat that a message refers to: its sender and its attachments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.chat.shared_types import plain

__all__ = ["RELATED_ENTRIES", "restore_related_entries", "with_related_entries"]

RELATED_ENTRIES = "jupyter_ai_personas_company"
"""The key of the entries in a raw message. Ledgers store it, so its value must not change."""


def with_related_entries(ychat: Any, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``raw`` with the entries of its sender and its attachments in ``ychat``."""
    ids = raw.get("attachments")
    wanted = {
        "users": (ychat.yusers, [raw.get("sender")]),
        "attachments": (ychat.yattachments, ids if isinstance(ids, list) else []),
    }
    related = {
        name: {key: plain(map_[key]) for key in keys if isinstance(key, str) and key in map_}
        for name, (map_, keys) in wanted.items()
    }
    return {**raw, RELATED_ENTRIES: {name: entries for name, entries in related.items() if entries}}


def restore_related_entries(ychat: Any, related: Any) -> None:
    """Write the entries of ``related`` that ``ychat`` lacks."""
    for name, map_ in (("users", ychat.yusers), ("attachments", ychat.yattachments)):
        entries = related.get(name) if isinstance(related, Mapping) else None
        for key, entry in entries.items() if isinstance(entries, Mapping) else ():
            if key not in map_:
                map_[key] = entry
