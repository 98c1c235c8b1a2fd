"""Cuts files into passages, depending on their file type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from jupyter_ai_personas.context.cells import chat, notebook
from jupyter_ai_personas.context.definitions import CODE_SUFFIXES, python, source
from jupyter_ai_personas.context.passage import Passage, pieces
from jupyter_ai_personas.context.prose import markdown, restructured

__all__ = ["cut"]


def cut(path: str, text: str) -> Iterator[Passage]:
    """Yield the passages of the file at ``path``. Never raises."""
    read = _READERS.get(PurePosixPath(path).suffix.lower(), _plain)
    for passage in read(text.replace("\r\n", "\n").replace("\r", "\n")):
        yield from pieces(passage)


def _plain(text: str) -> Iterator[Passage]:
    yield Passage(1, text)


_READERS: dict[str, Callable[[str], Iterator[Passage]]] = {
    **dict.fromkeys((".markdown", ".md", ".mdx", ".qmd"), markdown),
    ".rst": restructured,
    **dict.fromkeys((".py", ".pyi"), python),
    **dict.fromkeys(CODE_SUFFIXES, source),
    ".ipynb": notebook,
    ".chat": chat,
}
