"""Words: how texts and queries become the terms of the index."""

from __future__ import annotations

import re

__all__ = ["STOP_WORDS", "identifier_parts", "with_parts"]

_ASCII_WORD = re.compile(r"[A-Za-z0-9]+")
_HUMP = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
_PIECE = re.compile(r"[^\W_]+")

_STOP = """
a about above after again all also am an and any are as at be because been before being below
between both but by can could did do does doing done down during each either every for from get gets
got had has have having he her here him his how i if in into is it its just like made make makes
many may me might more most much must my need neither no nor not of off on once one ones only onto
or other others our out over own please same shall she should so some such tell than that the their
them then there these they this those to under up us use used using very want was way we were what
when where which while who whom whose why will with within without would you your
"""
STOP_WORDS = frozenset(_STOP.split())
"""Words of questions that say nothing about the answer."""


def identifier_parts(word: str) -> list[str]:
    """Return the parts of an identifier in lower case: ``readCSV`` and ``read_csv`` have the same.

    A word of one part is returned as it is, in lower case.
    """
    parts: list[str] = []
    for piece in _PIECE.findall(word):
        start = 0
        for at in range(1, len(piece)):
            if _is_between(piece[at - 1], piece[at], piece[at + 1 : at + 2]):
                parts.append(piece[start:at].lower())
                start = at
        parts.append(piece[start:].lower())
    return parts


def _is_between(before: str, here: str, after: str) -> bool:
    """Return whether a part begins here: ``readCsv`` at C, ``HTTPServer`` at S, ``csv2`` at 2."""
    if before.isdigit() != here.isdigit():
        return True
    return here.isupper() and (before.islower() or (before.isupper() and after.islower()))


def with_parts(text: str) -> str:
    """Return ``text`` with the parts of its mixed-case identifiers added at its end.

    The index splits at all characters except letters and digits, so ``read_csv`` needs nothing.
    """
    found = dict.fromkeys(_ASCII_WORD.findall(text))
    mixed = (word for word in found if not word.islower() and _HUMP.search(word))
    return " ".join([text, *(" ".join(identifier_parts(word)) for word in mixed)])
