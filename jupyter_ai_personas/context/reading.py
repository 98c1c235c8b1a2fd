"""The text of a file on the disk, bounded; binary files have none."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from jupyter_ai_personas.context.privacy import holds_private_key

__all__ = ["MAX_BYTES", "read_text"]

MAX_BYTES = 1_000_000
"""How much of a text file is read."""

MAX_NOTEBOOK = 10_000_000
"""The largest notebook or chat that is read: it means nothing unless it is whole."""

MAX_DATA = 50_000
"""How much of a file is read that holds data: what its columns and keys are called."""

_WHOLE = (".ipynb", ".chat")
_DATA = (".csv", ".json", ".jsonl", ".log", ".ndjson", ".tsv", ".xml", ".geojson", ".svg")
_BINARY = (".pdf", ".ps", ".eps", ".pkl", ".npy", ".parquet", ".min.js", ".min.css", ".js.map")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))


def read_text(file: Path) -> str | None:
    """Return the beginning of a file as text, ``None`` if it is binary, too large or private.

    Raises:
        OSError: the file cannot be read, is none, or is a link.
    """
    name = file.name.lower()
    if name.endswith(_BINARY):
        return None
    most = (
        MAX_NOTEBOOK if name.endswith(_WHOLE) else MAX_DATA if name.endswith(_DATA) else MAX_BYTES
    )
    # A link, or a pipe that would block, may have taken the file's place.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(file, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        data = opened.read(most + 1)
    if len(data) > most and name.endswith(_WHOLE):
        return None
    text = _decode(data[:most], is_whole=len(data) <= most)
    return None if text is None or holds_private_key(text) else text


def _decode(data: bytes, *, is_whole: bool) -> str | None:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, "replace")
    head = data[:8192]
    if b"\0" in head or len(head) - len(head.translate(None, _CONTROL)) > len(head) // 50:
        return None
    try:
        # The bound may have cut a character.
        return codecs.getincrementaldecoder("utf-8")().decode(data, final=is_whole)
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
