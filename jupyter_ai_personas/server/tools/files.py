"""The toolset ``workspace``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import anyio
import anyio.to_thread

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.chat.messages import Attachment
from jupyter_ai_personas.context.access import SearchIndex
from jupyter_ai_personas.context.attached import Content, render_attachment
from jupyter_ai_personas.context.bounds import ContextLimits
from jupyter_ai_personas.context.privacy import holds_private_key
from jupyter_ai_personas.context.texts import decode
from jupyter_ai_personas.errors import AttachmentError, SearchUnavailableError, ToolCallError
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.server.tools.executor import Recorder, Tool
from jupyter_ai_personas.server.tools.folders import Folders
from jupyter_ai_personas.server.tools.operations import replaced
from jupyter_ai_personas.server.tools.paths import tool_path, unusable
from jupyter_ai_personas.server.tools.texts import PRIVATE_KEY, Texts
from jupyter_ai_personas.server.workspace import Workspace
from jupyter_ai_personas.tools import CallContext, Preview
from jupyter_ai_personas.tools.changes import Change
from jupyter_ai_personas.tools.differences import unified_diff

__all__ = ["FileTools"]

MAX_CHARS = 60_000
"""Characters of a file that one call reads."""

MAX_BYTES = 50_000_000
"""How much of a text file is read to number its lines."""

MAX_KEPT = 1_000_000
"""Characters of a file's old text that are kept, so that the change can be taken back."""


class FileTools:
    """``workspace.list``, ``read_file``, ``search``, ``write_file`` and ``edit_file``."""

    def __init__(
        self,
        workspace: Workspace,
        folders: Folders,
        texts: Texts,
        recorder: Recorder,
        *,
        index: Callable[[], SearchIndex | None],
    ) -> None:
        self._workspace = workspace
        self._folders = folders
        self._texts = texts
        self._recorder = recorder
        self._index = index

    def tools(self) -> list[Tool]:
        """Return what runs each tool."""
        return [
            Tool("workspace.list", self._list, _about("folder")),
            Tool("workspace.read_file", self._read, _about("path")),
            Tool("workspace.search", self._search, _about("query")),
            Tool("workspace.write_file", self._write, self._about_write),
            Tool("workspace.edit_file", self._edit, self._about_edit),
        ]

    async def _list(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return await self._folders.listed(arguments["folder"])

    async def _read(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        path = await tool_path(arguments["path"], self._folders.root)
        if path.endswith(".ipynb"):
            raise ToolCallError(f"{code(path)} is a notebook. Read it with `notebook.read`.")

        def use(content: Content) -> dict[str, Any]:
            return read_lines(content, arguments["start"], arguments["lines"])

        try:
            return await self._workspace.read(path, use)
        except AttachmentError as error:
            raise unusable(path, error) from None

    async def _search(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        query, limit = arguments["query"], arguments["limit"]
        if not query.strip():
            raise ToolCallError("Give `workspace.search` a `query` of one word or more.")
        index = self._index()
        if index is not None:
            try:
                hits = await anyio.to_thread.run_sync(index.search, query, limit)
                return {"files": [asdict(hit) for hit in hits]}
            except SearchUnavailableError:
                pass  # it is being built: the files themselves are searched
        return {"files": await self._folders.matching(query, limit)}

    async def _write(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return await self._change(context, arguments, _written)

    async def _edit(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return await self._change(context, arguments, _edited)

    async def _change(
        self,
        context: CallContext,
        arguments: Mapping[str, Any],
        change: Callable[[str, str | None, Mapping[str, Any]], str],
    ) -> dict[str, Any]:
        path = await self._texts.path(arguments["path"])
        # Shielded, so that each change is recorded.
        with anyio.CancelScope(shield=True):
            old, new = await self._texts.change(path, lambda text: change(path, text, arguments))
            if len(old or "") <= MAX_KEPT:
                before = None if old is None else {"text": old}
                noted = Change(kind="file", path=path, before=before, after={"text": new})
                await self._recorder.note(context, noted)
        return {"path": path}

    async def _about_write(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        covers = ("path", "content", "expected")
        return await self._about_change(arguments, _written, covers)

    async def _about_edit(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        return await self._about_change(arguments, _edited, ("path", "old", "new"))

    async def _about_change(
        self,
        arguments: Mapping[str, Any],
        change: Callable[[str, str | None, Mapping[str, Any]], str],
        covers: tuple[str, ...],
    ) -> Preview:
        path = await self._texts.path(arguments["path"])
        old = await self._texts.read(path)
        new = change(path, old, arguments)
        note = "The file is new." if old is None else ""
        return Preview(
            target=path, diff=unified_diff(old or "", new, path), note=note, covers=covers
        )


def _about(name: str) -> Callable[[CallContext, Mapping[str, Any]], Any]:
    async def preview(context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        return Preview(target=arguments[name] or "the server's root", covers=(name,))

    return preview


def _written(path: str, text: str | None, arguments: Mapping[str, Any]) -> str:
    expected = arguments["expected"]
    if text != expected:
        shown = None if text is None else redact(text)
        if text is not None and shown == expected:
            raise ToolCallError(
                f"{code(path)} contains a secret, which you are not shown. Change other parts of "
                "it with `workspace.edit_file`, or ask the person to change it."
            )
        how = "There is no such file" if text is None else "That is not what the file contains"
        raise ToolCallError(
            f"{how}: {code(path)}. Nothing was written. Look at `current` and decide anew; "
            "`expected` is null for a file that must not exist.",
            current=None if shown is None else shown[:MAX_CHARS],
        )
    return str(arguments["content"])


def _edited(path: str, text: str | None, arguments: Mapping[str, Any]) -> str:
    if text is None:
        raise ToolCallError(f"There is no file {code(path)}. Write it with `workspace.write_file`.")
    try:
        return replaced(text, arguments["old"], arguments["new"], code(path))
    except ToolCallError as error:
        facts = {key: value[:MAX_CHARS] for key, value in error.facts.items()}
        raise ToolCallError(str(error), **facts) from None


def read_lines(content: Content, start: int, lines: int) -> dict[str, Any]:
    """Return lines of a text file; of another file, what a model is given of it.

    May take long: call it in a thread.

    Raises:
        AttachmentError: it cannot be read as text.
    """
    if content.names is not None:
        raise AttachmentError("it is a folder; list it with `workspace.list`.")
    text = content.text
    if text is None and content.file is not None:
        data = content.file.read(MAX_BYTES + 1)
        found = None if len(data) > MAX_BYTES else decode(data)
        content.file.seek(0)
        text = None if found is None else found[0]
    if text is None or content.path.casefold().endswith(".pdf"):
        part = render_attachment(content, Attachment("", content.path, "file"), limits=_LIMITS)
        if part.problem:
            raise AttachmentError(part.problem)
        count = part.text.count("\n") + 1
        return {"text": part.text, "start": 1, "lines": count, "total": count}
    if holds_private_key(text):
        raise AttachmentError(PRIVATE_KEY)
    every = text.splitlines(keepends=True)
    kept: list[str] = []
    room = MAX_CHARS
    for line in every[start - 1 : start - 1 + lines]:
        room -= len(line)
        if room < 0 and kept:
            break
        kept.append(line[:MAX_CHARS])
    return {
        "text": redact("".join(kept)),
        "start": start,
        "lines": len(kept),
        "total": len(every),
    }


_LIMITS = ContextLimits()
