"""Reads a notebook's outline, imports and errors in outputs without running it; pure."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.context.notebooks import cells_of
from jupyter_ai_personas.context.outputs import plain, source_text
from jupyter_ai_personas.context.prose import markdown_headings

__all__ = ["Cell", "CellError", "cells", "errors", "headings", "imports", "who_assigns"]

_ARROW = re.compile(r"^-+>\s*(\d+)\s?(.*)$", re.MULTILINE)
_FRAME = re.compile(
    r"^(?:File\s+(?P<file>\S.*?):(?P<line>\d+)(?:,\s+in\s+(?P<name>[^\n(]+))?"
    r"|\s*File\s+\"(?P<old>[^\"]+)\",\s+line\s+(?P<oldline>\d+)"
    r"|(?P<cell>Cell\s+In\s?\[\d+\])(?:,\s+line\s+(?P<cellline>\d+)|.*)"
    r"|Input\s+In\s+\[\d+\].*|<ipython-input-\d+-\w+>\s+in\s+.*)",
    re.MULTILINE,
)
_IN_CELL = re.compile(r"Cell\s+In|Input\s+In|<ipython-input|ipykernel_")
_NAME = re.compile(r"name '(\w+)' is not defined")
_MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: ``number`` counts from 1; ``id`` is empty where the notebook has no ids."""

    number: int
    id: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class CellError:
    """An error in a cell's outputs, as its traceback tells it.

    ``line`` of the cell, from 1, and ``code`` there are what was running, ``0`` where the
    traceback does not say. ``deeper`` is the location outside of the notebook that raised it.
    ``defined_in`` are the cells that define the name that was missing.
    """

    cell: Cell
    name: str
    value: str
    line: int
    code: str
    deeper: str
    defined_in: tuple[Cell, ...] = ()


def cells(notebook: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of a notebook of any version."""
    return [
        Cell(
            number,
            source_text(cell.get("id")),
            source_text(cell.get("cell_type")) or "code",
            source_text(cell.get("source")),
        )
        for number, cell in enumerate(cells_of(notebook), 1)
    ]


def headings(notebook: Mapping[str, Any]) -> list[tuple[Cell, int, str]]:
    """Return the headings of the Markdown cells: cell, depth from 1, title."""
    return [
        (cell, depth, title)
        for cell in cells(notebook)
        if cell.kind == "markdown"
        for _, depth, title in markdown_headings(cell.source)
        if title
    ]


def imports(notebook: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """Return the packages and modules that Python cells import, each with its first cell."""
    found: dict[str, Cell] = {}
    for cell, tree in _trees(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = ["." * node.level + (node.module or "")]
            else:
                continue
            for name in names:
                found.setdefault(name.split(".")[0] or name, cell)
    # Those that need to be installed first.
    return sorted(found.items(), key=lambda item: item[0] in sys.stdlib_module_names)


def who_assigns(notebook: Mapping[str, Any], name: str) -> list[Cell]:
    """Return the Python cells that define ``name`` at their top level."""
    found = []
    for cell, tree in _trees(notebook):
        for node in tree.body:
            if name in _defined(node):
                found.append(cell)
                break
    return found


def errors(notebook: Mapping[str, Any]) -> list[CellError]:
    """Return the errors in the outputs of a notebook's cells, in order."""
    found = []
    for cell, raw in zip(cells(notebook), cells_of(notebook), strict=True):
        outputs = raw.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            if isinstance(output, Mapping) and output.get("output_type") == "error":
                found.append(_error(notebook, cell, output))
    return found


def _error(notebook: Mapping[str, Any], cell: Cell, output: Mapping[str, Any]) -> CellError:
    name, value = (plain(source_text(output.get(key))) for key in ("ename", "evalue"))
    listed = output.get("traceback")
    trace = (
        plain("\n".join(t for t in listed if isinstance(t, str)))
        if isinstance(listed, list)
        else ""
    )
    line, code = _line_in_cell(cell, trace)
    missing = _NAME.search(value)
    definers = who_assigns(notebook, missing[1]) if missing else []
    others = tuple(one for one in definers if one.number != cell.number)
    return CellError(cell, name, value, line, code, _deeper(trace), others)


def _line_in_cell(cell: Cell, trace: str) -> tuple[int, str]:
    """Return the line of the cell that was running, and its code; ``0`` if it is not told."""
    lines = cell.source.split("\n")
    for number, code in _ARROW.findall(trace):
        at = int(number)
        # An arrow may point into another file: this one points at what the cell has there.
        if 0 < at <= len(lines) and lines[at - 1].strip() == code.strip():
            return at, code.strip()
    for frame in _FRAME.finditer(trace):
        told = frame["cellline"] or (frame["oldline"] if _IN_CELL.search(frame[0]) else None)
        if told and 0 < int(told) <= len(lines):
            return int(told), lines[int(told) - 1].strip()
    return 0, ""


def _deeper(trace: str) -> str:
    """Return the last frame of a traceback if it is outside of the notebook: ``file, line 3``."""
    frames = list(_FRAME.finditer(trace))
    if not frames or _IN_CELL.search(frames[-1][0]):
        return ""
    last = frames[-1]
    file, line = last["file"] or last["old"] or "", last["line"] or last["oldline"] or ""
    # Do not show paths of installed packages.
    short = re.split(r"(?:site|dist)-packages/", file.replace("\\", "/"))[-1]
    short = "/".join(short.split("/")[-3:])
    return f"{short}, line {line}" if file else ""


def _trees(notebook: Mapping[str, Any]) -> Iterator[tuple[Cell, ast.Module]]:
    for cell in cells(notebook):
        if cell.kind == "code":
            try:
                yield cell, ast.parse(_MAGIC.sub("pass", cell.source))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # another language, or not finished


def _defined(node: ast.stmt) -> Sequence[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return [n.id for n in stored if isinstance(n.ctx, ast.Store)]
