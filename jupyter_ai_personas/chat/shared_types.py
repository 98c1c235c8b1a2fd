"""Shared types of pycrdt as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

__all__ = ["id_of", "metadata_of", "plain"]


def plain(value: Any) -> Any:
    """Return a shared type as plain data, and plain data as it is.

    Never raises: a value without a plain form, such as XML or a nested document, counts as absent.
    """
    try:
        result = value.to_py() if isinstance(value, Map | Array | Text) else value
    except Exception:
        # Something inside has no plain form.
        if isinstance(value, Map):
            return {key: plain(value[key]) for key in list(value.keys())}
        return [plain(item) for item in value] if isinstance(value, Array) else None
    return None if isinstance(result, Doc | XmlElement | XmlFragment | XmlText) else result


def id_of(raw: Any) -> str:
    """Return the id of a raw message, or an empty string if it has none."""
    id_ = raw.get("id") if isinstance(raw, Mapping) else None
    return id_ if isinstance(id_, str) else ""


def metadata_of(map_: Map[Any]) -> dict[str, Any]:
    """Return the metadata of a message: ours, and that of other extensions."""
    metadata = plain(map_.get("metadata"))
    return dict(metadata) if isinstance(metadata, Mapping) else {}
