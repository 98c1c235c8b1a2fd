"""Expansion of ``{name}`` in a prompt, without touching other braces.

A prompt often contains code, JSON or LaTeX with braces. Only ``{name}``, ``{In[3]}``,
``{Out[2]}`` and ``{Err[5]}`` without spaces are expanded. They are not expanded inside other
braces, in LaTeX (mathematics, environments, arguments of a command, ``x_{i}``, ``x^{n}``), in an
f-string or the string of a ``.format()`` call, nor after ``$``, ``#`` or ``%``, which mark
templates of other languages. ``{{name}}`` gives ``{name}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword

__all__ = ["CELL_REFERENCE", "interpolate"]

CELL_REFERENCE = re.compile(r"(In|Out|Err)\[([0-9]{1,9})\]")
"""``In[3]``: which list, and the number of the cell."""

_COMMAND_BEFORE = re.compile(r"\\[A-Za-z]+\*?\Z")
_MOST_COMMAND = 40  # characters
_NEVER_AFTER = tuple("\\^_$#%]")

_ELSEWHERE = re.compile(
    r"""
    \$\$.+?\$\$                                             # LaTeX, displayed
    | (?<![\\$\w])\$(?=\S)[^$\n]*?(?<=\S)\$(?![\d$\w])      # LaTeX, in a line, as Pandoc knows it
    | \\\(.+?\\\) | \\\[.+?\\\]
    | \\begin\{(?P<environment>\w+\*?)\}.+?\\end\{(?P=environment)\}
    | (?<![\w'"])(?:[fFtT][rR]?|[rR][fFtT])                 # f-strings and t-strings
      (?:'''(?:\\.|(?!''').)*''' | \"""(?:\\.|(?!\""").)*\"""
       | '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*") (?![\w(])
    | (?<![\w'"])(?:'(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*") (?=\.format(?:_map)?\()
    """,
    re.VERBOSE | re.DOTALL,
)


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with its names expanded once.

    ``values`` maps names such as ``x`` and cells such as ``Out[2]`` to text. An unknown name stays
    unchanged, with its braces. Raises only what ``values`` raises.
    """
    pairs = list(_outer_pairs(text))
    if not any(_expression(text[i + 1 : j]) for i, j in pairs):
        return text
    elsewhere = [match.span() for match in _ELSEWHERE.finditer(text)]
    parts: list[str] = []
    done, latex_end = 0, -1
    for opening, closing in pairs:
        if opening == latex_end or _follows_a_sign(text, opening):
            latex_end = closing + 1  # An adjacent brace is the command's next argument.
            continue
        name = _expression(text[opening + 1 : closing])
        if name is None or name.strip("{}") not in values:
            continue
        if any(start <= opening < end for start, end in elsewhere):
            continue
        escaped = name.startswith("{")
        parts += text[done:opening], name if escaped else values[name]
        done = closing + 1
    return "".join([*parts, text[done:]])


def _outer_pairs(text: str) -> Iterator[tuple[int, int]]:
    """Yield the positions of matching outermost braces."""
    open_at: list[int] = []
    pairs: list[tuple[int, int]] = []
    for found in re.finditer(r"[{}]", text):
        if found[0] == "{":
            open_at.append(found.start())
        elif open_at:
            pairs.append((open_at.pop(), found.start()))
    end = -1
    for opening, closing in sorted(pairs):
        if opening > end:
            yield opening, closing
            end = closing


def _expression(inside: str) -> str | None:
    """Return the text between two braces if it can be expanded: ``x``, ``In[3]``, ``{x}``."""
    name = inside[1:-1] if inside.startswith("{") and inside.endswith("}") else inside
    if CELL_REFERENCE.fullmatch(name) or (name.isidentifier() and not iskeyword(name)):
        return inside
    return None


def _follows_a_sign(text: str, opening: int) -> bool:
    before = text[max(0, opening - _MOST_COMMAND) : opening]
    return before.endswith(_NEVER_AFTER) or _COMMAND_BEFORE.search(before) is not None
