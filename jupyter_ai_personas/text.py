"""Makes incoming text well-formed, so that documents, files and vendors' APIs accept it.

A Python string may contain lone surrogates, which UTF-8 cannot encode: from a file name that is not
UTF-8 (``surrogateescape``), a JSON escape, or an emoji that a vendor cut in two. All text from
people, models, personas and requests passes through here.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

__all__ = ["Anew", "TextJoiner", "extended", "well_formed", "well_formed_json"]

_ENCODING = "utf-16-le"


def well_formed(text: str) -> str:
    """Return ``text`` with surrogate pairs joined, and lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode(_ENCODING, "surrogatepass").decode(_ENCODING, "replace")


def well_formed_json(value: Any) -> Any:
    """Return a JSON value with all its text well-formed, including keys."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {well_formed_json(key): well_formed_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [well_formed_json(item) for item in value]
    return value


class TextJoiner:
    """Makes text in pieces well-formed; a piece may end inside a surrogate pair."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder(_ENCODING)("replace")
        self._holds = False

    def feed(self, text: str) -> str:
        """Return ``text``, well-formed; a high surrogate at its end waits for the next piece."""
        if text.isascii() and not self._holds:
            return text
        joined = self._decoder.decode(text.encode(_ENCODING, "surrogatepass"))
        self._holds = bool(self._decoder.getstate()[0])
        return joined

    def finish(self) -> str:
        """Return the rest: U+FFFD for a lone surrogate, usually nothing."""
        self._holds = False
        return self._decoder.decode(b"", final=True)


class Anew(str):
    """A piece of a growing text that replaces all pieces before it."""

    __slots__ = ()


def extended(text: str, piece: str) -> str:
    """Return ``text`` extended by ``piece``, or replaced by an :class:`Anew`."""
    return str(piece) if isinstance(piece, Anew) else text + piece
