"""Foreign text inside our own Markdown: it is shown as it is and has no effect."""

from __future__ import annotations

import re
from html import unescape

__all__ = [
    "CALL",
    "PLAN",
    "THOUGHT",
    "closing_fence",
    "code",
    "inert",
    "sentence",
    "with_short_calls",
    "without_calls",
]

CALL = "<details><summary>🔧 "
"""How the line of a tool's call begins."""

THOUGHT = "<details><summary>💭 "
PLAN = "<details><summary>📋 "
"""How the lines of an agent's thought and of its plan begin."""

# ASCII punctuation can be escaped (CommonMark 0.31, section 2.4). A full stop or a comma never
# begins anything, so it is left out, and so is `@`.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&=:-])")

# The punctuation that can begin markup inside a sentence.
_BEGINS = re.compile(r"([\\`*_\[\]<>~|$&]|:(?=//)|^[#+=>-])")

_FENCE = re.compile(r"((?:[ \t]*(?:[-+*]|\d{1,9}[.)])(?=[ \t]))*[ \t]*)(`{3,}(?=[^`]*$)|~{3,})")


# Only the titles and indented lines stand between: what is inside cannot end it.
_CALL = re.compile(
    rf"^<details><summary>((?:{'|'.join(one[-2] for one in (CALL, THOUGHT, PLAN))}) [^\n<]*)"
    r"</summary>\n"
    r"(?:(?:    .*|Arguments:|Result:|Error:)?\n)*?</details>\n*",
    re.MULTILINE,
)


def inert(text: str, *, most: int = 300) -> str:
    """Return ``text`` on one line of at most ``most`` characters, with all Markdown escaped."""
    line = " ".join(text.split())
    if len(line) > most:
        line = line[: most - 1] + "…"
    return _SPECIAL.sub(r"\\\1", line)


def sentence(text: str) -> str:
    """Return ``text``, an error of ours, with all Markdown but its code spans escaped."""
    # A code span stands between runs of backticks of one length.
    parts = re.split(r"(`+)", " ".join(text.split()))
    closing: dict[int, int] = {}
    latest: dict[str, int] = {}
    for i in range(len(parts) - 2, 0, -2):
        if parts[i] in latest:
            closing[i] = latest[parts[i]]
        latest[parts[i]] = i
    shown, begin, i = [], 0, 1
    while i < len(parts):
        if (end := closing.get(i)) is None:
            i += 2
            continue
        shown += [_BEGINS.sub(r"\\\1", "".join(parts[begin:i])), *parts[i : end + 1]]
        begin, i = end + 1, end + 2
    return "".join([*shown, _BEGINS.sub(r"\\\1", "".join(parts[begin:]))])


def code(text: str) -> str:
    """Return ``text`` as a code span."""
    line = " ".join(text.split())
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def without_calls(text: str) -> str:
    """Return a reply without the lines of calls, thoughts and plans, which are for people."""
    return _CALL.sub("", text) if "<details><summary>" in text else text


def with_short_calls(text: str) -> str:
    """Return a reply for a terminal: of calls, thoughts and plans only their lines, as text."""
    if "<details><summary>" not in text:
        return text
    return _CALL.sub(lambda found: f"{unescape(found[1])}\n", text)


def closing_fence(text: str) -> str:
    """Return the line that closes the code block in which ``text`` ends, or an empty string."""
    indent = fence = ""
    for line in text.splitlines():
        if fence:
            content = line.strip()
            if content.startswith(fence) and not content.strip(fence[0]):
                fence = ""
        elif opened := _FENCE.match(line):
            # Inside a list, a smaller indent would begin another block.
            indent, fence = " " * len(opened.group(1)), opened.group(2)
    return indent + fence if fence else ""
