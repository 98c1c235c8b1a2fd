"""Passages of others inside our own Markdown: linked, short, and without effect; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from jupyter_ai_personas.chat.markdown import closing_fence, inert
from jupyter_ai_personas.context.bounds import fence
from jupyter_ai_personas.context.definitions import CODE_SUFFIXES
from jupyter_ai_personas.context.texts import language_of

__all__ = ["Link", "Size", "code_block", "excerpt", "link", "passage_text", "prose"]

Link = Callable[..., str]
"""Returns the URL of a path, as :func:`~jupyter_ai_personas.context.links.lab_url` does."""

_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_ANCHOR = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])")
_BREAKS_LINK = re.compile(r"[\s()]")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})")
_CODE_LINE = re.compile(
    r"\s*(?:[%!@]|(?:import|from|def|class|for|while|if|elif|else|with|try|return|print|let|const"
    r"|var|function|library)\b.*[:(){}=;]?|\S+\s*(?:=|\+=|<-)\s*\S|[\w.]+\s*[(\[])|\s*[\"'\[{(]|.*[;{}\]):]\s*$"
)
_PROSE = {".md", ".markdown", ".mdx", ".qmd", ".rst", ".txt", ".chat", ""}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is quoted: ``passages`` of ``chars`` characters and ``lines`` lines.

    Left out are passages whose score is below ``least`` of the best one's.
    """

    passages: int = 4
    chars: int = 500
    lines: int = 14
    least: float = 0.0


def link(label: str, url: str) -> str:
    """Return a link; its label is plain text without mentions."""
    if _BREAKS_LINK.search(url):  # a path, which people copy as it is
        url = f"<{url}>"
    return f"[{inert(label.replace('@', '').replace('＠', ''), most=120)}]({url})"


def excerpt(text: str, words: Sequence[str], *, chars: int, lines: int) -> str:
    """Return the part of ``text``, whole lines, that has most of ``words``; cuts are marked."""
    every = [line[:chars] for line in text.strip("\n").split("\n")]
    if len(text) <= chars and len(every) <= lines:
        return "\n".join(every)
    stems = [word[: max(4, len(word) - 2)] for word in words]
    counts = [sum(stem in line.casefold() for stem in stems) for line in every]
    best, chosen = -1, (0, 1)
    for start in range(len(every)):
        end, room = start, chars
        while end < len(every) and end - start < lines and (room := room - len(every[end])) >= 0:
            end += 1
        end = max(end, start + 1)
        if (score := sum(counts[start:end])) > best and every[start].strip():
            best, chosen = score, (start, end)
    start, end = chosen
    # A little of what is before the first line that counts says what it is about.
    while start < end - 1 and not every[start].strip():
        start += 1
    kept = every[start:end]
    return "\n".join([*(["…"] if start else []), *kept, *(["…"] if end < len(every) else [])])


def passage_text(path: str, text: str) -> str:
    """Return a passage of the file at ``path`` as a quotation: prose, or a block of code."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".ipynb":
        return code_block(text, "python") if _looks_like_code(text) else prose(text)
    if suffix in _PROSE:
        return prose(text)
    return code_block(text, language_of(path) or suffix.lstrip(".") * (suffix in CODE_SUFFIXES))


def code_block(text: str, language: str = "") -> str:
    """Return code as a fenced block."""
    return fence(text, language)


def prose(text: str) -> str:
    """Return Markdown of others as a block quote.

    Images and links are their text alone, headings are bold, and HTML is shown as it is written.
    """
    lines: list[str] = []
    in_fence = False
    for line in text.strip("\n").split("\n"):
        if _FENCE.match(line):
            in_fence = not in_fence
        elif not in_fence:
            line = _inline(line)
        lines.append(line)
    if end := closing_fence("\n".join(lines)):
        lines.append(end)
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _inline(line: str) -> str:
    parts = re.split(r"(`[^`]*`)", _ANCHOR.sub(r"\1", _IMAGE.sub(r"\1", line)))
    line = "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)
    heading = _HEADING.fullmatch(line.strip())
    return f"**{heading[2]}**" if heading and heading[2] else line


def _looks_like_code(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    return sum(_CODE_LINE.match(line) is not None for line in lines) * 2 > len(lines)
