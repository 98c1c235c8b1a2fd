"""Opens a session for each chat that is opened, and compares it with its file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_server.utils import ensure_async

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.runtime import Runtime, Session
from jupyter_ai_personas.server.open_documents import read_chat, save_document

if TYPE_CHECKING:
    from jupyter_ai_personas.chat import ChatEvent
    from jupyter_ai_personas.chat.document import DocumentChat
    from jupyter_ai_personas.chat.opened_file import OpenedFile

__all__ = ["ServedChats"]


class ServedChats:
    """Opens a :class:`Session` for each document that the chat manager opens, once.

    ``settings`` are those of the server's web application.
    """

    def __init__(
        self, runtime: Runtime, settings: Mapping[str, Any], *, log: logging.Logger
    ) -> None:
        self._runtime = runtime
        self._settings = settings
        self._log = log
        self._open: dict[int, tuple[Any, Session]] = {}

    async def saved(self, document: Any) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        opened = self._open.get(id(document))
        if opened is not None and (session := opened[1]).unsaved.ids:
            await self._compare_with_save(document.get_path(), session)

    async def file_deleted(self, path: str) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        await self._runtime.approvals.chat_deleted(path)

    def file_moved(self, source: str, path: str) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        self._runtime.approvals.chat_moved(source, path)
        self._runtime.chats_moved()

    async def _compare_with_save(self, path: str, session: Session) -> None:
        """Determine which unsaved messages the file contains now.

        A save event is no proof: the saved content may be older if the disk is slow, and a failed
        write is reported as saved too.
        """
        wanted = session.unsaved.ids
        try:
            file = await read_chat(self._settings, self._runtime.settings.root_dir, path)
            if file.chat is None or not file.content:
                return  # the next save has begun and writes it
            session.unsaved.saved(await asyncio.to_thread(file.chat.find, wanted))
        except Exception:
            # The ledger keeps it.
            self._log.exception("Chat %s could not be compared with what was saved of it", path)

    async def opened(
        self, chat: DocumentChat, events: list[ChatEvent], file: asyncio.Future[OpenedFile]
    ) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        document = chat.document
        session = self._runtime.open_chat(chat, file)
        session.replay(events)
        # Keep a reference, so that its identity is not reused.
        self._open[id(document)] = document, session
        document.set = partial(self._replace, document, document.set, session)
        self._log.debug("Personas joined chat %s", chat.path)
        await self._compare_with_file(chat, session, file)

    def _replace(
        self, document: Any, replace: Callable[[str], None], session: Session, content: str
    ) -> None:
        """Load the content of a file that another program has written into its document.

        The file lacks messages of people and personas since the last save.
        """
        chat_id = document.get_id()
        with session.replacing():
            replace(content)
            if not document.ymetadata.get("id"):
                document.set_id(chat_id)
            as_the_file = document.ydoc.get_state()
        if document.ydoc.get_state() != as_the_file:
            # The document counts as saved now; any change saves it again.
            asyncio.get_running_loop().call_soon(lambda: setattr(document, "dirty", document.dirty))

    async def _compare_with_file(
        self, chat: DocumentChat, session: Session, reading: asyncio.Future[OpenedFile]
    ) -> None:
        """Restore messages that were lost while the file was loaded, or back up an invalid file."""
        path = chat.path
        try:
            # The session awaits it too.
            file = await asyncio.shield(reading)
            if file.chat is None:
                await self._keep_what_is_no_chat(path, file.content, session)
            else:
                chat.restore_dropped(file.chat.messages)
                session.unsaved.note_missing(file.chat.message_ids)
        except Exception:
            self._log.exception("Chat %s could not be compared with its file", path)

    async def _keep_what_is_no_chat(self, path: str, content: str, session: Session) -> None:
        """Copy a file that is not JSON: the chat opens empty, and its first save overwrites it."""
        copy = f"{path}.invalid"
        model = {"type": "file", "format": "text", "content": content}
        await ensure_async(self._settings["contents_manager"].save(model, copy))
        self._log.warning("Chat %s is not JSON; its content is kept in %s", path, copy)
        session.scheduler.notify(
            f"The file of this chat could not be read, since it is not JSON. This chat begins "
            f"empty; what the file held is kept beside it, in {code(copy.rpartition('/')[2])}."
        )

    async def save(self) -> None:
        """Save the documents with known changes since their last save.

        The collaboration extension does not save when the server stops.
        """
        manager = self._settings["contents_manager"]
        for document, session in list(self._open.values()):
            if session.unsaved.ids:
                path = document.get_path()
                try:
                    await save_document(manager, document)
                except Exception:
                    # The ledger has the data and restores it when the chat is opened again.
                    self._log.exception("Chat %s could not be saved", path)
                else:
                    await self._compare_with_save(path, session)

    def closed(self, document: Any) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        if (opened := self._open.pop(id(document), None)) is not None:
            document.__dict__.pop("set", None)
            opened[1].detach()
