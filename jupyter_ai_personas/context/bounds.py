"""Limits on a file's content for a model, and the notes about cuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

__all__ = ["ContextLimits", "fence", "first_lines", "middle_out", "shown_size"]


@dataclass(frozen=True, slots=True)
class ContextLimits:
    """Bounds on what is rendered for a model.

    ``chars`` bounds the text of one file or notebook, ``total_chars`` that of one message's
    context, ``lines`` one file, ``output_chars`` one output of a cell, ``cell_chars`` one cell's
    source. ``rows`` are shown of a table and ``pages`` of a PDF. At most ``images`` images of
    ``image_bytes`` bytes each, and of ``total_image_bytes`` together, are passed on.
    ``counted_bytes`` bounds what is read to count rows and lines.
    """

    chars: int = 40_000
    total_chars: int = 80_000
    lines: int = 2_000
    cell_chars: int = 12_000
    output_chars: int = 3_000
    rows: int = 5
    pages: int = 40
    images: int = 8
    image_bytes: int = 3_500_000
    total_image_bytes: int = 6_000_000
    counted_bytes: int = 256_000_000

    def within(self, chars: int) -> ContextLimits:
        """Return these limits for a file that gets at most ``chars`` characters."""
        chars = min(self.chars, chars)
        return replace(
            self,
            chars=chars,
            cell_chars=min(self.cell_chars, chars // 2),
            output_chars=min(self.output_chars, chars // 4),
        )


def first_lines(text: str, *, lines: int, chars: int, further: int = 0) -> tuple[str, str]:
    """Return the beginning of ``text`` and a note about omitted lines, if any.

    ``further`` is the number of lines that follow ``text`` and are left out in any case.
    """
    every = text.splitlines(keepends=True)
    kept = "".join(every[:lines])
    if len(kept) > chars:
        # Whole lines, if there is one.
        kept = kept[:chars].rpartition("\n")[0] or kept[:chars]
    shown, total = len(kept.splitlines()), len(every) + further
    if shown < total:
        return kept, f"first {shown:,} of {total:,} lines"
    if len(kept.rstrip("\n")) < len(text.rstrip("\n")):
        return kept, f"first {len(kept):,} of {len(text):,} characters"
    return text, ""


def middle_out(text: str, chars: int, clean: Callable[[str], str] = str) -> str:
    """Return ``text``, cleaned, with its middle replaced by a note if it has over ``chars``.

    The beginning and the end of a long output matter, as in a traceback. Only these parts of a very
    long one are cleaned.
    """
    far = chars * 20
    if len(text) <= 2 * far:
        text = clean(text)
        if len(text) <= chars:
            return text
        head, tail = text, text
    else:
        head, tail = clean(text[:far]), clean(text[-far:])
    head, tail = head[: chars // 3], tail[-(chars - chars // 3) :]
    # Whole lines, where there are lines.
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] if "\n" in tail[: len(tail) // 2] else tail
    lines = text.count("\n") - head.count("\n") - tail.count("\n")
    what = f"{lines:,} lines" if lines > 1 else f"{len(text) - len(head) - len(tail):,} characters"
    return f"{head.rstrip()}\n[… {what} left out …]\n{tail.lstrip(chr(10))}"


def fence(text: str, language: str = "") -> str:
    """Return ``text`` as a fenced block that nothing in it can close."""
    marks = "```"
    while marks in text:
        marks += "`"
    return f"{marks}{language}\n{text.rstrip(chr(10))}\n{marks}"


def shown_size(size: int) -> str:
    """Return a number of bytes for people: ``24 kB``, ``1.5 MB``."""
    if size < 1000:
        return f"{size} byte{'' if size == 1 else 's'}"
    for unit in ("kB", "MB"):
        size_in_unit = size / 1000 if unit == "kB" else size / 1e6
        if size_in_unit < 999.5:
            return f"{size_in_unit:.3g} {unit}"
    return f"{size / 1e9:.3g} GB"
