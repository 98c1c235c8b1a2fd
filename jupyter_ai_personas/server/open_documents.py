"""The chats that jupyterlab-chat's chat manager opens, from the server's start on.

What serves them is made after the server's first answer. Until then this notes what is opened, and
which messages it holds: what a client that reconnects brings by then is new, and is answered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

import anyio.lowlevel
from jupyter_server.utils import ensure_async

__all__ = ["ChatService", "OpenDocuments", "message_ids", "save_document"]

SESSION_EVENTS = "https://schema.jupyter.org/jupyter_collaboration/session/v1"
"""The events of jupyter-collaboration about rooms: saves among them."""

CONTENTS_EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
"""The events of jupyter_server about files."""

LOOP_ITERATIONS = 100
"""Iterations of the event loop to wait for the chat manager in the settings."""


class ChatService(Protocol):
    """Serves the chats that are opened."""

    async def opened(self, document: Any, held: AbstractSet[str] | None) -> None:
        """Serve a document, once.

        ``held`` are the ids of its messages when it was opened, if that was before this service.
        """

    async def session_event(self, room: Any, action: Any) -> None:
        """A room was saved (``save``), closed (``clean``), or else."""

    async def contents_event(self, data: Mapping[str, Any]) -> None:
        """A file was renamed or deleted, or else."""


class OpenDocuments:
    """Tells one :class:`ChatService` of the chats; ``wanted`` is called when the first opens."""

    def __init__(self, *, wanted: Callable[[], None], log: logging.Logger) -> None:
        self._wanted = wanted
        self._log = log
        self._manager: Any = None
        self._service: ChatService | None = None
        # By the identity of the document, until there is a service: what it held.
        self._noted: dict[int, tuple[Any, AbstractSet[str]]] = {}
        self._contents_events: list[Mapping[str, Any]] = []

    async def observe(self, settings: Mapping[str, Any]) -> None:
        """Begin with the chats that are open, and go on with those that are opened."""
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
        """Tell ``service`` of what was noted, and from now on of everything."""
        self._service = service
        while self._noted:
            key, (document, held) = next(iter(self._noted.items()))
            await service.opened(document, held)
            self._noted.pop(key, None)
        events, self._contents_events = self._contents_events, []
        for event in events:
            await service.contents_event(event)

    async def save(self, settings: Mapping[str, Any]) -> None:
        """Save the documents with new messages that nothing serves yet: the server stops."""
        for document, held in list(self._noted.values()):
            if message_ids(document) - held:
                try:
                    await save_document(settings["contents_manager"], document)
                except Exception:
                    self._log.exception("Chat %s could not be saved", document.get_path())

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

    async def _opened(self, document: Any) -> None:
        if id(document) in self._noted:
            return  # `serve` tells of it, with what it held
        if self._service is not None:
            await self._service.opened(document, None)
            return
        # With the document, so that its identity is not reused.
        self._noted[id(document)] = document, message_ids(document)
        self._wanted()

    async def _on_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        # `opened` comes once a client, and again when one reconnects.
        if data.get("action") in ("opened", "client_connected"):
            document = self._manager.get(data.get("chat_id"))
            if document is not None:
                await self._opened(document)
        # Ignore the manager's deletions: they concern the file, which may be back in a moment,
        # while open tabs keep the document. Its closing is a separate event.

    async def _on_session_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        action, room = data.get("action"), data.get("room")
        if self._service is not None:
            await self._service.session_event(room, action)
        elif action == "clean":
            for key, (document, _) in list(self._noted.items()):
                if document.room_id == room:
                    del self._noted[key]

    async def _on_contents_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if self._service is not None:
            await self._service.contents_event(data)
        elif data.get("action") in ("delete", "rename"):
            self._contents_events.append(dict(data))


def message_ids(document: Any) -> AbstractSet[str]:
    """Return the ids of the messages in a document; empty if it is not collaborative."""
    messages = getattr(document, "ymessages", ())
    return {
        id_ for raw in messages if hasattr(raw, "get") and isinstance(id_ := raw.get("id"), str)
    }


async def save_document(contents_manager: Any, document: Any) -> None:
    """Write a chat's file, as the collaboration extension does some time after a change.

    Raises whatever the contents manager raises, or the library for data of a client.
    """
    model = {"type": "file", "format": "text", "content": document.get()}
    await ensure_async(contents_manager.save(model, document.get_path()))
