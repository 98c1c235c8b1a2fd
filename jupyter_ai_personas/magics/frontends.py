"""The running cell's front end and its abilities, derived from the execute request."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

__all__ = ["FrontEnd", "front_end_of", "front_end_of_request"]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A front end's abilities beyond printed text."""

    rich: bool = False
    """Whether it shows MIME bundles."""
    updates: bool = False
    """Whether it shows ``update_display_data``; other front ends drop it silently."""
    cells: bool = False
    """Whether ``set_next_input`` inserts a cell below the running one."""


_TERMINAL = FrontEnd()
# `jupyter console`, qtconsole, Spyder, `jupyter run` and nbclassic cannot be told apart, and most
# of them drop updates.
_UNKNOWN = FrontEnd(rich=True)


def front_end_of(shell: Any) -> FrontEnd:
    """Return the running cell's front end."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return _TERMINAL
    request = kernel.get_parent() or {}
    if _is_in_output_widget(request):
        return _UNKNOWN
    # nbclient starts kernels this way; nbval does not, and drops updates.
    in_memory = getattr(shell.history_manager, "hist_file", None) == ":memory:"
    return front_end_of_request(request, in_memory_history=in_memory)


def front_end_of_request(
    request: Mapping[str, Any], *, in_memory_history: bool = False
) -> FrontEnd:
    """Return the abilities of the sender of ``request``.

    Args:
        request: An ``execute_request``, or another request of the Jupyter protocol.
        in_memory_history: Whether the kernel keeps its history in memory, as under nbclient.
    """
    metadata = request.get("metadata") or {}
    content = request.get("content") or {}
    cell_id = metadata.get("cellId")
    if isinstance(cell_id, str) and cell_id:
        # JupyterLab's code console also sends a cell id, but only the notebook sends deleted cells.
        # In the console, `set_next_input` would overwrite the question.
        cells = "deletedCells" in metadata or _is_vscode_notebook(cell_id)
        return FrontEnd(rich=True, updates=True, cells=cells)
    if in_memory_history and content.get("allow_stdin") is False:
        return FrontEnd(rich=True, updates=True)
    return _UNKNOWN


def _is_vscode_notebook(cell_id: str) -> bool:
    # VS Code's ids are `vscode-notebook-cell:/folder/name.ipynb#W0sZmlsZQ%3D%3D`. Its interactive
    # window is a notebook whose cells are a log.
    try:
        parts = urlsplit(cell_id)
    except ValueError:
        return False
    return parts.scheme == "vscode-notebook-cell" and not parts.path.endswith(".interactive")


def _is_in_output_widget(request: Mapping[str, Any]) -> bool:
    # An `ipywidgets.Output` captures the cell's output and drops updates in every front end.
    module = sys.modules.get("ipywidgets.widgets.widget")
    if module is None:
        return False
    # Since ipywidgets 8.0.3; before, the same mapping was an attribute of `Widget`.
    widgets = module._instances if hasattr(module, "_instances") else module.Widget.widgets
    running = (request.get("header") or {}).get("msg_id")
    return bool(running) and any(
        getattr(widget, "msg_id", None) == running for widget in list(widgets.values())
    )
