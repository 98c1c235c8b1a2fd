"""Files below the server's root, read from the disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread

from jupyter_ai_personas.context.attached import Content
from jupyter_ai_personas.context.beside import Beside
from jupyter_ai_personas.context.bounds import shown_size
from jupyter_ai_personas.context.index import Hit
from jupyter_ai_personas.context.index_folder import IndexStatus
from jupyter_ai_personas.context.parsing import parse_notebook
from jupyter_ai_personas.context.privacy import confined, is_secret
from jupyter_ai_personas.context.stamps import Stamps
from jupyter_ai_personas.errors import AttachmentError, SearchOffError

__all__ = [
    "LocalWorkspace",
    "Texts",
    "check_size",
    "checked_path",
    "confined_path",
    "create_local",
    "in_thread",
    "notebook_content",
    "shown_names",
    "use_local",
]

NOTEBOOK_BYTES = 100_000_000
"""How large a notebook's file may be; it is parsed in memory."""

TEXT_CHARS = 1_000_000
"""How much of a file of instructions is read."""

KEPT_CHARS = 200_000
"""Characters of a folder's instructions up to which they are kept."""

KEPT_FOLDERS = 32
"""Folders of which instructions are kept."""

T = TypeVar("T")


class LocalWorkspace:
    """The workspace without a server: what is on the disk below ``root``.

    ``search`` finds passages in it; it is called in a thread.
    """

    def __init__(
        self, root: str | Path | None, *, search: Callable[[str, int], list[Hit]] | None = None
    ) -> None:
        self._root = Path(root) if root is not None else None
        self._texts = Texts(self._root) if self._root is not None else None
        self._search = search

    async def read(self, path: str, use: Callable[[Content], T]) -> T:
        """See :class:`~jupyter_ai_personas.context.access.WorkspaceAccess`."""
        path = checked_path(path)
        if self._root is None:
            raise AttachmentError("there is no root directory to read it from.")
        return await in_thread(use_local, self._root, path, use)

    async def texts(self, paths: Sequence[str]) -> list[tuple[str, str]]:
        """See :class:`~jupyter_ai_personas.context.access.WorkspaceAccess`."""
        return await self._texts.read(paths) if self._texts is not None else []

    async def search(self, query: str, limit: int) -> list[Hit]:
        """See :class:`~jupyter_ai_personas.context.access.WorkspaceAccess`."""
        if self._search is None:
            raise SearchOffError
        return await in_thread(self._search, query, limit)

    async def search_status(self) -> str:
        """See :meth:`WorkspaceAccess.search_status`."""
        return str(IndexStatus("off"))

    async def beside(self, chat_path: str, person: str) -> Beside:
        """Return nothing: without a server, nobody has anything open."""
        return Beside()

    async def create(self, path: str, text: str) -> None:
        """See :meth:`~jupyter_ai_personas.context.access.WorkspaceAccess.create`."""
        path = checked_path(path)
        if self._root is None:
            raise AttachmentError("there is no root directory to write it to.")
        await anyio.to_thread.run_sync(create_local, self._root, path, text)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run a read-only function in a thread; a cancelled caller does not wait for its end."""
    return await anyio.to_thread.run_sync(partial(function, *args), abandon_on_cancel=True)


def checked_path(path: str) -> str:
    """Return a path relative to the root if it may be read at all; ``.`` is the root itself.

    Raises:
        AttachmentError: it may not.
    """
    path = path.removeprefix("RTC:")
    if path == ".":
        return ""
    parts = path.replace("\\", "/").split("/")
    drive = re.match(r"[A-Za-z]:", path)
    if not path or not parts[0] or drive or ".." in parts or "\0" in path or len(path) > 4096:
        raise AttachmentError("it does not lie below the server's root directory.")
    if is_secret(path):
        raise AttachmentError("files of that name may hold secrets, and no model is given one.")
    return path.rstrip("/")


def confined_path(root: Path, path: str) -> Path:
    """Return where a checked path really is. Blocking.

    Raises:
        AttachmentError: a link leads to where nothing may be read.
    """
    real = confined(root, path)
    if real is None:
        raise AttachmentError(
            "it leads out of the server's root directory, or to a file that may hold secrets."
        )
    return real


def use_local(root: Path, path: str, use: Callable[[Content], T]) -> T:
    """Return what ``use`` makes of the file or folder at a checked path. Blocking.

    Raises:
        AttachmentError: it cannot be read.
    """
    real = confined_path(root, path)
    try:
        if real.is_dir():
            return use(Content(path, names=shown_names(item.name for item in real.iterdir())))
        if real.exists() and not real.is_file():
            # Opening a pipe would wait for its other end.
            raise AttachmentError("it is no ordinary file.")
        with real.open("rb") as file:
            size = real.stat().st_size
            if not path.endswith(".ipynb"):
                return use(Content(path, file=file, size=size))
            check_size(size, NOTEBOOK_BYTES)
            content = notebook_content(path, file.read().decode("utf-8", "replace"))
    except FileNotFoundError:
        raise AttachmentError("there is no such file.") from None
    except OSError as error:
        raise AttachmentError(f"{error.strerror or type(error).__name__}.") from None
    return use(content)


def notebook_content(path: str, text: str) -> Content:
    """Return the notebook in the text of a file.

    Raises:
        AttachmentError: it is none.
    """
    if not text.strip():
        return Content(path, notebook={"cells": []})
    try:
        return Content(path, notebook=parse_notebook(text))
    except ValueError as error:
        raise AttachmentError(f"it is no notebook that can be read: {error}.") from None


def shown_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names in a folder that may be shown, in order."""
    return tuple(sorted(n for n in names if not n.startswith(".") and not is_secret(n)))


def check_size(size: int, most: int) -> None:
    """Raise :class:`AttachmentError` if ``size`` bytes are more than ``most``."""
    if size > most:
        raise AttachmentError(f"it has {shown_size(size)}; the most is {shown_size(most)}.")


class Texts:
    """Reads files of text below ``root``, again only when they have changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[tuple[str, ...], tuple[Stamps, list[tuple[str, str]]]] = {}

    async def read(self, paths: Sequence[str]) -> list[tuple[str, str]]:
        """Return the beginning of those of ``paths`` that are text files, with their paths.

        Hidden ones as well: the caller asks for known names.
        """
        key = tuple(paths)
        known = self._known.pop(key, None)
        if known is None or not known[0].hold():
            known = await in_thread(self._read, key)
        if sum(len(text) for _, text in known[1]) <= KEPT_CHARS:
            self._known[key] = known
        while len(self._known) > KEPT_FOLDERS:
            del self._known[next(iter(self._known))]
        return known[1]

    def _read(self, paths: Sequence[str]) -> tuple[Stamps, list[tuple[str, str]]]:
        # Before reading: a change meanwhile shows at the next look.
        stamps = Stamps(self._root / path for path in paths)
        return stamps, _read_texts(self._root, paths)


def _read_texts(root: Path, paths: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for path in paths:
        real = confined(root, path)
        try:
            if real is not None and real.is_file():
                with real.open(encoding="utf-8", errors="replace") as file:
                    found.append((path, file.read(TEXT_CHARS)))
        except OSError:
            continue  # as if it were not there
    return found


def create_local(root: Path, path: str, text: str) -> Path:
    """Write a new file at a checked path, and return where it is. Blocking.

    Raises:
        FileExistsError: there is something at ``path``.
        AttachmentError: it cannot be written.
    """
    real = confined_path(root, path)
    try:
        with real.open("x", encoding="utf-8") as file:
            file.write(text)
        return real
    except FileExistsError:
        raise
    except OSError as error:
        raise AttachmentError(f"{error.strerror or type(error).__name__}.") from None
