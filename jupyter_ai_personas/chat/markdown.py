"""Text of others beside and inside our own Markdown: it must show as it is, and do nothing."""

from __future__ import annotations

import re

__all__ = ["closing_fence", "code", "inert", "sentence"]

# ASCII punctuation may be escaped (CommonMark 0.31, section 2.4). `@` is no Markdown, but some
# renderers link it; a full stop or a comma never begins anything.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&=:-])")

# A code span, as our own sentences have them: between runs of backticks of one length.
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:[^`]|(?!(?<!`)\1(?!`))`)+(?<!`)\1(?!`)")
# What can begin something in the middle of a sentence; the rest of punctuation reads better as is.
_BEGINS = re.compile(r"([\\`*_\[\]<>~|$&]|:(?=//)|^[#+=>-])")

_FENCE = re.compile(r"((?:[ \t]*(?:[-+*]|\d{1,9}[.)])(?=[ \t]))*[ \t]*)(`{3,}(?=[^`]*$)|~{3,})")


def inert(text: str, *, most: int = 300) -> str:
    """Return ``text`` on one line, at most ``most`` characters, with nothing that is Markdown."""
    line = " ".join(text.split())
    if len(line) > most:
        line = line[: most - 1] + "…"
    return _SPECIAL.sub(r"\\\1", line)


def sentence(text: str) -> str:
    """Return ``text``, an error of ours that may quote others, with no Markdown but code spans."""
    line = " ".join(text.split())
    shown, end = [], 0
    for span in _CODE_SPAN.finditer(line):
        shown += [_BEGINS.sub(r"\\\1", line[end : span.start()]), span.group()]
        end = span.end()
    return "".join([*shown, _BEGINS.sub(r"\\\1", line[end:])])


def code(text: str) -> str:
    """Return ``text`` as a code span."""
    line = " ".join(text.split())
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def closing_fence(text: str) -> str:
    """Return the line that ends the code block in which ``text`` stops, or an empty string."""
    indent = fence = ""
    for line in text.splitlines():
        if fence:
            content = line.strip()
            if content.startswith(fence) and not content.strip(fence[0]):
                fence = ""
        elif opened := _FENCE.match(line):
            # As deep as the block was opened: in a list, less would begin another one.
            indent, fence = " " * len(opened.group(1)), opened.group(2)
    return indent + fence if fence else ""
