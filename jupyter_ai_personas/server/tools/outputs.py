"""Outputs of a running cell: collected as JSON, and written into the shared cell as they grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.server.tools.cells import Cells, SavedCells, SharedCells

__all__ = ["OutputWriter", "Outputs"]

MAX_CHARS = 20_000_000
"""Characters of outputs that one run may leave in a notebook."""


class Outputs:
    """The outputs of a run so far, in the form of nbformat 4."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.execution_count: int | None = None
        self._displays: dict[str, list[dict[str, Any]]] = {}
        self._clears = False
        self.chars = 0
        """The size of all that was added."""

    def add(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Take in a message of the kernel; return whether it changes the outputs."""
        if kind == "execute_input":
            self.execution_count = content["execution_count"]
        elif kind == "clear_output":
            if content.get("wait"):
                self._clears = True
                return False
            self._clear()
        elif kind == "update_display_data":
            for output in self._displays.get(_display(content), ()):
                output |= {"data": content["data"], "metadata": content["metadata"]}
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self._clears:
                self._clear()
            self._append(kind, content)
        else:
            return False
        return True

    def _clear(self) -> None:
        self.items, self._displays, self._clears = [], {}, False

    def _append(self, kind: str, content: Mapping[str, Any]) -> None:
        if self.chars > MAX_CHARS:
            return
        self.chars += _size(content)
        if self.chars > MAX_CHARS:
            kind = "stream"
            content = {"name": "stderr", "text": "\n[Too much output: the rest is left out.]\n"}
        last = self.items[-1] if self.items else {}
        if kind == "stream":
            if (last.get("output_type"), last.get("name")) == (kind, content["name"]):
                last["text"] += content["text"]
            else:
                text = {"name": content["name"], "text": content["text"]}
                self.items.append({"output_type": kind, **text})
        elif kind == "error":
            keys = ("ename", "evalue", "traceback")
            self.items.append({"output_type": kind, **{key: content[key] for key in keys}})
        else:
            output = {"output_type": kind, "data": content["data"], "metadata": content["metadata"]}
            if kind == "execute_result":
                output["execution_count"] = content["execution_count"]
            self.items.append(output)
            if display := _display(content):
                self._displays.setdefault(display, []).append(output)


def _display(content: Mapping[str, Any]) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 1


class OutputWriter:
    """Brings the outputs of one cell up to date; only differences are written."""

    def __init__(self, cell: str) -> None:
        self._cell = cell
        self._document: Any = None
        self._written: list[dict[str, Any]] = []

    def begin(self, cells: Cells) -> bool:
        """Empty the cell and show that it runs; return whether it is there."""
        return self.write(cells, Outputs(), running=True)

    def write(self, cells: Cells, outputs: Outputs, *, running: bool) -> bool:
        """Write what is new, in a transaction of the caller; return whether the cell is there."""
        index = next((i for i, id_ in enumerate(cells.ids()) if id_ == self._cell), None)
        if index is None:
            return False
        if isinstance(cells, SharedCells):
            self._share(cells, index, outputs, running=running)
        elif isinstance(cells, SavedCells):
            cells.set_outputs(index, outputs.items, outputs.execution_count)
        return True

    def _share(self, cells: SharedCells, index: int, outputs: Outputs, *, running: bool) -> None:
        cell = cells.document.ycells[index]
        shared = cell["outputs"]
        if cells.document is not self._document or len(shared) != len(self._written):
            # Just opened, or somebody has emptied it meanwhile.
            self._document, self._written = cells.document, []
            shared.clear()
            # As in the browser: who runs a cell trusts it.
            cell["metadata"]["trusted"] = True
        new, old = outputs.items, self._written
        same = 0
        while same < min(len(new), len(old)) and new[same] == old[same]:
            same += 1
        if same == len(old) - 1 and same < len(new) and _grows(old[same], new[same]):
            text = shared[same]["text"]  # `shared[same]["text"] +=` would empty it
            text += new[same]["text"][len(old[same]["text"]) :]
            same += 1
        elif same < len(old):
            del shared[same : len(old)]
        map_type, text_type = type(cell), type(cell["source"])
        for output in new[same:]:
            item = dict(output)
            if item["output_type"] == "stream":
                item["text"] = text_type(item["text"])
            shared.append(map_type(item))
        self._written = [dict(output) for output in new]
        if cell.get("execution_count") != outputs.execution_count:
            cell["execution_count"] = outputs.execution_count
        state = "running" if running else "idle"
        if cell.get("execution_state") != state:
            cell["execution_state"] = state


def _grows(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return bool(
        old["output_type"] == new["output_type"] == "stream"
        and old["name"] == new["name"]
        and new["text"].startswith(old["text"])
    )
