"""Changes cells of a notebook, and undoes such changes. A change that fails changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.errors import ToolCallError
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.server.tools.cells import Cells, Head, new_id
from jupyter_ai_personas.tools.changes import METADATA, Change

__all__ = [
    "delete_cell",
    "edit_cell",
    "find_cell",
    "insert_cell",
    "move_cell",
    "new_source",
    "take_back",
]

MAX_KEPT = 1_000_000
"""Characters of a deleted cell's outputs that are kept to restore it."""


def find_cell(cells: Cells, cell: str | int, path: str) -> int:
    """Return the index of a cell that a model names.

    Raises:
        ToolCallError: there is no such cell.
    """
    if not cells.has_ids:
        # Its format keeps no ids: until it is upgraded, an index names a cell.
        if str(cell).isdecimal() and int(cell) < len(cells):
            return int(cell)
        count = f"It has {len(cells)} cells" if len(cells) else "It has no cells"
        raise ToolCallError(
            f"There is no cell {code(str(cell)[:80])} in {code(path)}. {count}, addressed by their "
            "index from 0, since its format keeps no ids. Read the notebook again."
        )
    for index, id_ in enumerate(cells.ids()):
        if id_ == str(cell):
            return index
    raise ToolCallError(
        f"There is no cell {code(str(cell)[:80])} in {code(path)}. Read the notebook again: "
        "somebody may have deleted it."
    )


def _target(cells: Cells, after: str | int | None, path: str) -> int:
    if after is None:
        return len(cells)
    return 0 if after == "start" else find_cell(cells, after, path) + 1


def _before(cells: Cells, index: int) -> str | None:
    return cells.head(index - 1).id if index else None


def _state(head: Head) -> dict[str, Any]:
    return {"source": head.source, "type": head.type, "attribution": head.attribution}


def _upgrade(cells: Cells) -> None:
    if not cells.has_ids:
        cells.upgrade()


def new_source(head: Head, arguments: Mapping[str, Any], path: str) -> str:
    """Return what ``notebook.edit_cell`` makes of a cell.

    Raises:
        ToolCallError: it is not what the model believes it to be.
    """
    if "source" in arguments and "old" not in arguments and "new" not in arguments:
        if "expected" not in arguments:
            raise ToolCallError(
                "Give `notebook.edit_cell` the argument `expected`: the whole source of the cell "
                "as you have read it."
            )
        check_expected(head, arguments["expected"], path)
        return str(arguments["source"])
    if {"old", "new"} - set(arguments) or "source" in arguments:
        raise ToolCallError(
            "Give `notebook.edit_cell` either `source` and `expected`, or `old` and `new`."
        )
    if "expected" in arguments:
        check_expected(head, arguments["expected"], path)
    return replaced(head.source, arguments["old"], arguments["new"], f"the cell in {code(path)}")


def replaced(text: str, old: str, new: str, what: str) -> str:
    """Return ``text`` with the one ``old`` in it replaced.

    Raises:
        ToolCallError: it does not occur once.
    """
    count = text.count(old) if old else 0
    if count != 1:
        often = f"{count} times" if count else "not"
        raise ToolCallError(
            f"`old` occurs {often} in {what}; give a part that occurs once.", current=redact(text)
        )
    return text.replace(old, new)


def check_expected(head: Head, expected: str, path: str) -> None:
    """Raise :class:`ToolCallError` unless ``expected`` is the source of a cell."""
    if head.source == expected:
        return
    shown = redact(head.source)
    if shown == expected:
        raise ToolCallError(
            f"The cell in {code(path)} contains a secret, which you are not shown. Change other "
            "parts of it with `old` and `new`, or ask the person to change it."
        )
    raise ToolCallError(
        f"`expected` is not what is in the cell of {code(path)}: somebody may have changed it. "
        "Nothing was changed. Look at `current` and decide anew.",
        current=shown,
    )


def insert_cell(
    cells: Cells, path: str, arguments: Mapping[str, Any], attribution: Mapping[str, Any]
) -> Change:
    """Insert a cell."""
    index = _target(cells, arguments["after"], path)
    cell: dict[str, Any] = {
        "id": new_id(),
        "cell_type": arguments["cell_type"],
        "source": arguments["source"],
        "metadata": {METADATA: dict(attribution)},
    }
    if arguments["cell_type"] == "code":
        cell |= {"execution_count": None, "outputs": []}
    _upgrade(cells)
    cells.insert(index, cell)
    head = cells.head(index)
    return Change(
        kind="insert",
        path=path,
        cell=head.id,
        after=_state(head),
        at=_before(cells, index),
        index=index,
    )


def edit_cell(
    cells: Cells, path: str, arguments: Mapping[str, Any], attribution: Mapping[str, Any]
) -> Change:
    """Change the source of a cell."""
    index = find_cell(cells, arguments["cell"], path)
    before = cells.head(index)
    source = new_source(before, arguments, path)
    _upgrade(cells)
    cells.set_source(index, source)
    cells.attribute(index, dict(attribution))
    after = cells.head(index)
    return Change(
        kind="edit",
        path=path,
        cell=after.id,
        before=_state(before),
        after=_state(after),
        index=index,
    )


def move_cell(
    cells: Cells, path: str, arguments: Mapping[str, Any], attribution: Mapping[str, Any]
) -> Change:
    """Move a cell."""
    index = find_cell(cells, arguments["cell"], path)
    target = _target(cells, arguments["after"], path)
    _upgrade(cells)
    before, was_at = cells.head(index), _before(cells, index)
    target = _moved(cells, index, target)
    cells.attribute(target, dict(attribution))
    return Change(
        kind="move",
        path=path,
        cell=before.id,
        before=_state(before),
        after=_state(cells.head(target)),
        was_at=was_at,
        at=_before(cells, target),
        index=target,
    )


def _moved(cells: Cells, index: int, target: int) -> int:
    if target in (index, index + 1):
        return index
    # Removed and inserted: browsers do not know the library's own way to move.
    cell = cells.remove(index)
    target -= target > index
    cells.insert(target, cell)
    return target


def delete_cell(
    cells: Cells, path: str, arguments: Mapping[str, Any], attribution: Mapping[str, Any]
) -> Change:
    """Delete a cell."""
    index = find_cell(cells, arguments["cell"], path)
    check_expected(cells.head(index), arguments["expected"], path)
    _upgrade(cells)
    was_at = _before(cells, index)
    cell = cells.remove(index)
    if _size(cell.get("outputs")) > MAX_KEPT:
        cell = {**cell, "outputs": []}
    return Change(
        kind="delete", path=path, cell=cell["id"], before=cell, was_at=was_at, index=index
    )


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(key) + _size(each) for key, each in value.items())
    return sum(map(_size, value)) if isinstance(value, list) else 1


def take_back(cells: Cells, change: Change) -> str:
    """Undo one change; return why it is left alone, or an empty string.

    Undo the changes of a turn latest first: each then finds the cells as it left them.
    """
    ids = list(cells.ids())
    index = ids.index(change.cell) if change.cell in ids else None
    if change.kind == "delete":
        if index is None and change.before is not None:
            target = ids.index(change.was_at) + 1 if change.was_at in ids else change.index
            at_start = change.was_at is None and change.index == 0
            cells.insert(0 if at_start else min(target, len(cells)), change.before)
        return ""
    if index is None:
        return "" if change.kind == "insert" else "somebody deleted it since"
    head, after, before = cells.head(index), change.after or {}, change.before or {}
    if change.kind == "move":
        if _before(cells, index) != change.at:
            return "somebody moved it since"
        target = ids.index(change.was_at) + 1 if change.was_at in ids else 0
        index = _moved(cells, index, target)
    elif (head.source, head.type) != (after.get("source"), after.get("type")):
        return "somebody changed it since"
    elif change.kind == "insert":
        cells.remove(index)
        return ""
    else:
        cells.set_source(index, str(before.get("source", "")))
    cells.attribute(index, before.get("attribution"))
    return ""
