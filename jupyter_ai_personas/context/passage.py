"""A passage: the text of one search hit, and its position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

__all__ = ["MAX_LINE", "MAX_PASSAGE", "Passage", "between", "pieces"]

MAX_PASSAGE = 2_000
"""Characters of a passage; a longer section becomes several."""

MAX_LINE = 1_000
"""Characters of a line that are kept: longer ones are data or generated."""

Heading = tuple[int, int, str]
"""The line where a section begins, its depth from 1, and its title."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a file. ``line`` counts from 1: in the cell if there is one, else in the file.

    ``cell`` is a notebook cell's id, or ``index-<n>`` where the notebook has no ids. ``heading``
    is the section with those above it, the definition's dotted name, or the speaker in a chat.
    """

    line: int
    text: str
    heading: str = ""
    cell: str | None = None


def between(text: str, headings: Iterable[Heading]) -> Iterator[Passage]:
    """Yield what lies between headings; an empty title ends the section above it."""
    lines = text.split("\n")
    above: list[tuple[int, str]] = []
    starts = [(1, 0, ""), *headings, (len(lines) + 1, 0, "")]
    for (start, depth, title), (end, _, _) in pairwise(starts):
        above = [(d, t) for d, t in above if d < depth] + ([(depth, title)] if title else [])
        body = "\n".join(lines[start - 1 : end - 1])
        if body.strip():
            yield Passage(start, body, " › ".join(t for _, t in above[-3:]))


def pieces(passage: Passage) -> Iterator[Passage]:
    """Yield the passage in parts of at most ``MAX_PASSAGE`` characters, cut between lines."""
    start, length, kept = passage.line, 0, list[str]()
    for number, line in enumerate(passage.text.split("\n"), passage.line):
        line = line[:MAX_LINE].rstrip()
        is_full = length + len(line) > MAX_PASSAGE
        # A blank line is a good place to cut once there is enough.
        if kept and (is_full or (not line and length > MAX_PASSAGE * 2 // 3)):
            yield replace(passage, line=start, text="\n".join(kept).rstrip())
            length, kept = 0, []
        if not kept:
            if not line:
                continue
            start = number
        kept.append(line)
        length += len(line) + 1
    if kept:
        yield replace(passage, line=start, text="\n".join(kept).rstrip())
