"""The mention grammar: where in a Markdown body is ``@Name`` a mention?

``@`` opens a mention when the character before it could not belong to an e-mail address or a
path, and a known name follows whose end is the end of a word. Names match without regard to case,
however their letters are composed (canonical caseless matching, Unicode 16, definition D145); the
longest known name wins. Code spans, fenced and indented code blocks (CommonMark 0.31, sections
4.4, 4.5 and 6.1), block quotes, URLs, e-mail addresses and ``\\@`` hold no mentions.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

__all__ = ["MAX_SCANNED", "NameIndex", "find_mentions", "mention_name", "typed_names"]

MAX_SCANNED = 100_000
"""How much of a body is scanned, in characters: nobody mentions after a hundred pages."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_LIST_MARKERS = re.compile(r" {0,3}(?:(?:[-+*]|\d{1,9}[.)])(?:[ \t]+|$))+")
_QUOTE = re.compile(r" {0,3}>")
_INDENTED = re.compile(r"(?: {4}| {0,3}\t)")
_TYPED = re.compile(r"[^\W_][\w-]{2,63}")
_BACKTICKS = re.compile(r"(?<!`)`+(?!`)")
# In scripts without spaces, full-width punctuation is what ends a URL.
_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,30}://|\bwww\.|\bmailto:)[^\s<>\u3000-\u303f\uff00-\uff0f\uff1a-\uff1f]*",
    re.IGNORECASE,
)
# Scripts written without spaces: there, a letter beside a mention does not make it part of a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u303f\u3040-\u30ff\u3100-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]"
)


def mention_name(name: str) -> str:
    """Return how ``name`` is mentioned: spaces become hyphens, as in the chat's front end."""
    return re.sub(r"\s+", "-", name.strip())


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _fold(char: str) -> str:
    decomposed = unicodedata.normalize("NFD", char).casefold()
    return decomposed if decomposed.isascii() else unicodedata.normalize("NFD", decomposed)


def _folded(name: str) -> str:
    return "".join(map(_fold, _nfc(name)))


class NameIndex:
    """Known names, folded, for :func:`find_mentions`; a name is what follows the ``@``."""

    def __init__(self, names: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        """Take ``{id: mention name}``; of two ids with one folded name the first keeps it."""
        pairs = names.items() if isinstance(names, Mapping) else names
        self._id_of: dict[str, str] = {}
        self._name_of: dict[str, str] = {}
        for id_, name in pairs:
            if name:
                self._id_of.setdefault(_folded(name), id_)
                self._name_of[id_] = name
        self._longest = max(map(len, self._id_of), default=0)
        self._beginnings = {
            folded[:end] for folded in self._id_of for end in range(1, len(folded) + 1)
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

    def begun_at(self, text: str, start: int) -> Iterator[tuple[str, bool]]:
        """Yield the id of each known name that ``text`` has at ``start``, the shortest first.

        With each comes whether the name ends where a word ends.
        """
        # Normalised in a window, not as a whole: that takes quadratic time in a run of combining
        # marks. No character folds to nothing, so the window holds the longest name.
        window = _nfc(text[start : start + self._longest + 2])
        folded = ""
        for end, char in enumerate(window, 1):
            folded += _fold(char)
            if folded not in self._beginnings:
                return
            id_ = self._id_of.get(folded)
            if id_ is not None:
                yield id_, _ends_word(window, end)

    def longest_at(self, text: str, start: int) -> str | None:
        """Return the id of the longest known name that ``text`` has as a word at ``start``."""
        longest = None
        for id_, is_word in self.begun_at(text, start):
            if is_word:
                longest = id_
        return longest


def _is_word(char: str) -> bool:
    # Marks belong to the letter before them (Indic vowel signs, combining accents).
    return char == "_" or char.isalnum() or unicodedata.category(char).startswith("M")


def _ends_word(text: str, end: int) -> bool:
    after = text[end : end + 2]
    if not after:
        return True
    if unicodedata.category(after[0]).startswith("M"):
        return False
    if _is_word(after[0]):
        return bool(_UNSPACED.match(after[0]) or _UNSPACED.match(text[end - 1]))
    # `@Echo.com`, `@scope/name`, `@Data-Analyst-2`, `@user@host`: the word goes on.
    return not (after[0] in "-./@" and len(after) == 2 and _is_word(after[1])) and after[0] != "@"


def _opens(text: str, at: int) -> bool:
    if at == 0:
        return True
    before = text[at - 1]
    if before in "\\/@.+-%&=#" or before == "_":
        return False
    return not _is_word(before) or bool(_UNSPACED.match(before))


def _block_ranges(text: str) -> list[tuple[int, int]]:
    """Return the ranges of lines that are code blocks or quotes, and of blank lines between.

    Blank lines are among them because a code span ends with its paragraph.
    """
    ranges: list[tuple[int, int]] = []
    fence: str | None = None
    in_list = False
    after_blank = True
    for match in _LINE.finditer(text):
        content = match.group().rstrip(" \t\r\n")
        hidden = True
        # In a list, what is indented belongs to an item.
        inner = content.lstrip(" \t") if in_list else content
        markers = _LIST_MARKERS.match(inner)
        inner = inner[markers.end() :] if markers else inner
        if fence is not None:
            closing = content.lstrip(" \t")
            if closing.startswith(fence) and not closing.strip(fence[0]):
                fence = None
            after_blank = False
        elif not content:
            after_blank = True
        elif after_blank and not in_list and _INDENTED.match(content):
            pass  # still after a blank line: the next indented line is code as well
        else:
            in_list = markers is not None or (
                in_list and not (after_blank and not content[0].isspace())
            )
            after_blank = False
            if opened := _FENCE.match(inner):
                fence = opened.group(1)
            else:
                hidden = _QUOTE.match(inner) is not None
        if hidden:
            ranges.append(match.span())
    return ranges


def _code_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the code spans of one paragraph: runs of backticks closed by a run of that length."""
    runs = [
        (m.start(), m.end())
        for m in _BACKTICKS.finditer(text, start, end)
        if not _escaped(text, m.start())
    ]
    later: dict[int, list[int]] = {}
    for i, (a, b) in enumerate(runs):
        later.setdefault(b - a, []).append(i)
    spans = []
    i = 0
    while i < len(runs):
        a, b = runs[i]
        same = later[b - a]
        following = bisect_right(same, i)
        if following < len(same):
            i = same[following]
            spans.append((a, runs[i][1]))
        i += 1
    return spans


def _escaped(text: str, at: int) -> bool:
    before = at
    while before > 0 and text[before - 1] == "\\":
        before -= 1
    return (at - before) % 2 == 1


def _hidden_ranges(text: str) -> list[tuple[int, int]]:
    """Return the sorted ranges of ``text`` that hold no mentions."""
    blocks = _block_ranges(text)
    hidden = list(blocks)
    if "`" in text:
        at = 0
        for a, b in [*blocks, (len(text), len(text))]:
            if at < a:
                hidden += _code_spans(text, at, a)
            at = b
    if ":" in text or "www." in text.lower():
        hidden += [m.span() for m in _URL.finditer(text)]
    return sorted(hidden)


def _openings(text: str) -> Iterator[int]:
    """Yield where an ``@`` is that may open a mention: not hidden, nor inside of a word."""
    hidden = _hidden_ranges(text)
    starts = [a for a, _ in hidden]
    furthest = list(accumulate((b for _, b in hidden), max))
    at = text.find("@")
    while at >= 0:
        covering = bisect_right(starts, at) - 1
        if covering >= 0 and at < furthest[covering]:
            at = text.find("@", furthest[covering])
            continue
        if _opens(text, at):
            yield at
        at = text.find("@", at + 1)


def find_mentions(body: str, names: NameIndex) -> list[str]:
    """Return the ids of ``names`` that ``body`` mentions, in order of first mention.

    Time is linear in the length of ``body``, of which the first :data:`MAX_SCANNED` characters
    are read.
    """
    if "@" not in body or not len(names):
        return []
    text = body[:MAX_SCANNED]
    found = (names.longest_at(text, at + 1) for at in _openings(text))
    return list(dict.fromkeys(id_ for id_ in found if id_ is not None))


def typed_names(body: str) -> Iterator[str]:
    """Yield, in order, each word of three to 64 characters that ``body`` mentions, known or not."""
    text = body[:MAX_SCANNED]
    for at in _openings(text) if "@" in text else ():
        word = _TYPED.match(text, at + 1)
        if word is not None and _ends_word(text, word.end()):
            yield word.group()
