"""Finds the cell of a shared notebook that contains a cursor.

A browser announces a cursor as the identity of a character in the shared text (client and clock),
or, at the end of a text, as that of the text. The library panics on unknown identities, so they are
never passed to it: they are compared with the identities in each cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jupyter_ai_personas.slices import Slices

__all__ = ["cell_of_cursor", "cursor_of"]

MAX_RUNS = 2_000
"""Maximum runs of characters searched in one cell; each edit may add some."""

_AFTER, _BEFORE = 0, -1


class Cursor(NamedTuple):
    """The identity of a character, or of a text (``at_end``)."""

    client: int
    clock: int
    at_end: bool


def cursor_of(states: Iterable[Any], person: str) -> Cursor | None:
    """Return the cursor of ``person``, a username, in a notebook with these awareness states."""
    found = None
    for state in states:
        user = state.get("user") if isinstance(state, Mapping) else None
        if isinstance(user, Mapping) and user.get("username") == person:
            found = _decoded(state.get("cursors")) or found
    return found


def _decoded(cursors: Any) -> Cursor | None:
    listed = [c for c in cursors if isinstance(c, Mapping)] if isinstance(cursors, list) else []
    for cursor in sorted(listed, key=lambda cursor: cursor.get("primary") is not True):
        head = cursor.get("head")
        if not isinstance(head, Mapping):
            continue
        for key in ("item", "type"):
            id_ = head.get(key)
            client, clock = _ids(id_) if isinstance(id_, Mapping) else (None, None)
            if client is not None and clock is not None:
                return Cursor(client, clock, key == "type")
    return None


def _ids(id_: Mapping[str, Any]) -> tuple[int | None, int | None]:
    return _whole(id_.get("client")), _whole(id_.get("clock"))


def _whole(number: Any) -> int | None:
    # Browsers have floats only.
    if type(number) in (int, float) and 0 <= number < 2**53 and number == int(number):
        return int(number)
    return None


async def cell_of_cursor(document: Any, cursor: Cursor) -> str | None:
    """Return the id of the cell of a ``YNotebook`` that ``cursor`` is in, or ``None``."""
    cells = document.ycells
    slices = Slices()
    index = 0
    while index < len(cells):
        cell = cells[index]
        if _holds(cell.get("source"), cursor):
            id_ = cell.get("id")
            return id_ if isinstance(id_, str) else None
        index += 1
        if slices.is_over:
            await slices.hand_over()
    return None


def _holds(text: Any, cursor: Cursor) -> bool:
    if not hasattr(text, "sticky_index"):
        return False
    if cursor.at_end:
        id_ = text.sticky_index(0, _BEFORE).to_json().get("type") or {}
        return bool(id_ == {"client": cursor.client, "clock": cursor.clock})
    content = str(text).encode()
    runs = [(0, len(content))] if content else []
    for _ in range(MAX_RUNS):
        if not runs:
            break
        start, end = runs.pop()
        client, clock = _identity(text, start)
        # Positions count bytes, clocks count UTF-16 units from the beginning of a run.
        if end - start == 1 or _identity(text, end - 1) == (client, clock + end - 1 - start):
            units = len(content[start:end].decode("utf-8", "replace").encode("utf-16-le")) // 2
            if client == cursor.client and clock <= cursor.clock < clock + units:
                return True
        else:
            middle = _boundary(content, start, end)
            runs += [(middle, end), (start, middle)]
    return False


def _identity(text: Any, index: int) -> tuple[int, int]:
    item = text.sticky_index(index, _AFTER).to_json()["item"]
    return item["client"], item["clock"]


def _boundary(content: bytes, start: int, end: int) -> int:
    """Return a position between characters in the middle of ``content[start:end]``."""
    middle = (start + end) // 2
    while middle < end - 1 and content[middle] & 0xC0 == 0x80:
        middle += 1
    return middle if middle < end else start + 1
