"""Names, parameters and effects of the built-in tools."""

from __future__ import annotations

from typing import Any

from jupyter_ai_personas.tools.descriptions import Effect, ToolInfo

__all__ = ["BUILTIN", "kernel", "notebook", "workspace"]

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _number(description: str, *, least: int, most: int, default: int) -> Schema:
    bounds = {"minimum": least, "maximum": most, "default": default}
    return {"type": "integer", "description": description, **bounds}


_NOTEBOOK = _text("The notebook, relative to the server's root, such as `data/a.ipynb`.")
_FILE = _text("The file, relative to the server's root, such as `src/a.py`.")
_FOLDER = _text("A folder, relative to the server's root; empty for the root.", default="")
_CELL: Schema = {
    "type": ["string", "integer"],
    "description": "The id of the cell. Notebooks without ids: its index, from 0.",
}
_AFTER: Schema = {
    "type": ["string", "integer", "null"],
    "description": 'The cell to put it behind; "start"; null: at the end.',
    "default": None,
}


def _tool(
    name: str,
    effect: Effect,
    description: str,
    required: tuple[str, ...] = (),
    /,
    **properties: Any,
) -> ToolInfo:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return ToolInfo(name, description, effect, schema, "builtin")


_NOTEBOOK_TOOLS = (
    _tool("notebook.list", "read", "List the notebooks in a folder and below it.", folder=_FOLDER),
    _tool(
        "notebook.read",
        "read",
        "Read a notebook as it is now: its cells with their ids, and their outputs as text.",
        ("path",),
        path=_NOTEBOOK,
        cells={
            "type": "array",
            "items": {"type": ["string", "integer"]},
            "description": "Ids of cells, or ranges such as `first..last`; without any, all.",
        },
        outputs={"type": "boolean", "description": "Whether to read outputs.", "default": True},
    ),
    _tool(
        "notebook.create",
        "write",
        "Create an empty notebook.",
        ("path",),
        path=_NOTEBOOK,
        kernel=_text("The name of its kernel, such as `python3`; the server's default without."),
    ),
    _tool(
        "notebook.insert_cell",
        "write",
        "Insert a cell into a notebook. It is not run.",
        ("path", "source"),
        path=_NOTEBOOK,
        source=_text("The source of the cell."),
        cell_type=_text("The type of the cell.", enum=["code", "markdown", "raw"], default="code"),
        after=_AFTER,
    ),
    _tool(
        "notebook.edit_cell",
        "write",
        "Change a cell: give `source` and `expected`, or `old` and `new`.",
        ("path", "cell"),
        path=_NOTEBOOK,
        cell=_CELL,
        source=_text("The whole new source."),
        expected=_text("The whole source before. It must be what is there now."),
        old=_text("A part of the source that occurs once, to be replaced by `new`."),
        new=_text("The replacement of `old`."),
    ),
    _tool(
        "notebook.move_cell",
        "write",
        "Move a cell of a notebook.",
        ("path", "cell"),
        path=_NOTEBOOK,
        cell=_CELL,
        after=_AFTER,
    ),
    _tool(
        "notebook.delete_cell",
        "write",
        "Delete a cell of a notebook.",
        ("path", "cell", "expected"),
        path=_NOTEBOOK,
        cell=_CELL,
        expected=_text("The whole source of the cell. It must be what is there now."),
    ),
    _tool(
        "notebook.run_cell",
        "run",
        "Run a code cell in the notebook's kernel, which is started if there is none. The outputs "
        "are written into the notebook and returned. `input()` is refused.",
        ("path", "cell"),
        path=_NOTEBOOK,
        cell=_CELL,
        timeout=_number(
            "Seconds after which the cell is interrupted, from when the kernel begins to run it.",
            least=1,
            most=3600,
            default=120,
        ),
    ),
)

_WORKSPACE_TOOLS = (
    _tool("workspace.list", "read", "List the files and folders in a folder.", folder=_FOLDER),
    _tool(
        "workspace.read_file",
        "read",
        "Read lines of a text file, or a table, PDF or image as text. Use `notebook.read` for "
        "notebooks.",
        ("path",),
        path=_FILE,
        start=_number("The first line, from 1.", least=1, most=10**9, default=1),
        lines=_number("How many lines.", least=1, most=5000, default=500),
    ),
    _tool(
        "workspace.search",
        "read",
        "Search the files of the workspace.",
        ("query",),
        query=_text("The words to look for."),
        limit=_number("How many results.", least=1, most=50, default=10),
    ),
    _tool(
        "workspace.write_file",
        "write",
        "Write a text file as a whole.",
        ("path", "content", "expected"),
        path=_FILE,
        content=_text("The whole new text."),
        expected={
            "type": ["string", "null"],
            "description": "The whole text before. It must be what is there now. null: the file "
            "must not exist.",
        },
    ),
    _tool(
        "workspace.edit_file",
        "write",
        "Replace a part of a text file.",
        ("path", "old", "new"),
        path=_FILE,
        old=_text("A part of the text that occurs once."),
        new=_text("The replacement."),
    ),
)

_KERNEL_TOOLS = (
    _tool(
        "kernel.variables",
        "run",
        "List the variables in a notebook's Python kernel: names, types, shapes, short values. "
        "Changes nothing.",
        ("path",),
        path=_NOTEBOOK,
    ),
    _tool(
        "kernel.inspect",
        "run",
        "Describe a name in a notebook's Python kernel: signature, docstring, columns of a data "
        "frame. Changes nothing.",
        ("path", "name"),
        path=_NOTEBOOK,
        name=_text("A variable, or an attribute such as `pandas.DataFrame.merge`."),
    ),
)

BUILTIN: dict[str, ToolInfo] = {
    tool.name: tool for tool in (*_NOTEBOOK_TOOLS, *_WORKSPACE_TOOLS, *_KERNEL_TOOLS)
}
"""Every built-in tool by its name."""


def notebook() -> list[ToolInfo]:
    """Return the tools of the toolset ``notebook``."""
    return list(_NOTEBOOK_TOOLS)


def workspace() -> list[ToolInfo]:
    """Return the tools of the toolset ``workspace``."""
    return list(_WORKSPACE_TOOLS)


def kernel() -> list[ToolInfo]:
    """Return the tools of the toolset ``kernel``."""
    return list(_KERNEL_TOOLS)
