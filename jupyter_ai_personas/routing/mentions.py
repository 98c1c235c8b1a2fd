"""The mention grammar: where in a Markdown body is ``@Name`` a mention?

1. A mention is a sign (``@``, also in full width) and the longest known name after it.
2. It ends at the first character that cannot continue a name: anything but a letter or digit,
   or hyphens and underscores before one. Scripts without spaces need no separator.
3. Grapheme clusters (UAX 29) are never cut: a combining mark, a variation selector, or the parts
   of an emoji belong to what they follow.
4. The sign does not follow a word, so an e-mail address is no mention; but it may follow another
   mention, as in ``@Guide@Data`` and ``@Guide/@Data``.
5. Code, block quotes, HTML markup, URLs, link destinations and ``\\@`` hold no mentions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from jupyter_ai_personas.routing.names import KEYCAP, NameIndex, extends, is_word
from jupyter_ai_personas.routing.visible import SIGNS, has_sign, visible_text

__all__ = ["MAX_SCANNED", "Sign", "find_mentions", "find_signs", "may_mention"]

MAX_SCANNED = 100_000
"""The number of characters of a body that are read."""

_SIGN = re.compile(f"(?P<sign>[{SIGNS}])")
# Without any of these, in lower case, there is no URL and no link: "lto:" is also in "maılto:".
_LINKS = ("://", "](", "www.", "lto:")

# Text that can hold a sign: a URL, the destination of a link, or the text.
# Parentheses belong to a URL in pairs. In scripts without spaces, full-width punctuation ends it.
_TOKEN = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,30}://|\bwww\.|\bmailto:)"
    r"(?:[^\s<>()\"\u3000-\u303f\uff00-\uff0f\uff1a-\uff1f]|\([^\s<>()]*\))*"
    r"|\]\([^()\n]*\)"
    rf"|(?P<sign>[{SIGNS}])",
    re.IGNORECASE,
)

# Characters before the sign in an e-mail address or path, beside letters and digits.
_JOINERS = frozenset("+-%&=#_/.")

_SPACES = frozenset(("", " ", "\n"))

Follows = Literal["nothing", "word", "path"]


class Sign(NamedTuple):
    """A sign at ``at`` in ``text``, and the id of the persona that it mentions, if any.

    ``follows`` tells what stands before it. Only after nothing can there be a mention; a word
    is that of an e-mail address, or a space is missing.
    """

    text: str
    at: int
    follows: Follows
    id: str | None


def may_mention(body: str) -> bool:
    """Return whether ``body`` has a sign at all."""
    return has_sign(body)


def find_mentions(body: str, names: NameIndex) -> list[str]:
    """Return the ids of ``names`` that ``body`` mentions, in order of first mention.

    Time is linear in the length of ``body``, of which the first :data:`MAX_SCANNED` characters
    are read.
    """
    if not len(names):
        return []
    return list(dict.fromkeys(sign.id for sign in find_signs(body, names) if sign.id is not None))


def find_signs(body: str, names: NameIndex) -> Iterator[Sign]:
    """Yield each sign of ``body`` that is not hidden, in order."""
    for text in visible_text(body[:MAX_SCANNED]):
        mentioned = 0
        lower = text.lower()
        pattern = _TOKEN if any(mark in lower for mark in _LINKS) else _SIGN
        for token in pattern.finditer(text):
            if token["sign"] is None:
                continue
            at = token.start()
            follows = _follows(text, at, mentioned)
            found = names.longest_at(text, at + 1) if follows == "nothing" else None
            if found is not None:
                mentioned = found[1]
            yield Sign(text, at, follows, found and found[0])


def _follows(text: str, at: int, mentioned: int) -> Follows:
    """Return what the sign at ``at`` follows; ``mentioned`` is the end of the last mention."""
    if text[at - 1 : at] in _SPACES:
        return "nothing"
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
