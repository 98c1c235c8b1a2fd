"""Known names, and where a text begins with one of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

import regex

__all__ = [
    "KEYCAP",
    "NameIndex",
    "ends_word",
    "extends",
    "folded_name",
    "is_word",
    "mention_name",
    "said_of",
]

_T = TypeVar("_T")

_GRAPHEME = regex.compile(r"\X")  # an extended grapheme cluster, UAX 29

# Joiners, direction marks and variation selectors; not the tags that tell one flag from another.
_INVISIBLE = regex.compile(
    r"(?V1)[[\p{Default_Ignorable_Code_Point}&&\p{Cf}]\p{Variation_Selector}"
    r"--[\U000E0000-\U000E007F]]+"
)

# Scripts written without spaces: a letter beside a name does not make it part of a longer word.
_UNSPACED = regex.compile(
    r"[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Mymr}\p{scx=Khmr}]"
)

_JOINED = re.compile(r"[-_]+")

KEYCAP = "\u20e3"
"""The mark that makes a symbol of a digit."""

_SLACK = 64
"""Invisible characters by which a mention may be longer than the longest name."""


def mention_name(name: str) -> str:
    """Return how ``name`` is mentioned: spaces become hyphens, as in the chat's front end."""
    return re.sub(r"\s+", "-", name.strip())


def _skip_invisible(text: str, at: int) -> int:
    """Return the position of the next character of ``text`` from ``at`` that can be seen."""
    invisible = _INVISIBLE.match(text, at)
    return invisible.end() if invisible else at


def extends(char: str) -> bool:
    """Return whether ``char`` belongs to the character before it, or cannot be seen."""
    return not char.isascii() and unicodedata.category(char) in ("Mn", "Mc", "Me", "Cf")


def is_word(text: str, at: int) -> bool:
    """Return whether a letter or digit at ``at`` continues a word that stands before it.

    A digit with a keycap is a symbol, and a script without spaces continues no word.
    """
    if at >= len(text) or not text[at].isalnum() or _UNSPACED.match(text, at):
        return False
    following = _skip_invisible(text, at + 1)
    return text[following : following + 1] != KEYCAP


def _fold(cluster: str) -> str:
    """Return a grapheme cluster for canonical caseless matching (Unicode 16, definition D145).

    Invisible characters are dropped, and full-width forms of ASCII become ASCII.
    """
    if cluster.isascii():
        return cluster.casefold()
    text = "".join(
        chr(ord(char) - 0xFEE0) if "\uff01" <= char <= "\uff5e" else char
        for char in _INVISIBLE.sub("", cluster)
    )
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def _folded(name: str) -> str:
    return "".join(map(_fold, _GRAPHEME.findall(name)))


@lru_cache(maxsize=1000)
def folded_name(name: str) -> str:
    """Return a persona's name as names are compared: ``@data analyst`` means ``Data-Analyst``."""
    return _folded(mention_name(name.strip().removeprefix("@")))


def said_of(names: Iterable[str], mapping: Mapping[str, _T]) -> _T | None:
    """Return what an operator's ``mapping`` says of a persona, ``None`` if nothing.

    ``names`` are its id, name and mention name; the first that is a key as it is counts, or else
    the first key that means one of them.
    """
    names = list(names)
    meant = set(map(folded_name, names))
    alike = (name for name in mapping if folded_name(name) in meant)
    return next((mapping[name] for name in (*names, *alike) if name in mapping), None)


class NameIndex:
    """Known names, to be found in texts; a name is what follows the ``@``.

    Names match without regard to case, to how their letters are composed, and to characters that
    cannot be seen.
    """

    def __init__(self, names: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        """Take ``{id: mention name}``; of two ids with the same name the first keeps it."""
        pairs = names.items() if isinstance(names, Mapping) else names
        self._id_of: dict[str, str] = {}
        self._name_of: dict[str, str] = {}
        for id_, name in pairs:
            if name:
                self._id_of.setdefault(_folded(name), id_)
                self._name_of[id_] = name
        self._id_of.pop("", None)
        self._window = max(map(len, self._name_of.values()), default=0) * 4 + _SLACK
        self._lengths = sorted(set(map(len, self._id_of)))
        self._beginnings = {
            folded[:end] for folded in self._id_of for end in range(len(folded) + 1)
        }

    def __len__(self) -> int:
        return len(self._id_of)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._name_of

    def id_of(self, name: str) -> str | None:
        """Return the id that ``name`` (with or without ``@``) stands for, or ``None``."""
        return self._id_of.get(_folded(name.removeprefix("@")))

    @property
    def names(self) -> list[str]:
        """The mention names."""
        return list(self._name_of.values())

    @property
    def by_id(self) -> Mapping[str, str]:
        """The mention names by id."""
        return self._name_of

    def begun_at(self, text: str, start: int) -> Iterator[tuple[str, int]]:
        """Yield id and end of each known name that ``text`` has at ``start``, the shortest first.

        A name ends where a grapheme cluster ends; characters after it that cannot be seen belong
        to it. The cost does not depend on the length of ``text``.
        """
        # Looked at in a window: a single cluster may be as long as the text.
        limit = min(len(text), start + self._window)
        window = text[start:limit]
        if window.isascii():
            # Each character is a cluster, and is seen. The window is longer than all names.
            window = window.casefold()
            for length in self._lengths:
                beginning = window[:length]
                if beginning not in self._beginnings:
                    return
                if (id_ := self._id_of.get(beginning)) is not None:
                    yield id_, start + length
            return
        folded = ""
        for cluster in _GRAPHEME.finditer(text, start, limit):
            folded += _fold(cluster.group())
            if folded not in self._beginnings or limit == cluster.end() < len(text):
                return
            id_ = self._id_of.get(folded)
            if id_ is not None:
                yield id_, _skip_invisible(text, cluster.end())

    def longest_at(self, text: str, start: int) -> tuple[str, int] | None:
        """Return id and end of the longest known name that ``text`` has as a word at ``start``."""
        longest = None
        for id_, end in self.begun_at(text, start):
            if ends_word(text, end):
                longest = id_, end
        return longest


def ends_word(text: str, end: int) -> bool:
    """Return whether no letter or digit follows, directly or after hyphens and underscores.

    So ``@Guides``, ``@Guide-Book`` and ``@Guide_2`` are other names than ``@Guide``, while
    ``@Guide-``, ``@Guide.txt`` and ``@Guide/Data`` are that name. A letter after an emoji, or
    after a script without spaces, begins a word of its own.
    """
    if is_word(text, end):
        last = end
        while last > 0 and extends(text[last - 1]):
            last -= 1
        char = text[last - 1 : last]
        is_symbol = not char.isascii() and unicodedata.category(char).startswith("S")
        return is_symbol or _UNSPACED.match(char) is not None
    joined = _JOINED.match(text, end)
    return joined is None or not is_word(text, joined.end())
