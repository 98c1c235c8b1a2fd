"""Runs the built-in tools on open documents, files and kernels of this server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_ai_personas.context.access import SearchIndex
from jupyter_ai_personas.runtime.ledger import TurnLedger
from jupyter_ai_personas.server.tools.documents import Notebooks
from jupyter_ai_personas.server.tools.executor import Recorder
from jupyter_ai_personas.server.tools.files import FileTools
from jupyter_ai_personas.server.tools.folders import Folders
from jupyter_ai_personas.server.tools.inspecting import InspectTools
from jupyter_ai_personas.server.tools.kernels import Kernels
from jupyter_ai_personas.server.tools.notebooks import NotebookTools
from jupyter_ai_personas.server.tools.running import RunTools
from jupyter_ai_personas.server.tools.texts import Texts
from jupyter_ai_personas.server.tools.undo import Undo
from jupyter_ai_personas.server.workspace import Workspace
from jupyter_ai_personas.tools import ToolExecutor, ToolSettings
from jupyter_ai_personas.tools.changes import ChangeBook, UndoReport
from jupyter_ai_personas.tools.links import changed_links

__all__ = ["BuiltinTools"]


class BuiltinTools(ChangeBook):
    """The executors of the built-in tools, and what they changed.

    ``settings`` are those of the server's web application.
    ``root`` is the server's root directory, ``None`` where contents are not files. ``index``
    returns the workspace's index, if there is one. ``bounds`` are the operator's of calls.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        root: str | Path | None,
        workspace: Workspace,
        ledger: TurnLedger,
        log: logging.Logger,
        bounds: ToolSettings | None = None,
        index: Callable[[], SearchIndex | None] = lambda: None,
    ) -> None:
        where = None if root is None else Path(root)
        notebooks = Notebooks(settings, root=where, workspace=workspace)
        folders = Folders(settings, root=where, workspace=workspace)
        texts = Texts(settings, root=where, workspace=workspace)
        recorder = Recorder(ledger)

        kernels = Kernels(settings)
        tools = [
            *NotebookTools(notebooks, folders, recorder, kernels=kernels.specs).tools(),
            *RunTools(
                notebooks, kernels, recorder, bounds=bounds or ToolSettings(), log=log
            ).tools(),
            *InspectTools(notebooks, kernels).tools(),
            *FileTools(workspace, folders, texts, recorder, index=index).tools(),
        ]
        self.executors: Mapping[str, ToolExecutor] = {tool.info.name: tool for tool in tools}
        """The name of a tool → what runs it."""
        self._undo = Undo(notebooks, texts, recorder, log=log)
        self._recorder = recorder
        self._base_url: str | None = settings.get("base_url")

    def links(self, turn_id: str) -> str:
        """See :meth:`~jupyter_ai_personas.tools.changes.ChangeBook.links`."""
        return changed_links(self._recorder.unlinked(turn_id), base_url=self._base_url)

    async def undo(self, chat_id: str, persona_id: str | None = None) -> UndoReport | None:
        """See :meth:`~jupyter_ai_personas.tools.changes.ChangeBook.undo`."""
        return await self._undo.latest(chat_id, persona_id)
