"""Text that enters: made such that a document, a file and a vendor's API can hold it.

A Python string may hold halves of surrogate pairs, which UTF-8 has not: from a file name that is no
UTF-8 (``surrogateescape``), from a JSON escape, or from an emoji that a vendor cut in two.
Everything that comes in, from people, models, personas and requests, passes through here.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

__all__ = ["Anew", "TextJoiner", "extended", "well_formed", "well_formed_json"]

_ENCODING = "utf-16-le"


def well_formed(text: str) -> str:
    """Return ``text`` with its surrogate pairs joined, and U+FFFD for each half that is alone."""
    if text.isascii():
        return text
    return text.encode(_ENCODING, "surrogatepass").decode(_ENCODING, "replace")


def well_formed_json(value: Any) -> Any:
    """Return a JSON value with all text in it well-formed, the keys too."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {well_formed_json(key): well_formed_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [well_formed_json(item) for item in value]
    return value


class TextJoiner:
    """Makes a text well-formed that comes in pieces, which may end between two halves of a pair."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder(_ENCODING)("replace")
        self._holds = False

    def feed(self, text: str) -> str:
        """Return ``text``, well-formed; a first half at its end comes with the next piece."""
        if text.isascii() and not self._holds:
            return text
        joined = self._decoder.decode(text.encode(_ENCODING, "surrogatepass"))
        self._holds = bool(self._decoder.getstate()[0])
        return joined

    def finish(self) -> str:
        """Return what is held back: U+FFFD for a half that stayed alone, mostly nothing."""
        self._holds = False
        return self._decoder.decode(b"", final=True)


class Anew(str):
    """A piece of a growing text that replaces all pieces before it."""

    __slots__ = ()


def extended(text: str, piece: str) -> str:
    """Return ``text`` with the next ``piece`` of it, or that alone if it begins anew."""
    return str(piece) if isinstance(piece, Anew) else text + piece
