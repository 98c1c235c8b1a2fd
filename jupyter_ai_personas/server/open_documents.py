"""The chats that jupyterlab-chat's chat manager opens, from the server's start on.

Each is observed as soon as it is opened, because what a client brings right after that must be
handled and put in its place. What serves the chats is made after the server's first answer, and
gets the events since then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import anyio.lowlevel
from jupyter_server.utils import ensure_async

if TYPE_CHECKING:
    from jupyter_ai_personas.chat import ChatEvent
    from jupyter_ai_personas.chat.document import DocumentChat
    from jupyter_ai_personas.chat.opened_file import OpenedFile

    _Opened: TypeAlias = tuple[DocumentChat, list[ChatEvent], asyncio.Future[OpenedFile]]

__all__ = ["ChatService", "OpenDocuments", "read_chat", "save_document"]

SESSION_EVENTS = "https://schema.jupyter.org/jupyter_collaboration/session/v1"
"""The events of jupyter-collaboration about rooms: saves among them."""

CONTENTS_EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
"""The events of jupyter_server about files."""

LOOP_ITERATIONS = 100
"""Iterations of the event loop to wait for the chat manager in the settings."""


class ChatService(Protocol):
    """Serves the chats that are opened."""

    async def opened(
        self, chat: DocumentChat, events: list[ChatEvent], file: asyncio.Future[OpenedFile]
    ) -> None:
        """Serve a chat: subscribe to it, and handle the ``events`` since it was opened.

        ``file`` is its file as it was opened; it raises whatever the contents manager raises.
        """

    async def saved(self, document: Any) -> None:
        """Note that the document of an opened chat was saved."""

    def closed(self, document: Any) -> None:
        """End what was begun for the document of an opened chat."""

    async def file_deleted(self, path: str) -> None:
        """Note that a file was deleted."""

    def file_moved(self, source: str, path: str) -> None:
        """Note that a file was moved from ``source`` to ``path``."""


class OpenDocuments:
    """Tells one :class:`ChatService` of the chats.

    ``root`` is the folder of the chats, if they are files. ``wanted`` is called when one opens.
    """

    def __init__(
        self, *, root: str | None, wanted: Callable[[], None], log: logging.Logger
    ) -> None:
        self._root = root
        self._wanted = wanted
        self._log = log
        self._settings: Mapping[str, Any] = {}
        self._manager: Any = None
        self._service: ChatService | None = None
        self._open: dict[int, Any] = {}
        """The observed documents by their identity."""
        self._waiting: dict[
            int, tuple[DocumentChat, list[ChatEvent], asyncio.Future[OpenedFile]]
        ] = {}
        """Those that nothing serves yet, with their files and the events since they were opened."""
        self._moved: list[tuple[str, str]] = []
        self._deleted: list[str] = []

    async def observe(self, settings: Mapping[str, Any]) -> None:
        """Begin with the chats that are open, and go on with those that are opened.

        ``settings`` are those of the server's web application.
        """
        self._settings = settings
        self._manager = await self._find_manager(settings)
        if self._manager is None:
            return
        self._manager.observe_chats(self._on_event)
        event_logger = settings.get("event_logger")
        if event_logger is not None:
            event_logger.add_listener(schema_id=SESSION_EVENTS, listener=self._on_session_event)
            event_logger.add_listener(schema_id=CONTENTS_EVENTS, listener=self._on_contents_event)
        for document in list(settings.get("chats_by_id", {}).values()):
            await self._opened(document)

    async def serve(self, service: ChatService) -> None:
        """Tell ``service`` of what was opened, and from now on of everything."""
        self._service = service
        while self._waiting:
            await service.opened(*self._waiting.pop(next(iter(self._waiting))))
        for path in self._deleted:
            await service.file_deleted(path)
        for source, path in self._moved:
            service.file_moved(source, path)

    async def save(self) -> None:
        """Save the documents that have changed and that nothing serves yet: the server stops."""
        for chat, events, _ in self._waiting.values():
            if events:
                try:
                    await save_document(self._settings["contents_manager"], chat.document)
                except Exception:
                    self._log.exception("Chat %s could not be saved", chat.path)

    async def _find_manager(self, settings: Mapping[str, Any]) -> Any:
        for _ in range(LOOP_ITERATIONS):
            if (manager := settings.get("chat_manager")) is not None:
                return manager
            await anyio.lowlevel.checkpoint()
        self._log.warning(
            "jupyterlab-chat is not enabled, so there are no chats for personas to join. "
            "Run `pip install 'jupyter_ai_personas[lab]'` and restart the server."
        )
        return None

    async def _on_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        # `opened` comes once a client, and again when one reconnects.
        if data.get("action") in ("opened", "client_connected"):
            document = self._manager.get(data.get("chat_id"))
            if document is not None:
                await self._opened(document)
        # Ignore the manager's deletions: they concern the file, which may be back in a moment,
        # while open tabs keep the document. Its closing is a separate event.

    async def _opened(self, document: Any) -> None:
        if id(document) in self._open:
            return
        if not hasattr(document, "ymessages"):
            self._log.warning(
                "Chat %s is not collaborative, so personas cannot join it. Run `pip install "
                "'jupyter_ai_personas[lab]'`, or enable real-time collaboration.",
                document.get_path(),
            )
            return
        # Keep a reference, so that its identity is not reused.
        self._open[id(document)] = document
        self._wanted()
        # No chat may open for a long time, and these take a while to import.
        from jupyter_ai_personas.chat.document import DocumentChat
        from jupyter_ai_personas.server.live import connections_to

        self._undo_cut_off_save(document)
        connections = partial(connections_to, self._settings, document)
        chat = DocumentChat(document, log=self._log, connections=connections)
        # A save overwrites the file in a second, and nothing may serve the chat by then.
        read = read_chat(self._settings, self._root, document.get_path())
        reading = asyncio.ensure_future(read)
        # Nobody may ask for it.
        reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._service is not None:
            await self._service.opened(chat, [], reading)
            return
        events: list[ChatEvent] = []
        # A chat gets its id when it is first asked for, and an observer must not write.
        assert chat.id
        chat.subscribe(events.append)
        self._waiting[id(document)] = chat, events, reading

    def _undo_cut_off_save(self, document: Any) -> None:
        """Restore the content of a chat that opened empty because a crash cut off its last save.

        Restore it before any answer: answered messages must be known.
        """
        from jupyter_ai_personas.chat.cut_off_saves import undo_cut_off_save
        from jupyter_ai_personas.chat.file_format import add_missing

        path = document.get_path()
        if not self._root:
            return
        try:
            content = undo_cut_off_save(Path(self._root) / path.strip("/"))
            if content is None:
                return
            self._log.warning("A crash cut off the last save of chat %s; it is undone", path)
            chats, id_ = self._settings.get("chats_by_id", {}), document.get_id()
            add_missing(document, content)
            if chats.get(id_) is document:
                # The chat manager looks for it by its id, which has changed.
                chats[document.get_id()] = chats.pop(id_)
        except OSError:
            self._log.exception("The last save of chat %s could not be looked at", path)

    async def _on_session_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        action, room = data.get("action"), data.get("room")
        for key, document in list(self._open.items()):
            if document.room_id != room:
                continue
            if action == "clean":
                del self._open[key]
                if key in self._waiting:
                    self._waiting.pop(key)[0].close()
                elif self._service is not None:
                    self._service.closed(document)
            elif action == "save" and self._service is not None:
                await self._service.saved(document)

    async def _on_contents_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        action, path = data.get("action"), str(data.get("path") or "")
        if action == "delete":
            if self._service is not None:
                await self._service.file_deleted(path)
            else:
                self._deleted.append(path)
        elif action == "rename":
            source = str(data.get("source_path") or "")
            if self._service is not None:
                self._service.file_moved(source, path)
            else:
                self._moved.append((source, path))


async def read_chat(settings: Mapping[str, Any], root: str | None, path: str) -> OpenedFile:
    """Read a chat's file.

    ``root`` is the folder of the chats, if they are files. Raises whatever the contents manager
    raises.
    """
    from jupyter_ai_personas.chat.opened_file import OpenedFile, read_chat_file

    if root:
        # Read the disk directly if possible: the manager costs ten times as much.
        with suppress(OSError, ValueError):
            return await asyncio.to_thread(read_chat_file, Path(root) / path.strip("/"))
    manager = settings["contents_manager"]
    model = await ensure_async(manager.get(path, type="file", format="text"))
    return await asyncio.to_thread(OpenedFile.of, model["content"])


async def save_document(contents_manager: Any, document: Any) -> None:
    """Write a chat's file, as the collaboration extension does some time after a change.

    Raises whatever the contents manager raises, or the library for data of a client.
    """
    model = {"type": "file", "format": "text", "content": document.get()}
    await ensure_async(contents_manager.save(model, document.get_path()))
