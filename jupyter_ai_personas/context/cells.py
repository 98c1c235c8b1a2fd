"""Notebooks cut at cells and chats at messages. Other files have no passages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from jupyter_ai_personas.chat.file_format import ChatFile, parse_chat
from jupyter_ai_personas.chat.history import is_shown
from jupyter_ai_personas.chat.messages import Message, decode_message
from jupyter_ai_personas.context.passage import Passage
from jupyter_ai_personas.context.prose import markdown_headings
from jupyter_ai_personas.text import well_formed

__all__ = ["chat", "notebook"]

MAX_OUTPUTS = 2_000
"""Characters of a cell's outputs that are kept."""

# A path such as `/home/ada` is none.
_COMMAND = re.compile(r"\A/[\w-]+(?!\S)")

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def notebook(text: str) -> Iterator[Passage]:
    """Yield the cells with their text outputs, below the Markdown headings before them."""
    content = _object(text)
    above: list[tuple[int, str]] = []
    for index, cell in enumerate(_cells(content)):
        body = _joined(cell.get("source", cell.get("input")))
        if cell.get("cell_type") == "markdown":
            for _, depth, title in markdown_headings(body):
                above = [(d, t) for d, t in above if d < depth] + [(depth, title)]
        body = "\n".join(part for part in (body, *_outputs(cell)) if part.strip())
        if body:
            heading = " › ".join(title for _, title in above[-3:])
            yield Passage(1, body, heading, str(cell.get("id") or f"index-{index}"))


def chat(text: str) -> Iterator[Passage]:
    """Yield the messages of the conversation, each below the name of who wrote it."""
    found = parse_chat(text) or ChatFile()
    for message in map(decode_message, _objects(found.messages)):
        if message is None or not is_shown(message, _command_in(message)):
            continue
        user = found.users.get(message.sender)
        user = user if isinstance(user, dict) else {}
        name = str(user.get("display_name") or user.get("name") or message.sender)
        yield Passage(1, well_formed(message.body), well_formed(name))


def _command_in(message: Message) -> frozenset[str]:
    return frozenset(word.casefold() for word in _COMMAND.findall(message.body))


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
        if "\\u" in text:  # half of a pair, escaped, is no text that can be kept
            whole = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
            content = json.loads(whole)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _cells(content: dict[str, Any]) -> list[dict[str, Any]]:
    # Version 3 of the format keeps its cells in worksheets.
    sheets = _objects(content.get("worksheets")) or [content]
    return [cell for sheet in sheets for cell in _objects(sheet.get("cells"))]


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    left = MAX_OUTPUTS
    for output in _objects(cell.get("outputs")):
        data = output.get("data")
        if output.get("output_type") in ("error", "pyerr"):
            trace = output.get("traceback")
            lines = [line for line in trace if isinstance(line, str)] if trace else []
            text = "\n".join([f"{output.get('ename')}: {output.get('evalue')}", *lines])
        elif "text" in output:
            text = _joined(output["text"])
        else:
            text = _joined(data.get("text/plain")) if isinstance(data, dict) else ""
        text = _ANSI.sub("", text[: 2 * left])[:left]
        left -= len(text)
        if text:
            yield text
