"""The mention grammar: where in a Markdown body is ``@Name`` a mention?

1. A mention is a sign (``@``, also in full width) and the longest known name after it.
2. It ends at the first character that cannot continue a name: anything but a letter or digit,
   or hyphens and underscores before one. Scripts without spaces need nothing in between.
3. Grapheme clusters (UAX 29) are never cut: a combining mark, a variation selector, or the parts
   of an emoji belong to what they follow.
4. The sign does not follow a word, so an e-mail address is no mention; but it may follow another
   mention, as in ``@Guide@Data`` and ``@Guide/@Data``.
5. Code, block quotes, HTML markup, URLs, link destinations and ``\\@`` hold no mentions.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from jupyter_ai_personas.routing.names import KEYCAP, NameIndex, extends, is_word
from jupyter_ai_personas.routing.visible import SIGNS, visible_text

__all__ = ["MAX_SCANNED", "Sign", "find_mentions", "find_signs", "may_mention"]

MAX_SCANNED = 100_000
"""The number of characters of a body that are read."""

_SIGN = re.compile(f"[{SIGNS}]")

# Parentheses belong to a URL in pairs. In scripts without spaces, full-width punctuation ends it.
_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,30}://|\bwww\.|\bmailto:)"
    r"(?:[^\s<>()\"\u3000-\u303f\uff00-\uff0f\uff1a-\uff1f]|\([^\s<>()]*\))*",
    re.IGNORECASE,
)
_DESTINATION = re.compile(r"\]\([^()\n]*\)")

# What an e-mail address or a path can have before the sign, beside letters and digits.
_JOINERS = frozenset("+-%&=#_/.")


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign at ``at`` in ``text``, which is not hidden, and the id of the name that it mentions.

    ``is_open`` says that a name after it would be a mention, ``is_glued`` that it would not since
    a word stands before the sign.
    """

    text: str
    at: int
    is_open: bool
    is_glued: bool
    id: str | None


def may_mention(body: str) -> bool:
    """Return whether ``body`` has a sign at all."""
    return _SIGN.search(body) is not None


def find_mentions(body: str, names: NameIndex) -> list[str]:
    """Return the ids of ``names`` that ``body`` mentions, in order of first mention.

    Time is linear in the length of ``body``, of which the first :data:`MAX_SCANNED` characters
    are read.
    """
    if not len(names):
        return []
    return list(dict.fromkeys(sign.id for sign in find_signs(body, names) if sign.id is not None))


def find_signs(body: str, names: NameIndex) -> Iterator[Sign]:
    """Yield each sign of ``body`` that is neither hidden nor escaped, in order."""
    for text in visible_text(body[:MAX_SCANNED]):
        mentioned = 0
        for at in _unhidden(text):
            follows = _follows(text, at, mentioned)
            found = names.longest_at(text, at + 1) if follows == "nothing" else None
            if found is not None:
                mentioned = found[1]
            yield Sign(
                text,
                at,
                is_open=follows == "nothing",
                is_glued=follows == "word",
                id=found and found[0],
            )


def _unhidden(text: str) -> Iterator[int]:
    """Yield where ``text`` has a sign outside of URLs and link destinations."""
    hidden = [m.span() for m in _DESTINATION.finditer(text)] if "](" in text else []
    if ":" in text or "www." in text.lower():
        hidden += [m.span() for m in _URL.finditer(text)]
    hidden.sort()
    starts = [a for a, _ in hidden]
    furthest = list(accumulate((b for _, b in hidden), max))
    for sign in _SIGN.finditer(text):
        covering = bisect_right(starts, sign.start()) - 1
        if covering < 0 or sign.start() >= furthest[covering]:
            yield sign.start()


def _follows(text: str, at: int, mentioned: int) -> Literal["nothing", "word", "path"]:
    """Return what the sign at ``at`` follows; ``mentioned`` is the end of the last mention."""
    before = at
    while before > mentioned:
        char = text[before - 1]
        if char in SIGNS or char == "\\":
            return "path"
        if char == KEYCAP:
            break  # a digit with a keycap is a symbol
        if char not in _JOINERS and not extends(char):
            break
        before -= 1
    joined = text[before:at]
    if before == mentioned > 0 or joined.endswith("."):
        return "nothing"  # no e-mail address ends with a dot before its sign
    if "/" in joined:
        return "path"
    return "word" if before and is_word(text, before - 1) else "nothing"
