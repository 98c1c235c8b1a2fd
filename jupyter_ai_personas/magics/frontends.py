"""What the front end of the running cell can show, read off the request that runs the cell."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

__all__ = ["FrontEnd", "front_end_of", "front_end_of_request"]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """What a front end can show besides the text that is printed."""

    rich: bool = False
    """Whether it shows MIME bundles."""
    updates: bool = False
    """Whether it shows ``update_display_data``; one that does not drops it without a word."""
    cells: bool = False
    """Whether ``set_next_input`` inserts a cell below the one that runs."""


_TERMINAL = FrontEnd()
# `jupyter console`, qtconsole, Spyder, `jupyter run` and nbclassic send nothing that tells them
# apart, and most of them drop updates.
_UNKNOWN = FrontEnd(rich=True)


def front_end_of(shell: Any) -> FrontEnd:
    """Return what the front end of the running cell can show."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return _TERMINAL
    request = kernel.get_parent() or {}
    if _is_in_output_widget(request):
        return _UNKNOWN
    # nbclient starts kernels so; nbval, which takes no input either and drops updates, does not.
    in_memory = getattr(shell.history_manager, "hist_file", None) == ":memory:"
    return front_end_of_request(request, in_memory_history=in_memory)


def front_end_of_request(
    request: Mapping[str, Any], *, in_memory_history: bool = False
) -> FrontEnd:
    """Return what the sender of ``request`` can show.

    Args:
        request: An ``execute_request`` of the Jupyter protocol, or what else the kernel handles.
        in_memory_history: Whether the kernel's history is in memory, as nbclient wants it.
    """
    metadata = request.get("metadata") or {}
    content = request.get("content") or {}
    cell_id = metadata.get("cellId")
    if isinstance(cell_id, str) and cell_id:
        # JupyterLab's code console sends the id of a cell too; only its notebook has cells to
        # delete. In the console, `set_next_input` would overwrite the question.
        cells = "deletedCells" in metadata or _is_vscode_notebook(cell_id)
        return FrontEnd(rich=True, updates=True, cells=cells)
    if in_memory_history and content.get("allow_stdin") is False:
        return FrontEnd(rich=True, updates=True)
    return _UNKNOWN


def _is_vscode_notebook(cell_id: str) -> bool:
    # VS Code's ids are `vscode-notebook-cell:/folder/name.ipynb#W0sZmlsZQ%3D%3D`. The interactive
    # window is a notebook to it, whose cells are a log.
    try:
        parts = urlsplit(cell_id)
    except ValueError:
        return False
    return parts.scheme == "vscode-notebook-cell" and not parts.path.endswith(".interactive")


def _is_in_output_widget(request: Mapping[str, Any]) -> bool:
    # An `ipywidgets.Output` takes what the cell displays, and drops updates in every front end.
    module = sys.modules.get("ipywidgets.widgets.widget")
    if module is None:
        return False
    # Since ipywidgets 8.0.3; before, the same mapping was an attribute of `Widget`.
    widgets = module._instances if hasattr(module, "_instances") else module.Widget.widgets
    running = (request.get("header") or {}).get("msg_id")
    return bool(running) and any(
        getattr(widget, "msg_id", None) == running for widget in list(widgets.values())
    )
