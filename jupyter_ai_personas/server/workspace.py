"""Files and folders for models: through the contents manager, never on the event loop."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.services.contents.manager import AsyncContentsManager
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from jupyter_ai_personas.context.attached import Content
from jupyter_ai_personas.context.bounds import shown_size
from jupyter_ai_personas.context.parsing import decode_base64, parse_notebook
from jupyter_ai_personas.context.privacy import confined, is_secret
from jupyter_ai_personas.errors import AttachmentError
from jupyter_ai_personas.server.live import LiveDocuments

__all__ = ["Workspace"]

NOTEBOOK_BYTES = 100_000_000
"""How large a notebook's file may be; it is parsed in memory."""

REMOTE_BYTES = 20_000_000
"""How large a file may be where contents are not files: it is read as a whole."""

T = TypeVar("T")


class Workspace:
    """Reads what lies below the server's root, for anybody who asks for it on behalf of a model.

    A document that is open is read as it is open, any other as it is saved.
    """

    def __init__(
        self, settings: Mapping[str, Any], *, root: str | Path | None, log: logging.Logger
    ) -> None:
        self._settings = settings
        self._root = Path(root) if root is not None else None
        self.live = LiveDocuments(settings, log=log)

    @property
    def _manager(self) -> Any:
        return self._settings["contents_manager"]

    async def read(self, path: str, use: Callable[[Content], T]) -> T:
        """Read ``path`` and return what ``use``, which runs in a thread, makes of it.

        The content's file is open until ``use`` returns.

        Raises:
            AttachmentError: it cannot be read; the message is the reason, without the path.
        """
        path = self._checked(path)
        content = await self._open(path)
        if content is not None:
            return await anyio.to_thread.run_sync(use, content)
        return await self._saved(path, use)

    async def _open(self, path: str) -> Content | None:
        """Return the document at ``path`` as it is open, ``None`` if it is not."""
        if path.endswith(".ipynb"):
            notebook = await self.live.notebook(path)
            return None if notebook is None else Content(path, notebook=notebook, live=True)
        text = await self.live.text(path)
        return None if text is None else Content(path, text=text, live=True)

    def _checked(self, path: str) -> str:
        """Return ``path`` if it may be read at all.

        Raises:
            AttachmentError: it may not.
        """
        path = path.removeprefix("RTC:")
        parts = path.replace("\\", "/").split("/")
        drive = re.match(r"[A-Za-z]:", path)
        if not path or not parts[0] or drive or ".." in parts or "\0" in path or len(path) > 4096:
            raise AttachmentError(
                "it does not lie below the server's root directory. Attach a file that does."
            )
        if is_secret(path):
            raise AttachmentError("files of that name may hold secrets, and no model is given one.")
        return path.rstrip("/")

    async def _saved(self, path: str, use: Callable[[Content], T]) -> T:
        manager = self._manager
        local = isinstance(manager, FileContentsManager) and self._root is not None
        try:
            # What the server shows nobody, no model sees either.
            hidden = await _ask(manager, "is_hidden", path)
            if hidden and not manager.allow_hidden:
                raise AttachmentError("it is hidden, and the server shows no hidden files.")
            about = await _ask(manager, "get", path, content=False)
            if local:
                # Straight from the disk: the manager would read all of it, and decode it on the
                # event loop.
                return await anyio.to_thread.run_sync(self._use_local, path, use)
            return await self._use_remote(path, about, use)
        except HTTPError as error:
            reason = "there is no such file." if error.status_code == 404 else "it may not be read."
            raise AttachmentError(reason) from None
        except OSError as error:
            raise AttachmentError(f"{error.strerror or type(error).__name__}.") from None

    def _use_local(self, path: str, use: Callable[[Content], T]) -> T:
        assert self._root is not None
        real = confined(self._root, path)
        if real is None:
            raise AttachmentError(
                "it leads out of the server's root directory, or to a file that may hold secrets."
            )
        if real.is_dir():
            return use(Content(path, names=_shown(item.name for item in real.iterdir())))
        if not real.is_file():
            # Opening a pipe would wait for its other end.
            raise AttachmentError("it is no ordinary file.")
        with real.open("rb") as file:
            size = real.stat().st_size
            if not path.endswith(".ipynb"):
                return use(Content(path, file=file, size=size))
            _check_size(size, NOTEBOOK_BYTES)
            text = file.read().decode("utf-8", "replace")
        return use(_notebook(path, text))

    async def _use_remote(
        self, path: str, about: Mapping[str, Any], use: Callable[[Content], T]
    ) -> T:
        if about["type"] == "directory":
            model = await _ask(self._manager, "get", path, type="directory")
            names = _shown(item["name"] for item in model["content"])
            return await anyio.to_thread.run_sync(use, Content(path, names=names))
        _check_size(about.get("size") or 0, REMOTE_BYTES)
        # Notebooks as well, in the form of their file: nothing needs to be validated.
        model = await _ask(self._manager, "get", path, type="file")
        return await anyio.to_thread.run_sync(_use_model, path, model, use)


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
    return use(_notebook(path, text) if path.endswith(".ipynb") else Content(path, text=text))


def _notebook(path: str, text: str) -> Content:
    if not text.strip():
        return Content(path, notebook={"cells": []})
    try:
        return Content(path, notebook=parse_notebook(text))
    except ValueError as error:
        raise AttachmentError(f"it is no notebook that can be read: {error}.") from None


def _shown(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names in a folder that may be shown, in order."""
    return tuple(sorted(n for n in names if not n.startswith(".") and not is_secret(n)))


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise AttachmentError(f"it has {shown_size(size)}; the most is {shown_size(most)}.")
