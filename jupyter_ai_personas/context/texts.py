"""Text and code for a model, whole or as the lines that somebody selected."""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath

from jupyter_ai_personas.chat.messages import Selection
from jupyter_ai_personas.context.bounds import ContextLimits, fence, first_lines
from jupyter_ai_personas.context.rendered import Rendered

__all__ = ["decode", "language_of", "render_selection", "render_text"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LANGUAGES = {
    "bash": "bash",
    "c": "c",
    "cpp": "cpp",
    "css": "css",
    "csv": "csv",
    "h": "c",
    "html": "html",
    "jl": "julia",
    "js": "javascript",
    "json": "json",
    "md": "markdown",
    "py": "python",
    "r": "r",
    "rs": "rust",
    "sh": "bash",
    "sql": "sql",
    "tex": "latex",
    "toml": "toml",
    "ts": "typescript",
    "yaml": "yaml",
    "yml": "yaml",
}


def decode(data: bytes, *, cut: bool = False) -> tuple[str, str] | None:
    """Return the text in ``data`` and a note on its encoding; ``None`` if it is no text.

    ``cut``: the data goes on, so the last character may be incomplete.
    """
    for mark, encoding in (*_BOMS, (b"", "utf-8")):
        if data.startswith(mark):
            try:
                text = codecs.getincrementaldecoder(encoding)().decode(data, not cut)
            except UnicodeError:
                if mark:
                    return None
                break
            return None if "\0" in text else (text, "")
    if _is_binary(data):
        return None
    return data.decode("latin-1"), "decoded as Latin-1, since it is not UTF-8"


def _is_binary(data: bytes) -> bool:
    if b"\0" in data:
        return True
    sample = data[:4096]
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample)
    return controls * 50 > len(sample)


def language_of(path: str) -> str:
    """Return the name that Markdown gives the language of a file, or an empty string."""
    return _LANGUAGES.get(PurePosixPath(path).suffix.lstrip(".").casefold(), "")


def render_text(
    text: str, *, title: str, path: str, limits: ContextLimits, notes: str = "", further: int = 0
) -> Rendered:
    """Return the beginning of a text file for a model.

    ``further`` is the number of lines in the file after ``text``.
    """
    kept, cut = first_lines(text, lines=limits.lines, chars=limits.chars, further=further)
    about = "; ".join(filter(None, [cut, notes]))
    head = f"{title} ({about})" if about else title
    if not text.strip():
        return Rendered(title, f"{head} is empty.")
    return Rendered(title, f"{head}:\n\n{fence(kept, language_of(path))}")


def render_selection(
    text: str, selection: Selection, *, title: str, language: str, limits: ContextLimits
) -> Rendered:
    """Return what somebody selected in a text, as it was when they did.

    Lines and columns count from 0, as in the editor; they are shown from 1. Says so where the
    text has changed since.
    """
    first, last = selection.start[0], selection.end[0]
    there = "\n".join(text.splitlines()[first : last + 1])
    chosen = selection.content or _between(text, selection)
    where = f"line {first + 1}" if first == last else f"lines {first + 1}–{last + 1}"
    kept, cut = first_lines(chosen, lines=limits.lines, chars=limits.chars)
    changed = "" if chosen.strip("\n") in there else "the file has changed there since"
    about = "; ".join(filter(None, [where, cut, changed]))
    if not chosen.strip():
        return Rendered(title, problem=f"the selection ({where}) is empty.")
    return Rendered(title, f"{title}, selected ({about}):\n\n{fence(kept, language)}")


def _between(text: str, selection: Selection) -> str:
    lines = text.splitlines()[selection.start[0] : selection.end[0] + 1]
    if not lines:
        return ""
    lines[-1] = lines[-1][: selection.end[1] + 1]  # the end is inclusive
    lines[0] = lines[0][selection.start[1] :]
    return "\n".join(lines)
