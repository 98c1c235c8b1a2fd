"""What a message needs beside itself to be put back: its sender's entry, its attachments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pycrdt import Array, Doc, Map, XmlElement, XmlFragment, XmlText
from pycrdt import Text as YText

__all__ = [
    "RELATED_ENTRIES",
    "metadata_of",
    "plain",
    "restore_related_entries",
    "with_related_entries",
]

RELATED_ENTRIES = "jupyter_ai_personas_company"
"""The key under which a raw message carries it; no message in a document has it."""


def plain(value: Any) -> Any:
    """Return a shared type as plain data, and plain data as it is.

    Total: what has no plain form, as XML, or a document within, counts as absent.
    """
    try:
        plain_ = value.to_py() if isinstance(value, Map | Array | YText) else value
    except Exception:
        # Something within has none.
        if isinstance(value, Map):
            return {key: plain(value[key]) for key in list(value.keys())}
        return [plain(item) for item in value] if isinstance(value, Array) else None
    return None if isinstance(plain_, Doc | XmlElement | XmlFragment | XmlText) else plain_


def metadata_of(map_: Map[Any]) -> dict[str, Any]:
    """Return a message's metadata, ours and others'."""
    metadata = plain(map_.get("metadata"))
    return dict(metadata) if isinstance(metadata, Mapping) else {}


def with_related_entries(ychat: Any, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``raw`` and what ``ychat`` holds of its sender and its attachments."""
    ids = raw.get("attachments")
    wanted = {
        "users": (ychat.yusers, [raw.get("sender")]),
        "attachments": (ychat.yattachments, ids if isinstance(ids, list) else []),
    }
    company = {
        name: {key: plain(map_[key]) for key in keys if isinstance(key, str) and key in map_}
        for name, (map_, keys) in wanted.items()
    }
    return {**raw, RELATED_ENTRIES: {name: entries for name, entries in company.items() if entries}}


def restore_related_entries(ychat: Any, company: Any) -> None:
    """Write the entries of ``company`` that ``ychat`` lacks."""
    for name, map_ in (("users", ychat.yusers), ("attachments", ychat.yattachments)):
        entries = company.get(name) if isinstance(company, Mapping) else None
        for key, entry in entries.items() if isinstance(entries, Mapping) else ():
            if key not in map_:
                map_[key] = entry
