"""How a call of a tool looks in a reply: one collapsed line, with the details inside.

Names, arguments and results are foreign text. In the summary, which is HTML, every character that
could begin markup is a character reference; in the details, which are Markdown, each line belongs
to an indented code block, so that nothing in it can end the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_ai_personas.chat.markdown import CALL
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.text import well_formed

__all__ = ["show_call", "target_of"]

MAX_TARGET = 60
MAX_ARGUMENT = 1_500
MAX_RESULT = 1_500
"""Characters that the details show of each argument and of the result."""

_TARGETS = ("path", "folder", "file", "query", "url", "uri", "name", "cell")
_WRITABLE = re.compile(r"[^\w .,:;/()·…'-]", re.ASCII)


def show_call(
    tool: str, arguments: Mapping[str, Any], result: Mapping[str, Any], seconds: float | None
) -> str:
    """Return the Markdown of a call that has ended; ``seconds`` is ``None`` if it is not known."""
    error = result.get("error")
    outcome = "done" if error is None else f"failed: {_one_line(str(error), MAX_TARGET)}"
    parts = [_one_line(tool, MAX_TARGET), target_of(arguments), outcome]
    if seconds is not None:
        parts.append(f"{seconds:.1f} s")
    summary = " · ".join(_escaped(part) for part in parts if part)
    lines = [f"{CALL}{summary}</summary>"]
    for title, value, most in (
        ("Arguments", arguments, MAX_ARGUMENT),
        ("Error" if error is not None else "Result", error or result, MAX_RESULT),
    ):
        if value:
            shown = "\n".join(_lines(value, most)) if isinstance(value, Mapping) else str(value)
            lines += ["", f"{title}:", "", *_indented(_cut(shown, 2 * most))]
    return "\n".join([*lines, "", "</details>", "", ""])


def target_of(arguments: Mapping[str, Any]) -> str:
    """Return what a call is about, as one argument tells it."""
    named = [arguments.get(key) for key in _TARGETS]
    for value in [*named, *arguments.values()]:
        if isinstance(value, str) and value.strip():
            return _one_line(value, MAX_TARGET)
    return ""


def _one_line(text: str, most: int) -> str:
    return _cut(" ".join(redact(well_formed(text[: 10 * most])).split()), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _escaped(text: str) -> str:
    # JupyterLab looks for mathematics, and browsers for directions of text, in the raw Markdown.
    return _WRITABLE.sub(lambda found: f"&#{ord(found[0])};", text)


def _indented(text: str) -> Iterator[str]:
    for line in redact(well_formed(text)).splitlines() or [""]:
        yield f"    {line}"


def _lines(value: Mapping[str, Any], most: int) -> Iterator[str]:
    """Yield lines for people: ``name: value``, indented where a value has parts of its own."""
    for key, inner in value.items():
        yield from _entry(f"{key}:", inner, most)


def _entry(head: str, value: Any, most: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value, most))
    elif isinstance(value, list) and value:
        yield head
        for each in value:
            yield from (f"  {line}" for line in _entry("-", each, most))
    elif isinstance(value, str) and "\n" in value:
        yield head
        yield from (f"  {line}" for line in _cut(value, most).splitlines())
    else:
        yield f"{head} {_cut(_word(value), most)}"


def _word(value: Any) -> str:
    if value is True or value is False:
        return "yes" if value else "no"
    return "none" if value is None or value in ([], {}) else str(value)
