"""Follows the chat documents that jupyterlab-chat's chat manager opens."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio.lowlevel

__all__ = ["follow_documents"]

SESSION_EVENTS = "https://schema.jupyter.org/jupyter_collaboration/session/v1"

LOOP_ITERATIONS = 100
"""Iterations of the event loop to wait for the chat manager in the settings."""


async def follow_documents(
    settings: Mapping[str, Any],
    *,
    on_open: Callable[[Any], Awaitable[None]],
    on_room: Callable[[str, str], Awaitable[None]],
    log: logging.Logger,
) -> bool:
    """Report the documents that are open and those that are opened later.

    ``on_open`` gets a document, again for each client that connects. ``on_room`` gets the id of a
    document's room and what happened there, such as ``save`` or ``clean``. Returns whether there is
    a chat manager.
    """
    manager = await _find_chat_manager(settings, log)
    if manager is None:
        return False

    async def on_chat_event(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        # Ignore deletions: they concern the file, which may be back in a moment, while open tabs
        # keep the document. Its closing is an event of the room.
        if data.get("action") in ("opened", "client_connected"):
            document = manager.get(data.get("chat_id"))
            if document is not None:
                await on_open(document)

    async def on_session_event(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        await on_room(str(data.get("room")), str(data.get("action")))

    manager.observe_chats(on_chat_event)
    event_logger = settings.get("event_logger")
    if event_logger is not None:
        event_logger.add_listener(schema_id=SESSION_EVENTS, listener=on_session_event)
    for document in list(settings.get("chats_by_id", {}).values()):
        await on_open(document)
    return True


async def _find_chat_manager(settings: Mapping[str, Any], log: logging.Logger) -> Any:
    """Return the chat manager, or ``None``, which the log explains, if there is none."""
    for _ in range(LOOP_ITERATIONS):
        if (manager := settings.get("chat_manager")) is not None:
            return manager
        await anyio.lowlevel.checkpoint()
    log.warning(
        "jupyterlab-chat is not enabled, so there are no chats for personas to join. "
        "Run `pip install 'jupyter_ai_personas[lab]'` and restart the server."
    )
    return None
