"""Opens a session for each chat that is opened, and compares it with its file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.utils import ensure_async

from jupyter_ai_personas.chat.cut_off_saves import undo_cut_off_save
from jupyter_ai_personas.chat.file_format import ChatFile, add_missing, parse_chat
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.runtime import Runtime, Session
from jupyter_ai_personas.server.live import connections_to
from jupyter_ai_personas.server.open_documents import message_ids, save_document

if TYPE_CHECKING:
    from jupyter_ai_personas.chat.document import DocumentChat

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

    async def session_event(self, room: Any, action: Any) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        for key, (document, session) in list(self._open.items()):
            if document.room_id != room:
                continue
            if action == "save" and session.unsaved:
                await self._compare_with_save(document.get_path(), session)
            elif action == "clean":
                self._close(key)

    async def contents_event(self, data: Mapping[str, Any]) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        approvals, path = self._runtime.approvals, str(data.get("path") or "")
        if data.get("action") == "delete":
            await approvals.chat_deleted(path)
        elif data.get("action") == "rename":
            approvals.chat_moved(str(data.get("source_path") or ""), path)
            self._runtime.chats_moved()

    async def _compare_with_save(self, path: str, session: Session) -> None:
        """Determine which unsaved messages the file contains now.

        A save event is no proof: the saved content may be older if the disk is slow, and a failed
        write is reported as saved too.
        """
        wanted = session.unsaved
        try:
            content, saved = await self._read(path)
            if saved is None or not content:
                return  # the next save has begun and writes it
            session.document_saved(await asyncio.to_thread(saved.find, wanted))
        except Exception:
            # The ledger keeps it.
            self._log.exception("Chat %s could not be compared with what was saved of it", path)

    async def opened(self, document: Any, held: AbstractSet[str] | None) -> None:
        """See :class:`~jupyter_ai_personas.server.open_documents.ChatService`."""
        if id(document) in self._open:
            return
        if not hasattr(document, "ymessages"):
            self._log.warning(
                "Chat %s is not collaborative, so personas cannot join it. Run `pip install "
                "'jupyter_ai_personas[lab]'`, or enable real-time collaboration.",
                document.get_path(),
            )
            return
        from jupyter_ai_personas.chat.document import DocumentChat

        come = set() if held is None else message_ids(document) - held
        self._undo_cut_off_save(document)
        connections = partial(connections_to, self._settings, document)
        chat = DocumentChat(document, log=self._log, connections=connections)
        # Keep a reference, so that its identity is not reused.
        session = self._runtime.open_chat(chat)
        self._open[id(document)] = document, session
        document.set = partial(self._replace, document, document.set, session)
        self._log.debug("Personas joined chat %s", chat.path)
        await self._compare_with_file(chat, session, come)

    def _undo_cut_off_save(self, document: Any) -> None:
        """Restore the content of a chat that opened empty because a crash cut off its last save.

        Restore it before any answer: answered messages must be known.
        """
        root, path = self._runtime.settings.root_dir, document.get_path()
        if not root:
            return
        try:
            content = undo_cut_off_save(Path(root) / path.strip("/"))
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
        self, chat: DocumentChat, session: Session, come: AbstractSet[str]
    ) -> None:
        """Restore messages that were lost while the file was loaded, or back up an invalid file.

        The file's messages are old, the others of ``come`` are new.
        """
        path = chat.path
        try:
            content, saved = await self._read(path)
            if saved is None:
                await self._keep_what_is_no_chat(path, content, session)
            else:
                chat.restore_dropped(saved.messages)
                session.document_opened(saved.message_ids, come)
        except Exception:
            self._log.exception("Chat %s could not be compared with its file", path)

    async def _read(self, path: str) -> tuple[str, ChatFile | None]:
        """Return the text of a chat's file, and the chat in it, if any: see :func:`_chat_in`."""
        root = self._runtime.settings.root_dir
        # Read the disk directly if possible: the manager costs ten times as much.
        read = await asyncio.to_thread(_read, Path(root) / path.strip("/")) if root else None
        if read is not None:
            return read
        manager = self._settings["contents_manager"]
        model = await ensure_async(manager.get(path, type="file", format="text"))
        return model["content"], await asyncio.to_thread(_chat_in, model["content"])

    async def _keep_what_is_no_chat(self, path: str, content: str, session: Session) -> None:
        """Copy a file that is not JSON: the chat opens empty, and its first save overwrites it."""
        copy = f"{path}.invalid"
        model = {"type": "file", "format": "text", "content": content}
        await ensure_async(self._settings["contents_manager"].save(model, copy))
        self._log.warning("Chat %s is not JSON; its content is kept in %s", path, copy)
        session.notify(
            f"The file of this chat could not be read, since it is not JSON. This chat begins "
            f"empty; what the file held is kept beside it, in {code(copy.rpartition('/')[2])}."
        )

    async def save(self) -> None:
        """Save the documents with known changes since their last save.

        The collaboration extension does not save when the server stops.
        """
        manager = self._settings["contents_manager"]
        for document, session in list(self._open.values()):
            if session.unsaved:
                path = document.get_path()
                try:
                    await save_document(manager, document)
                except Exception:
                    # The ledger has the data and restores it when the chat is opened again.
                    self._log.exception("Chat %s could not be saved", path)
                else:
                    await self._compare_with_save(path, session)

    def _close(self, key: int) -> None:
        if key in self._open:
            document, session = self._open.pop(key)
            document.__dict__.pop("set", None)
            self._runtime.close_chat(session)


def _read(file: Path) -> tuple[str, ChatFile | None] | None:
    """Return the text of ``file`` and the chat in it, or ``None`` if it cannot be read."""
    try:
        content = file.read_bytes().decode()
    except (OSError, ValueError):
        return None
    return content, _chat_in(content)


def _chat_in(content: str) -> ChatFile | None:
    """Return the chat in a file's text; an empty file is an empty chat."""
    return parse_chat(content) if content.strip() else ChatFile()
