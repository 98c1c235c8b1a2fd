"""Open documents, read from their shared content without blocking the loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jupyter_ai_personas.context.beside import Beside, notebook_beside
from jupyter_ai_personas.server.cursors import cell_of_cursor, cursor_of
from jupyter_ai_personas.slices import Slices

__all__ = ["LiveDocuments", "cell_as_json", "connections_to", "read_notebook"]

EVERYWHERE = "JupyterLab:globalAwareness"
"""The shared document in which each JupyterLab announces its open documents."""

TRIES = 5
"""Maximum repetitions of reading a notebook whose cells move meanwhile."""


class LiveDocuments:
    """Read access to the documents that people have open."""

    def __init__(self, settings: Mapping[str, Any], *, log: logging.Logger) -> None:
        self._settings = settings
        self._log = log

    async def notebook(self, path: str) -> dict[str, Any] | None:
        """Return the notebook at ``path`` as it is open, or ``None`` if it is not open.

        Its cells have the ids that the editors use, also where its format keeps none.
        """
        document = await self.document(path, "notebook", "json")
        return None if document is None else await read_notebook(document)

    async def text(self, path: str) -> str | None:
        """Return the text at ``path`` as it is open in an editor, or ``None`` if it is not open."""
        document = await self.document(path, "file", "text")
        text = None if document is None else document.get()
        return text if isinstance(text, str) else None

    async def beside(self, chat_path: str, person: str) -> Beside:
        """Return the notebook that ``person``, a username, has open beside the chat.

        With the cell that our front end announces, else that of their cursor.
        """
        chat = await self.document(chat_path, "chat", "text")
        rooms = _rooms(self._settings)
        found = notebook_beside(
            person, here=_states(chat), everywhere=_states(rooms.get(EVERYWHERE))
        )
        if found.path is None or found.cell is not None:
            return found
        notebook = await self.document(found.path, "notebook", "json")
        cursor = cursor_of(_states(notebook), person)
        if cursor is None:
            return found
        return replace(found, cell=await cell_of_cursor(notebook, cursor))

    @property
    def _extension(self) -> Any:
        return self._settings.get("jupyter_server_ydoc")

    async def document(self, path: str, kind: str, format: str) -> Any:
        """Return the shared document at ``path``, or ``None`` if nobody has it open."""
        ids = self._settings.get("file_id_manager")
        if self._extension is None or ids is None:
            return None
        try:
            # A file that was never opened has no id, and is given none.
            id_ = ids.get_id(path)
            if id_ is None:
                return None
            return await self._extension.get_document(room_id=f"{format}:{kind}:{id_}", copy=False)
        except Exception:
            # The library's: the file is there still.
            self._log.exception("The open document %s could not be reached", path)
            return None


def connections_to(settings: Mapping[str, Any], document: Any) -> int:
    """Return how many clients are connected to the room of a document; 0 if there is no room."""
    return len(getattr(_rooms(settings).get(document.room_id), "clients", ()))


def _rooms(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    server = getattr(settings.get("jupyter_server_ydoc"), "ywebsocket_server", None)
    return getattr(server, "rooms", {})


def _states(shared: Any) -> list[Any]:
    """Return the awareness states of a document, if it is open."""
    awareness = getattr(shared, "awareness", None)
    return [] if awareness is None else list(awareness.states.values())


async def read_notebook(document: Any) -> dict[str, Any] | None:
    """Return a ``YNotebook`` as JSON, or ``None`` if it has not been loaded yet.

    In slices of time; one cell is read at once. It is read anew where cells came, went or
    moved meanwhile.
    """
    moved = False

    def on_change(event: Any) -> None:
        nonlocal moved
        moved = True

    cells = document.ycells
    subscription = cells.observe(on_change)
    try:
        for attempt in range(TRIES):
            moved = False
            found: list[dict[str, Any]] = []
            slices = Slices()
            while len(found) < len(cells):
                found.append(cell_as_json(cells[len(found)]))
                if slices.is_over:
                    await slices.hand_over()
                    if moved and attempt < TRIES - 1:
                        break
            else:
                break
    finally:
        cells.unobserve(subscription)
    meta = document.ydoc["meta"].to_py()
    if not meta or "nbformat" not in meta:
        return None
    return {
        "cells": found,
        "metadata": meta.get("metadata") or {},
        "nbformat": int(meta["nbformat"]),
        "nbformat_minor": int(meta.get("nbformat_minor", 0)),
    }


def cell_as_json(ycell: Any) -> dict[str, Any]:
    """Return a shared cell in the form of nbformat 4.5."""
    cell: dict[str, Any] = ycell.to_py()
    cell.pop("execution_state", None)
    # Browsers have floats only.
    if isinstance(cell.get("execution_count"), float):
        cell["execution_count"] = int(cell["execution_count"])
    return cell
