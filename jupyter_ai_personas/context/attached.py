"""Renders an attachment of any kind for a model."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.chat.messages import Attachment
from jupyter_ai_personas.context.bounds import ContextLimits, shown_size
from jupyter_ai_personas.context.images import render_image
from jupyter_ai_personas.context.notebooks import cells_of, render_notebook
from jupyter_ai_personas.context.outputs import source_text
from jupyter_ai_personas.context.pdf import render_pdf
from jupyter_ai_personas.context.privacy import holds_private_key
from jupyter_ai_personas.context.rendered import Rendered
from jupyter_ai_personas.context.tables import render_csv, render_parquet
from jupyter_ai_personas.context.texts import (
    decode,
    language_of,
    render_selection,
    render_text,
)
from jupyter_ai_personas.redaction import redact

__all__ = ["Content", "redacted", "render_attachment"]

_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_TABLES = frozenset({".csv", ".tsv"})
_PARQUET = frozenset({".parquet", ".pq"})

PRIVATE_KEY = "it contains a private key, and such files are never given to a model."


@dataclass(frozen=True, slots=True)
class Content:
    """The content read at a path: one of ``notebook``, ``text``, ``file`` and ``names``.

    ``file`` is open for reading, and seekable; ``size`` is in bytes, where it is known. ``names``
    are those of what is in a folder. ``live`` says whether it comes from the shared document,
    which may be newer than what is saved.
    """

    path: str
    notebook: Mapping[str, Any] | None = None
    text: str | None = None
    file: BinaryIO | None = None
    names: tuple[str, ...] | None = None
    size: int | None = None
    live: bool = False


def render_attachment(
    content: Content, attachment: Attachment, *, limits: ContextLimits, focus: str | None = None
) -> Rendered:
    """Return what a model is given of ``attachment``, which was read as ``content``.

    May take seconds for large files, so it is to be called in a thread. ``focus`` is the id of the
    cell of a notebook that matters most.
    """
    title = code(content.path)
    return redacted(_render(content, attachment, title, limits, focus))


def _render(
    content: Content, attachment: Attachment, title: str, limits: ContextLimits, focus: str | None
) -> Rendered:
    if content.names is not None:
        names = "\n".join(f"- {name}" for name in content.names[: limits.lines])
        cut = len(content.names) - limits.lines
        more = f"\n[… first {limits.lines:,} of {len(content.names):,}]" if cut > 0 else ""
        return Rendered(title, f"{title}, a folder that holds:\n{names}{more}")
    if content.notebook is not None:
        if any(holds_private_key(source_text(c.get("source"))) for c in cells_of(content.notebook)):
            return Rendered(title, problem=PRIVATE_KEY)
        return render_notebook(
            content.notebook,
            title=title,
            limits=limits,
            cells=attachment.cells,
            selections=attachment.cell_selections,
            focus=focus,
            notes="as it is open now" if content.live else "as saved",
        )
    if content.text is not None:
        return _text(content.text, "", content, attachment, title, limits)
    assert content.file is not None
    return _file(content.file, content, attachment, title, limits)


def _file(
    file: BinaryIO, content: Content, attachment: Attachment, title: str, limits: ContextLimits
) -> Rendered:
    suffix = PurePosixPath(content.path).suffix.casefold()
    start = file.read(8)
    file.seek(0)
    if suffix in _IMAGES:
        data = file.read(limits.image_bytes + 1)
        return render_image(data, title=title, limits=limits, size=content.size)
    if start.startswith(b"%PDF-"):
        return render_pdf(file, title=title, limits=limits)
    if suffix in _PARQUET or start.startswith(b"PAR1"):
        return render_parquet(file, title=title, limits=limits)
    if suffix in _TABLES and attachment.selection is None:
        table = render_csv(file, title=title, limits=limits)
        if not table.problem:
            return table
        file.seek(0)
    # A character of UTF-8 has at most four bytes. Whole lines can be counted.
    most = limits.chars * 4
    data = file.read(most)
    cut = len(data) == most
    data += file.readline(most)
    found = decode(data, cut=cut)
    if found is None:
        size = f", {shown_size(content.size)}" if content.size is not None else ""
        kind = f"a {code(suffix)} file{size}" if suffix else f"a binary file{size}"
        return Rendered(title, problem=f"{kind}, is not text, an image, a table or a PDF.")
    text, notes = found
    further, complete = _further_lines(file, limits.counted_bytes - len(data))
    if not complete:
        notes = "; ".join(filter(None, [notes, "the rest was not counted"]))
    return _text(text, notes, content, attachment, title, limits, further)


def _further_lines(file: BinaryIO, most: int) -> tuple[int, bool]:
    """Count the lines in the rest of a file; return whether the end was reached."""
    lines = 0
    while most > 0 and (data := file.read(1_000_000)):
        lines += data.count(b"\n")
        most -= len(data)
    return lines, most > 0 or not file.read(1)


def _text(
    text: str,
    notes: str,
    content: Content,
    attachment: Attachment,
    title: str,
    limits: ContextLimits,
    further: int = 0,
) -> Rendered:
    if holds_private_key(text):
        return Rendered(title, problem=PRIVATE_KEY)
    suffix = PurePosixPath(content.path).suffix.casefold()
    if suffix in _TABLES and attachment.selection is None:
        file = io.BytesIO(text.encode("utf-8", "surrogatepass"))
        table = render_csv(file, title=title, limits=limits)
        if not table.problem:
            return table
    if attachment.selection is not None:
        return render_selection(
            text,
            attachment.selection,
            title=title,
            language=language_of(content.path),
            limits=limits,
        )
    return render_text(
        text, title=title, path=content.path, limits=limits, notes=notes, further=further
    )


def redacted(rendered: Rendered) -> Rendered:
    """Return ``rendered`` without secrets."""
    text = "".join(redact(piece) for piece in _pieces(rendered.text))
    return replace(rendered, text=text, problem=redact(rendered.problem))


def _pieces(text: str, size: int = 4_000) -> Iterable[str]:
    """Yield ``text`` in pieces of whole lines, so that other threads run in between."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + size)
        end = len(text) if end == -1 else end + 1
        yield text[start:end]
        start = end
