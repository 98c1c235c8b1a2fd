"""Exports a chat as Markdown, or as a notebook with its code blocks as code cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from jupyter_ai_personas.chat.markdown import code, inert

__all__ = ["Said", "to_markdown", "to_notebook"]

_LANGUAGES = {
    "ipython": "python",
    "ipython3": "python",
    "julia": "julia",
    "py": "python",
    "python": "python",
    "python3": "python",
    "r": "r",
}
"""Kernel languages by the words used after a fence."""

_SHELLS = frozenset({"bash", "sh", "shell"})

_KERNELS = {
    "julia": {"name": "julia", "display_name": "Julia", "language": "julia"},
    "python": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
    "r": {"name": "ir", "display_name": "R", "language": "R"},
}


@dataclass(frozen=True, slots=True)
class Said:
    """One message to export: who said it, when (seconds since the epoch), and with which model.

    ``note`` says what is special, such as that a reply was stopped; ``attached`` are paths.
    """

    speaker: str
    body: str
    time: float = 0.0
    model: str = ""
    note: str = ""
    attached: tuple[str, ...] = ()


def to_markdown(title: str, messages: Iterable[Said], *, zone: tzinfo | None = None) -> str:
    """Return a chat as Markdown, with times in ``zone`` (UTC if there is none)."""
    parts = [f"# {inert(title)}"]
    for said in messages:
        parts += [_heading(said, zone), said.body.strip("\n")]
    return "\n\n".join(filter(None, parts)) + "\n"


def to_notebook(
    title: str, messages: Iterable[Said], *, zone: tzinfo | None = None
) -> dict[str, Any]:
    """Return a chat as a notebook (nbformat 4.5) as JSON.

    Blocks of code in the language that most of them have become code cells, those for a shell
    ``%%bash`` cells in a Python notebook; everything else is Markdown. Nothing is trusted or run.
    """
    split = [(said, list(_blocks(said.body))) for said in messages]
    languages = Counter(
        _LANGUAGES[block.language]
        for _, blocks in split
        for block in blocks
        if _LANGUAGES.get(block.language)
    )
    language = languages.most_common(1)[0][0] if languages else "python"
    cells = [_cell("markdown", f"# {inert(title)}", 0)]
    for said, blocks in split:
        text = [_heading(said, zone)]
        for block in blocks:
            as_code = _as_code(block, language)
            if as_code is None:
                text.append(block.markdown)
                continue
            if text:
                cells.append(_cell("markdown", "\n\n".join(text), len(cells)))
            cells.append(_cell("code", as_code, len(cells)))
            text = []
        if text:
            cells.append(_cell("markdown", "\n\n".join(text), len(cells)))
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": _KERNELS[language],
            "language_info": {"name": _KERNELS[language]["language"]},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _heading(said: Said, zone: tzinfo | None) -> str:
    about = [_time(said.time, zone), code(said.model) if said.model else "", inert(said.note)]
    line = f"**{inert(said.speaker)}**" + "".join(f" · {part}" for part in about if part)
    if said.attached:
        line += "  \nAttached: " + ", ".join(code(path) for path in said.attached)
    return f"---\n\n{line}"


def _time(seconds: float, zone: tzinfo | None) -> str:
    try:
        when = datetime.fromtimestamp(seconds, zone or UTC)
    except (OverflowError, OSError, ValueError):
        return ""
    return when.strftime("%Y-%m-%d %H:%M %Z").strip() if seconds > 0 else ""


class _Block(NamedTuple):
    """A part of a message; for a fenced block also its language and content."""

    markdown: str
    language: str = ""
    content: str = ""


def _as_code(block: _Block, kernel: str) -> str | None:
    """Return the source of the code cell that a block becomes, or ``None``: it is Markdown."""
    if not block.content.strip():
        return None
    if _LANGUAGES.get(block.language) == kernel:
        return block.content
    if kernel == "python" and block.language in _SHELLS:
        return f"%%bash\n{block.content}"
    return None


def _blocks(body: str) -> Iterable[_Block]:
    """Yield the parts of a text in order.

    Fenced blocks inside other elements, such as lists or quotations, are not separated.
    """
    # Imported here: only an export needs it.
    from markdown_it import MarkdownIt

    lines = body.split("\n")
    start = 0
    for token in MarkdownIt("commonmark").parse(body):
        if token.type != "fence" or token.level != 0 or token.map is None:
            continue
        begin, end = token.map
        yield from _text(lines[start:begin])
        words = token.info.casefold().strip("{}. ").split()
        language = words[0] if words else ""
        yield _Block("\n".join(lines[begin:end]), language, token.content.rstrip("\n"))
        start = end
    yield from _text(lines[start:])


def _text(lines: Sequence[str]) -> Iterable[_Block]:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield _Block(text)


def _cell(kind: str, source: str, number: int) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"chat-{number}",
        "metadata": {},
        "source": source,
    }
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell
