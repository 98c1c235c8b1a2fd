"""Lists folders of the server's root for tools, without hidden and secret-like names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.context.local import in_thread, shown_names
from jupyter_ai_personas.context.privacy import confined
from jupyter_ai_personas.context.reading import read_text
from jupyter_ai_personas.errors import AttachmentError, ToolCallError
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.server.tools.paths import tool_path, unusable
from jupyter_ai_personas.server.workspace import Workspace

__all__ = ["Folders"]

MAX_LISTED = 500
MAX_WALKED = 20_000
"""How many files are looked at below a folder."""

SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})


class Folders:
    """Lists what is below the server's root, and creates new files there."""

    def __init__(
        self, settings: Mapping[str, Any], *, root: Path | None, workspace: Workspace
    ) -> None:
        self._settings = settings
        self.root = root
        self._workspace = workspace

    async def listed(self, folder: str) -> dict[str, Any]:
        """Return ``{"files": [{"path", "type", "size"}]}`` of one folder."""
        folder = await tool_path(folder, self.root)
        if self.root is not None:
            found = await in_thread(_entries, self.root, folder)
        else:
            found = await self._remote(folder)
        return _bounded(found)

    async def below(self, folder: str, suffix: str) -> dict[str, Any]:
        """Return the files with ``suffix`` in a folder and below it, as :meth:`listed`."""
        folder = await tool_path(folder, self.root)
        if self.root is None:
            found = [one for one in await self._remote(folder) if one["path"].endswith(suffix)]
        else:
            found = await in_thread(_walked, self.root, folder, suffix)
        return _bounded(found)

    async def matching(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Return lines of files that contain all words of ``query``."""
        if self.root is None:
            raise ToolCallError("This server cannot search its files. List and read them instead.")
        return await in_thread(_matching, self.root, query, limit)

    async def create(self, path: str, text: str) -> None:
        """Write a new file.

        Raises:
            ToolCallError: there is something already, or it cannot be written.
        """
        try:
            await self._workspace.create(path, text)
        except FileExistsError:
            raise ToolCallError(
                f"There is something at {code(path)} already. Read it, or choose another name."
            ) from None
        except AttachmentError as error:
            raise unusable(path, error) from None

    async def _remote(self, folder: str) -> list[dict[str, Any]]:
        try:
            manager = self._settings["contents_manager"]
            model = await ensure_async(manager.get(folder, type="directory"))
        except HTTPError:
            raise unusable(folder, "there is no such folder.") from None
        items = {item["name"]: item for item in model["content"]}
        return [
            {
                "path": f"{folder}/{name}".lstrip("/"),
                "type": items[name].get("type", "file"),
                "size": items[name].get("size"),
            }
            for name in shown_names(items)
        ]


def _bounded(found: list[dict[str, Any]]) -> dict[str, Any]:
    if len(found) <= MAX_LISTED:
        return {"files": found}
    text = f"The first {MAX_LISTED} of {len(found):,} are listed. List a folder below."
    return {"files": found[:MAX_LISTED], "left_out": text}


def _entries(root: Path, folder: str) -> list[dict[str, Any]]:
    real = confined(root, folder)
    if real is None or not real.is_dir():
        raise unusable(folder or "/", "there is no such folder.")
    found = []
    for name in shown_names(entry.name for entry in real.iterdir()):
        path = f"{folder}/{name}".lstrip("/")
        target = confined(root, path)
        if target is None or not target.exists():
            continue
        kind = "directory" if target.is_dir() else "file"
        kind = "notebook" if kind == "file" and name.endswith(".ipynb") else kind
        size = target.stat().st_size if kind != "directory" else None
        found.append({"path": path, "type": kind, "size": size})
    return found


def _files(root: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """Yield paths below a folder, links left out, in order."""
    top = confined(root, folder)
    if top is None or not top.is_dir():
        raise unusable(folder or "/", "there is no such folder.")
    seen = 0
    for here, folders, names in os.walk(top):
        folders[:] = [name for name in shown_names(folders) if name not in SKIPPED]
        inside = PurePosixPath(folder) / Path(here).relative_to(top).as_posix()
        for name in shown_names(names):
            seen += 1
            if seen > MAX_WALKED:
                return
            file = Path(here) / name
            if not file.is_symlink() and file.is_file():
                yield (inside / name).as_posix().removeprefix("./"), file


def _walked(root: Path, folder: str, suffix: str) -> list[dict[str, Any]]:
    return [
        {"path": path, "type": "notebook", "size": file.stat().st_size}
        for path, file in _files(root, folder)
        if file.name.endswith(suffix)
    ]


def _matching(root: Path, query: str, limit: int) -> list[dict[str, Any]]:
    words = query.casefold().split()
    found: list[dict[str, Any]] = []
    for path, file in _files(root, ""):
        try:
            text = read_text(file) or ""
        except OSError:
            continue  # as if it were not there
        if not all(word in text.casefold() for word in words):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if any(word in line.casefold() for word in words):
                found.append({"path": path, "line": number, "text": redact(line.strip()[:400])})
                break
        if len(found) >= limit:
            break
    return found
