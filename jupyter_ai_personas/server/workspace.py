"""The server's workspace: open documents, and files through the contents manager."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.services.contents.manager import AsyncContentsManager
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from jupyter_ai_personas.context import Hit, IndexStatus
from jupyter_ai_personas.context.access import SearchIndex
from jupyter_ai_personas.context.attached import Content
from jupyter_ai_personas.context.beside import Beside
from jupyter_ai_personas.context.local import (
    Texts,
    check_size,
    checked_path,
    confined_path,
    create_local,
    in_thread,
    notebook_content,
    shown_names,
    use_local,
)
from jupyter_ai_personas.context.parsing import decode_base64
from jupyter_ai_personas.errors import AttachmentError
from jupyter_ai_personas.server.live import LiveDocuments
from jupyter_ai_personas.server.searching import search_index

__all__ = ["Workspace"]

REMOTE_BYTES = 20_000_000
"""Maximum bytes of a file if contents are not files: it is read as a whole."""

T = TypeVar("T")


class Workspace:
    """Reads files below the server's root, never on the event loop.

    Open documents are read with unsaved changes, other files from the disk. This is the server's
    :class:`~jupyter_ai_personas.context.access.WorkspaceAccess`.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        root: str | Path | None,
        log: logging.Logger,
        index: SearchIndex | None = None,
    ) -> None:
        self._settings = settings
        self._index = index
        self._root = Path(root) if root is not None else None
        self._texts = Texts(self._root) if self._root is not None else None
        self.live = LiveDocuments(settings, log=log)

    @property
    def _manager(self) -> Any:
        return self._settings["contents_manager"]

    async def read(self, path: str, use: Callable[[Content], T]) -> T:
        """See :meth:`WorkspaceAccess.read`."""
        path = checked_path(path)
        if self._root is not None:
            # Also before an open document is read: a link may lead to a file that is secret-like.
            await in_thread(confined_path, self._root, path)
        content = await self._open(path)
        if content is not None:
            return await in_thread(use, content)
        try:
            return await self._saved(path, use)
        except HTTPError as error:
            reason = "there is no such file." if error.status_code == 404 else "it may not be read."
            raise AttachmentError(reason) from None
        except OSError as error:
            raise AttachmentError(f"{error.strerror or type(error).__name__}.") from None

    async def texts(self, paths: Sequence[str]) -> list[tuple[str, str]]:
        """See :meth:`WorkspaceAccess.texts`."""
        if self._texts is not None:
            return await self._texts.read(paths)
        found = []
        for path in paths:
            try:
                model = await _ask(self._manager, "get", path, type="file", format="text")
            except (HTTPError, OSError):
                continue  # as if it were not there
            found.append((path, str(model["content"])))
        return found

    async def search(self, query: str, limit: int) -> list[Hit]:
        """See :meth:`WorkspaceAccess.search`."""
        return await search_index(self._index, query, limit)

    async def search_status(self) -> str:
        """See :meth:`WorkspaceAccess.search_status`."""
        if self._index is None:
            return str(IndexStatus("off"))
        return str(await in_thread(self._index.status))

    async def beside(self, chat_path: str, person: str) -> Beside:
        """See :meth:`WorkspaceAccess.beside`."""
        return await self.live.beside(chat_path, person)

    async def create(self, path: str, text: str) -> None:
        """See :meth:`WorkspaceAccess.create`."""
        path = checked_path(path)
        manager = self._manager
        taken: Path | None = None
        try:
            if await _ask(manager, "is_hidden", path) and not manager.allow_hidden:
                raise AttachmentError("it is hidden, and the server shows no hidden files.")
            if isinstance(manager, FileContentsManager) and self._root is not None:
                # Taken before the manager writes it: of two who create it, one succeeds.
                taken = await anyio.to_thread.run_sync(create_local, self._root, path, "")
            elif await _ask(manager, "file_exists", path):
                raise FileExistsError(path)
            model = {"type": "file", "format": "text", "content": text}
            await _ask(manager, "save", model, path)
        except HTTPError:
            if taken is not None:
                await anyio.to_thread.run_sync(taken.unlink)
            raise AttachmentError("the server refuses to write it.") from None

    async def _open(self, path: str) -> Content | None:
        """Return the document at ``path`` as it is open, ``None`` if it is not."""
        if path.endswith(".ipynb"):
            notebook = await self.live.notebook(path)
            return None if notebook is None else Content(path, notebook=notebook, live=True)
        text = await self.live.text(path)
        return None if text is None else Content(path, text=text, live=True)

    async def _saved(self, path: str, use: Callable[[Content], T]) -> T:
        manager = self._manager
        # Models see no files that the server hides.
        if await _ask(manager, "is_hidden", path) and not manager.allow_hidden:
            raise AttachmentError("it is hidden, and the server shows no hidden files.")
        about = await _ask(manager, "get", path, content=False)
        if isinstance(manager, FileContentsManager) and self._root is not None:
            # Straight from the disk: the manager would read all of it, and decode it on the loop.
            return await in_thread(use_local, self._root, path, use)
        if about["type"] == "directory":
            model = await _ask(manager, "get", path, type="directory")
            names = shown_names(item["name"] for item in model["content"])
            return await in_thread(use, Content(path, names=names))
        check_size(about.get("size") or 0, REMOTE_BYTES)
        # Notebooks as well, in the form of their file: nothing needs to be validated.
        model = await _ask(manager, "get", path, type="file")
        return await in_thread(_use_model, path, model, use)


async def _ask(manager: Any, method: str, *args: Any, **options: Any) -> Any:
    """Call a method of a contents manager: in a thread, if it may block for long."""
    call = partial(getattr(manager, method), *args, **options)
    if isinstance(manager, AsyncContentsManager | FileContentsManager):
        return await ensure_async(call())
    return await anyio.to_thread.run_sync(call)


def _use_model(path: str, model: Mapping[str, Any], use: Callable[[Content], T]) -> T:
    text = model["content"]
    if model["format"] == "base64":
        data = decode_base64(text)
        return use(Content(path, file=io.BytesIO(data), size=len(data)))
    return use(
        notebook_content(path, text) if path.endswith(".ipynb") else Content(path, text=text)
    )
