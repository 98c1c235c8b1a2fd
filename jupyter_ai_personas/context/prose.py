"""Headings of Markdown and reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jupyter_ai_personas.context.passage import MAX_LINE, Heading, Passage, between

__all__ = ["markdown", "markdown_headings", "restructured"]

_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_ATX = re.compile(r"\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_SETEXT = re.compile(r"(=+|-{3,})\s*$")
_UNDERLINE = re.compile(r"([=\-`:'\"~^_*+#<>])\1{2,}\s*$")


def markdown(text: str) -> Iterator[Passage]:
    """Yield the sections of a Markdown text."""
    yield from between(text, markdown_headings(text))


def markdown_headings(text: str) -> list[Heading]:
    """Return the headings of a Markdown text; ``#`` in a code block is none."""
    found: list[Heading] = []
    fence = ""
    before = ""
    for number, line in enumerate(text.split("\n"), 1):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence and len(line) <= MAX_LINE:
            if heading := _ATX.match(line):
                found.append((number, len(heading[1]), heading[2]))
            elif before.strip() and "|" not in before and _SETEXT.match(line):
                found.append((number - 1, 1 if line[0] == "=" else 2, before.strip()))
        before = line
    return found


def restructured(text: str) -> Iterator[Passage]:
    """Yield the sections of an RST text.

    RST has no fixed depths: a character that underlines is as deep as it is new.
    """
    found: list[Heading] = []
    marks: list[str] = []
    lines = text.split("\n")
    for number in range(1, len(lines)):
        title, mark = lines[number - 1].rstrip(), _UNDERLINE.match(lines[number][:MAX_LINE])
        if (
            not mark
            or len(title) > MAX_LINE
            or not title
            or title[0].isspace()
            or _UNDERLINE.match(title)
        ):
            continue
        if len(lines[number].rstrip()) < len(title) - 2:
            continue
        if mark[1] not in marks:
            marks.append(mark[1])
        found.append((number, marks.index(mark[1]) + 1, title))
    yield from between(text, found)
