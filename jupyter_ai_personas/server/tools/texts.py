"""Text files that tools change: as they are open, else through the contents manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.context.attached import Content
from jupyter_ai_personas.context.privacy import holds_private_key
from jupyter_ai_personas.errors import AttachmentError, ToolCallError
from jupyter_ai_personas.server.tools.cells import splice
from jupyter_ai_personas.server.tools.paths import tool_path, unusable
from jupyter_ai_personas.server.workspace import Workspace

__all__ = ["Texts"]

MAX_BYTES = 2_000_000
"""How large a text file may be that a tool changes."""

PRIVATE_KEY = "it contains a private key, and personas neither read nor write such files."


class Texts:
    """The text files below the server's root, for tools that write."""

    def __init__(
        self, settings: Mapping[str, Any], *, root: Path | None, workspace: Workspace
    ) -> None:
        self._settings = settings
        self._root = root
        self._workspace = workspace
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def path(self, path: str) -> str:
        """Return the path of a file if tools may write it.

        Raises:
            ToolCallError: they may not.
        """
        path = await tool_path(path, self._root)
        if path.endswith(".ipynb"):
            raise ToolCallError(f"{code(path)} is a notebook. Use the `notebook` tools.")
        if path.endswith(".chat"):
            raise ToolCallError(f"{code(path)} is a chat; only messages are written into it.")
        if not path:
            raise ToolCallError("Give the path of a file.")
        return path

    async def read(self, path: str) -> str | None:
        """Return the whole text of a file, ``None`` if there is none.

        Raises:
            ToolCallError: it is no text, too large, or private.
        """
        if (document := await self._shared(path)) is not None:
            text: str | None = str(document.get())
        else:
            try:
                text = await self._workspace.read(path, _text)
            except AttachmentError as error:
                if await self._exists(path):
                    raise unusable(path, error) from None
                return None
        if text is not None and holds_private_key(text):
            raise unusable(path, PRIVATE_KEY)
        return text

    async def change(
        self, path: str, change: Callable[[str | None], str | None]
    ) -> tuple[str | None, str | None]:
        """Write what ``change`` makes of the text (``None``: no file); return both.

        Raises:
            ToolCallError: it cannot be read or written; or what ``change`` raises.
        """
        lock = self._locks.setdefault(path, asyncio.Lock())
        async with lock:
            old = await self.read(path)
            document = await self._shared(path)
            if document is not None:
                # From here on nobody's change can come between.
                old = str(document.get())
                new = _checked(path, change(old))
                if new is None:
                    raise unusable(path, "somebody has it open, so it is not deleted.")
                with document.ydoc.transaction():
                    splice(document.ydoc["source"], new)
                return old, new
            new = _checked(path, change(old))
            if old is None and new is not None:
                await self._create(path, new)
            elif new is None:
                if old is not None:
                    await self._manager("delete", path)
            else:
                about = {"type": "file", "format": "text", "content": new}
                await self._manager("save", about, path)
            return old, new

    async def _create(self, path: str, text: str) -> None:
        try:
            await self._workspace.create(path, text)
        except FileExistsError:
            raise ToolCallError(f"Somebody has just created {code(path)}. Read it.") from None
        except AttachmentError as error:
            raise unusable(path, f"{error} Its folder must exist.") from None

    async def _shared(self, path: str) -> Any:
        return await self._workspace.live.document(path, "file", "text")

    async def _exists(self, path: str) -> bool:
        manager = self._settings["contents_manager"]
        return bool(
            await ensure_async(manager.file_exists(path))
            or await ensure_async(manager.dir_exists(path))
        )

    async def _manager(self, method: str, *args: Any) -> None:
        path = next(arg for arg in args if isinstance(arg, str))
        try:
            await ensure_async(getattr(self._settings["contents_manager"], method)(*args))
        except HTTPError as error:
            raise unusable(path, error.log_message or "the server refuses it.") from None
        except OSError as error:
            raise unusable(path, f"{error.strerror or type(error).__name__}.") from None


def _checked(path: str, text: str | None) -> str | None:
    if text is not None and holds_private_key(text):
        raise unusable(path, PRIVATE_KEY)
    return text


def _text(content: Content) -> str:
    if content.text is not None:
        return content.text
    if content.file is None:
        raise AttachmentError("it is a folder.")
    data = content.file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise AttachmentError(f"it has more than {MAX_BYTES:,} bytes.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise AttachmentError("it is no text in UTF-8.") from None
    if "\0" in text:
        raise AttachmentError("it is no text.")
    return text
