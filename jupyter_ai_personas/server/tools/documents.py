"""Notebooks that tools change: as they are open, else through the contents manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import anyio
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.errors import AttachmentError, ToolCallError
from jupyter_ai_personas.server.tools.cells import Cells, SavedCells, SharedCells
from jupyter_ai_personas.server.tools.paths import tool_path, unusable
from jupyter_ai_personas.server.workspace import Workspace

__all__ = ["Notebooks"]

LOADING_SECONDS = 10
"""How long to wait for a notebook that somebody is just opening."""

T = TypeVar("T")


class Notebooks:
    """The notebooks below the server's root, for tools."""

    def __init__(
        self, settings: Mapping[str, Any], *, root: Path | None, workspace: Workspace
    ) -> None:
        self._settings = settings
        self.root = root
        self.workspace = workspace
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def path(self, path: str) -> str:
        """Return the path of a notebook if tools may use it.

        Raises:
            ToolCallError: they may not.
        """
        path = await tool_path(path, self.root)
        if not path.endswith(".ipynb"):
            raise ToolCallError(
                f"{code(path[:200])} is no notebook: its name must end in `.ipynb`."
            )
        return path

    async def shared(self, path: str) -> SharedCells | None:
        """Return the cells of a notebook that is open, ``None`` if it is not."""
        with anyio.move_on_after(LOADING_SECONDS):
            while True:
                document = await self.workspace.live.document(path, "notebook", "json")
                if document is None:
                    return None
                if document.ydoc["meta"].get("nbformat") is not None:
                    return SharedCells(document)
                await anyio.sleep(0.05)
        raise ToolCallError(f"{code(path)} is still being opened. Try again.")

    async def look(self, path: str, use: Callable[[Cells], T]) -> T:
        """Return what ``use`` makes of the cells; it changes nothing."""
        cells = await self.shared(path) or SavedCells((await self._saved(path))["content"])
        return use(cells)

    async def change(self, path: str, change: Callable[[Cells], T]) -> T:
        """Return the result of ``change``, once its changes are written.

        Raises:
            ToolCallError: the notebook cannot be read or written; or what ``change`` raises.
        """
        lock = self._locks.setdefault(path, asyncio.Lock())
        async with lock:
            if (shared := await self.shared(path)) is not None:
                with shared.transaction():
                    return change(shared)
            model = await self._saved(path)
            result = change(SavedCells(model["content"]))
            if (shared := await self.shared(path)) is not None:
                # Somebody has opened it meanwhile.
                with shared.transaction():
                    return change(shared)
            about = await self._manager("get", path, content=False)
            if about["last_modified"] != model["last_modified"]:
                raise ToolCallError(f"{code(path)} was changed meanwhile. Read it again.")
            saved = {key: model[key] for key in ("type", "format", "content")}
            await self._manager("save", saved, path)
            return result

    async def _saved(self, path: str) -> dict[str, Any]:
        major = await self._major(path)
        model: dict[str, Any] = await self._manager("get", path, type="notebook")
        if major < 4:
            raise ToolCallError(
                f"{code(path)} is a notebook of an old format (nbformat {major}). Ask the person "
                "to open it in JupyterLab and save it; then try again."
            )
        return model

    async def _major(self, path: str) -> int:
        try:
            return await self.workspace.read(
                path, lambda content: int((content.notebook or {}).get("nbformat", 4))
            )
        except AttachmentError as error:
            raise unusable(path, error) from None

    async def _manager(self, method: str, *args: Any, **options: Any) -> Any:
        path = next(arg for arg in args if isinstance(arg, str))
        try:
            manager = self._settings["contents_manager"]
            return await ensure_async(getattr(manager, method)(*args, **options))
        except HTTPError as error:
            reason = {404: "there is no such file.", 403: "the server refuses it."}
            text = reason.get(error.status_code, error.log_message or "the server refuses it.")
            raise unusable(path, text) from None
        except OSError as error:
            raise unusable(path, f"{error.strerror or type(error).__name__}.") from None
