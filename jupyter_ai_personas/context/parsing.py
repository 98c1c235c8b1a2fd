"""The file of a notebook, parsed cell by cell: ``json.loads`` keeps all threads waiting."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

__all__ = ["decode_base64", "parse_notebook"]

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_PIECE = 2**20
"""How many characters of base64 are decoded at once."""


def parse_notebook(text: str) -> dict[str, Any]:
    """Return the notebook in ``text``, as ``json.loads`` does.

    Parsing holds the interpreter for one cell at a time.

    Raises:
        ValueError: it is no JSON object; nested far too deep counts as well.
    """
    try:
        reader = _Reader(text)
        found = reader.object()
        if reader.next():
            raise ValueError("there is something after the end")
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def next(self) -> str:
        """Return the next character that is no space, or an empty string at the end."""
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str) -> str:
        found = self.next()
        if not found or found not in wanted:
            raise ValueError(f"expected one of {wanted} at character {self._at}")
        self._at += 1
        return found

    def _value(self) -> Any:
        self.next()
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        return value

    def object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._take("{")
        if self.next() == "}":
            self._at += 1
            return found
        while True:
            if self.next() != '"':
                raise ValueError(f"expected a name at character {self._at}")
            key = self._value()
            self._take(":")
            split = key == "cells" and self.next() == "["
            found[key] = self._array() if split else self._value()
            if self._take(",}") == "}":
                return found

    def _array(self) -> list[Any]:
        found: list[Any] = []
        self._take("[")
        if self.next() == "]":
            self._at += 1
            return found
        while True:
            found.append(self._value())
            if self._take(",]") == "]":
                return found


def decode_base64(text: str) -> bytes:
    """Return the bytes in ``text``, decoded in pieces.

    Raises:
        ValueError: it is no base64.
    """
    text = text.replace("\n", "")
    pieces = range(0, len(text), _PIECE)
    return b"".join(base64.b64decode(text[i : i + _PIECE]) for i in pieces)
