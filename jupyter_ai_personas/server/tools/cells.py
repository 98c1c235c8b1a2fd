"""The cells of a notebook that can be changed: of a shared document, or of a file.

All methods are synchronous, so no other change can come between several calls. Their cost depends
on the cells that they touch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from jupyter_ai_personas.context.outputs import source_text
from jupyter_ai_personas.server.live import cell_as_json
from jupyter_ai_personas.tools.changes import METADATA

__all__ = ["Cells", "Head", "SavedCells", "SharedCells", "new_id", "splice"]


class Head(NamedTuple):
    """A cell without its outputs. ``attribution`` is what METADATA says."""

    id: str | None
    type: str
    source: str
    attribution: Any


class Cells(Protocol):
    """The cells of one notebook."""

    is_shared: bool

    def __len__(self) -> int:
        """Return how many there are."""

    @property
    def has_ids(self) -> bool:
        """Whether the notebook's format keeps ids of cells (nbformat 4.5)."""

    def transaction(self) -> AbstractContextManager[Any]:
        """Make everybody see what is done in it as one change."""

    def upgrade(self) -> None:
        """Make the format one that keeps ids, and give every cell one."""

    def ids(self) -> Iterator[str | None]:
        """Yield the ids of the cells."""

    def head(self, index: int) -> Head:
        """Return what identifies a cell."""

    def insert(self, index: int, cell: Mapping[str, Any]) -> None:
        """Insert a cell of nbformat 4.5."""

    def remove(self, index: int) -> dict[str, Any]:
        """Remove a cell and return it as JSON."""

    def set_source(self, index: int, source: str) -> None:
        """Change what is in a cell; what stays is not touched."""

    def attribute(self, index: int, attribution: Any) -> None:
        """Write METADATA of a cell, or remove it (``None``)."""

    def wanted_kernel(self) -> str:
        """Return the name of the kernel that the notebook wants, if it names one."""


class SharedCells:
    """The cells of a ``YNotebook`` that people have open.

    To be used within one iteration of the event loop: it remembers the ids.
    """

    is_shared = True

    def __init__(self, document: Any) -> None:
        self.document = document
        self._cells = document.ycells
        self._meta = document.ydoc["meta"]
        self._ids: list[str | None] | None = None

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def has_ids(self) -> bool:
        """See :attr:`Cells.has_ids`."""
        return _has_ids(self._meta.get("nbformat"), self._meta.get("nbformat_minor"))

    def transaction(self) -> AbstractContextManager[Any]:
        """See :meth:`Cells.transaction`."""
        transaction: AbstractContextManager[Any] = self.document.ydoc.transaction()
        return transaction

    def upgrade(self) -> None:
        """See :meth:`Cells.upgrade`."""
        self._meta["nbformat_minor"] = 5.0
        for index, id_ in enumerate(list(self.ids())):
            if id_ is None:
                self._cells[index]["id"] = new_id()
        self._ids = None

    def ids(self) -> Iterator[str | None]:
        """See :meth:`Cells.ids`."""
        if self._ids is None:
            self._ids = [_id(cell.get("id")) for cell in self._cells]
        return iter(self._ids)

    def head(self, index: int) -> Head:
        """See :meth:`Cells.head`."""
        cell = self._cells[index]
        metadata = cell.get("metadata")
        attribution = metadata.get(METADATA) if metadata is not None else None
        return Head(_id(cell.get("id")), str(cell["cell_type"]), str(cell["source"]), attribution)

    def insert(self, index: int, cell: Mapping[str, Any]) -> None:
        """See :meth:`Cells.insert`."""
        self._cells.insert(index, self.document.create_ycell(dict(cell)))
        if self._ids is not None:
            self._ids.insert(index, _id(cell.get("id")))

    def remove(self, index: int) -> dict[str, Any]:
        """See :meth:`Cells.remove`."""
        cell = cell_as_json(self._cells[index])
        del self._cells[index]
        if self._ids is not None:
            del self._ids[index]
        return cell

    def set_source(self, index: int, source: str) -> None:
        """See :meth:`Cells.set_source`."""
        splice(self._cells[index]["source"], source)

    def attribute(self, index: int, attribution: Any) -> None:
        """See :meth:`Cells.attribute`."""
        metadata = self._cells[index]["metadata"]
        if attribution is not None:
            metadata[METADATA] = attribution
        elif METADATA in metadata:
            del metadata[METADATA]

    def wanted_kernel(self) -> str:
        """See :meth:`Cells.wanted_kernel`."""
        metadata = self._meta.get("metadata")
        return _kernel_name({} if metadata is None else metadata)


class SavedCells:
    """The cells of a notebook in the form of its file; its maker saves it."""

    is_shared = False

    def __init__(self, notebook: dict[str, Any]) -> None:
        self.notebook = notebook
        self._cells: list[dict[str, Any]] = notebook["cells"]

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def has_ids(self) -> bool:
        """See :attr:`Cells.has_ids`."""
        return _has_ids(self.notebook.get("nbformat"), self.notebook.get("nbformat_minor"))

    def transaction(self) -> AbstractContextManager[Any]:
        """See :meth:`Cells.transaction`."""
        return nullcontext()

    def upgrade(self) -> None:
        """See :meth:`Cells.upgrade`."""
        self.notebook["nbformat_minor"] = 5
        for cell in self._cells:
            if _id(cell.get("id")) is None:
                cell["id"] = new_id()

    def ids(self) -> Iterator[str | None]:
        """See :meth:`Cells.ids`."""
        return (_id(cell.get("id")) for cell in self._cells)

    def head(self, index: int) -> Head:
        """See :meth:`Cells.head`."""
        cell = self._cells[index]
        attribution = cell.get("metadata", {}).get(METADATA)
        source = source_text(cell.get("source"))
        return Head(_id(cell.get("id")), str(cell["cell_type"]), source, attribution)

    def insert(self, index: int, cell: Mapping[str, Any]) -> None:
        """See :meth:`Cells.insert`."""
        self._cells.insert(index, dict(cell))

    def remove(self, index: int) -> dict[str, Any]:
        """See :meth:`Cells.remove`."""
        return self._cells.pop(index)

    def set_source(self, index: int, source: str) -> None:
        """See :meth:`Cells.set_source`."""
        self._cells[index]["source"] = source

    def attribute(self, index: int, attribution: Any) -> None:
        """See :meth:`Cells.attribute`."""
        metadata = self._cells[index].setdefault("metadata", {})
        if attribution is not None:
            metadata[METADATA] = attribution
        else:
            metadata.pop(METADATA, None)

    def wanted_kernel(self) -> str:
        """See :meth:`Cells.wanted_kernel`."""
        return _kernel_name(self.notebook.get("metadata") or {})

    def set_outputs(self, index: int, outputs: list[dict[str, Any]], count: int | None) -> None:
        """Write what a run left in a cell, and its execution count."""
        self._cells[index] |= {"outputs": outputs, "execution_count": count}


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _has_ids(major: Any, minor: Any) -> bool:
    return (major or 0, minor or 0) >= (4, 5)


def _kernel_name(metadata: Any) -> str:
    spec = metadata.get("kernelspec") or {}
    return str(spec.get("name") or "")


def new_id() -> str:
    """Return an id for a cell."""
    return str(uuid4())


def splice(text: Any, new: str) -> None:
    """Make a shared ``text`` be ``new``; cursors and edits elsewhere in it stay as they are."""
    old = str(text)
    if old == new:
        return
    start = _same_start(old, new)
    end = _same_start(old[start:][::-1], new[start:][::-1])
    # Its positions count bytes.
    first = len(old[:start].encode())
    last = first + len(old[start : len(old) - end].encode())
    if last > first:
        del text[first:last]
    if start < len(new) - end:
        text.insert(first, new[start : len(new) - end])


def _same_start(a: str, b: str) -> int:
    """Return how many characters two texts begin with that are the same."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
