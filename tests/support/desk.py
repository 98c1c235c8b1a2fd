"""Built-in tools on real files and real shared documents, without a server process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_ydoc import YNotebook, YUnicode

from jupyter_ai_personas.runtime import MemoryLedger
from jupyter_ai_personas.server.tools import BuiltinTools
from jupyter_ai_personas.server.tools.executor import Recorder
from jupyter_ai_personas.server.workspace import Workspace
from jupyter_ai_personas.tools import CallContext, Preview, ToolSettings

LOG = logging.getLogger("test")


class Rooms:
    """The open documents of a server: what the collaboration extension and the ids offer."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}

    def get_id(self, path: str) -> str:
        return path

    async def get_document(self, *, room_id: str, copy: bool) -> Any:
        return self.documents.get(room_id)

    def open_notebook(self, path: str, notebook: Mapping[str, Any]) -> YNotebook:
        document = self.documents[f"json:notebook:{path}"] = YNotebook()
        document.set(dict(notebook))
        return document

    def open_text(self, path: str, text: str) -> YUnicode:
        document = self.documents[f"text:file:{path}"] = YUnicode()
        document.set(text)
        return document


def notebook_of(*sources: str, minor: int = 5) -> dict[str, Any]:
    """A notebook with code cells ``c0``, ``c1`` and so on."""
    notebook = nbformat.v4.new_notebook(nbformat_minor=minor)
    for number, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source, id=f"c{number}")
        if minor < 5:
            del cell["id"]
        notebook.cells.append(cell)
    return dict(notebook)


class Desk:
    """A server's root, its open documents, and calls of built-in tools by one turn."""

    def __init__(self, root: Path, **bounds: Any) -> None:
        self.root = root
        self.rooms = Rooms()
        self.manager = AsyncLargeFileManager(root_dir=str(root))
        self.settings: dict[str, Any] = {
            "base_url": "/",
            "contents_manager": self.manager,
            "kernel_spec_manager": KernelSpecManager(),
            "jupyter_server_ydoc": self.rooms,
            "file_id_manager": self.rooms,
        }
        workspace = Workspace(self.settings, root=root, log=LOG)
        self._ledger = MemoryLedger()
        self.changes = Recorder(self._ledger)
        self.shown: asyncio.Queue[str] = asyncio.Queue()
        """What people are shown of the calls."""
        self.tools = BuiltinTools(
            self.settings,
            root=root,
            workspace=workspace,
            ledger=self._ledger,
            log=LOG,
            bounds=ToolSettings(**bounds),
        )

    async def begin(self) -> Desk:
        """Begin to record changes."""
        await self._ledger.open()
        return self

    def context(self, turn: str = "t1", persona: str = "guide") -> CallContext:
        return CallContext(
            turn_id=turn,
            call_id="1-1",
            persona_id=f"jupyter-ai-personas::x::{persona}",
            persona_name=persona,
            chat_id="chat",
            chat_path="a.chat",
            person="ada",
            show=self.shown.put_nowait,
        )

    async def call(self, tool: str, turn: str = "t1", **arguments: Any) -> dict[str, Any]:
        result = await self.tools.executors[tool].run(self.context(turn), arguments)
        return dict(result)

    async def preview(self, tool: str, **arguments: Any) -> Preview:
        return await self.tools.executors[tool].preview(self.context(), arguments)

    def save(self, path: str, *sources: str, minor: int = 5) -> None:
        nbformat.write(nbformat.from_dict(notebook_of(*sources, minor=minor)), self.root / path)

    def open(self, path: str, *sources: str, minor: int = 5) -> YNotebook:
        """Save a notebook and open it."""
        self.save(path, *sources, minor=minor)
        return self.rooms.open_notebook(path, notebook_of(*sources, minor=minor))


async def seen(document: Any, condition: Callable[[], Any]) -> None:
    """Return once ``condition``, tried at each change of a shared document, holds."""
    changed = asyncio.Event()
    subscription = document.ydoc.observe(lambda event: changed.set())
    try:
        async with asyncio.timeout(60):
            while not condition():
                await changed.wait()
                changed.clear()
    finally:
        document.ydoc.unobserve(subscription)
