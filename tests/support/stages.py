"""A chat with a person beside it, in memory: over a real `YChat`, and over its twin."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio.lowlevel
from pycrdt import Array, Awareness, Doc, Map, TransactionEvent

from jupyter_ai_personas.chat import Attachment, Chat, ChatEvent, MemoryChat, Message
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.chat.messages import decode_message
from jupyter_ai_personas.chat.shared_types import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("tests.stages")


async def settle() -> None:
    """Let what the library scheduled for the loop's next turns happen."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


class OtherClient:
    """The document of a browser, synchronised with the server's in memory.

    It writes what the stock front end writes. What is written in one `writing()` block reaches the
    server in one update when the block ends; meanwhile the client hears nothing, as one that is
    offline.
    """

    def __init__(self, server: Doc[Any]) -> None:
        self.server = server
        self.doc: Doc[Any] = Doc()
        self.messages: Array[Any] = self.doc.get("messages", type=Array)
        self.users: Map[Any] = self.doc.get("users", type=Map)
        self.attachments: Map[Any] = self.doc.get("attachments", type=Map)
        self.doc.apply_update(server.get_update())
        self._depth = 0
        self._subscription = server.observe(self._from_server)

    def _from_server(self, event: TransactionEvent) -> None:
        if self._depth == 0:
            self.doc.apply_update(event.update)

    def leave(self) -> None:
        """Hear nothing from now on."""
        self.server.unobserve(self._subscription)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep what is written in this block, then exchange everything with the server."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.server.apply_update(self.doc.get_update(self.server.get_state()))
                self.doc.apply_update(self.server.get_update(self.doc.get_state()))

    def entry(self, body: Any, *, sender: str = "ada", **fields: Any) -> dict[str, Any]:
        """A message as the browser writes it."""
        return {
            "body": body,
            "sender": sender,
            "id": str(uuid4()),
            "type": "msg",
            "raw_time": True,
            "time": time.time(),
            **fields,
        }

    def post(self, body: Any, *, at: int | None = None, **fields: Any) -> str:
        entry = self.entry(body, **fields)
        with self.writing():
            self.messages.insert(len(self.messages) if at is None else at, Map(entry))
        return str(entry["id"])

    def index(self, message_id: str) -> int:
        return next(
            i for i, m in enumerate(self.read()) if isinstance(m, dict) and m["id"] == message_id
        )

    def change(self, message_id: str, **fields: Any) -> None:
        """Set keys of a message's map, as an edit does."""
        map_ = self.messages[self.index(message_id)]
        with self.writing(), self.doc.transaction():
            for key, value in fields.items():
                map_[key] = value

    def read(self) -> list[Any]:
        """The messages as this client sees them."""
        return [plain(message) for message in self.messages]


class DocumentStage:
    """A real `YChat`, the chat of the server over it, and another client."""

    def __init__(self) -> None:
        from jupyterlab_chat.ychat import YChat

        doc: Doc[Any] = Doc()
        self.awareness = Awareness(doc)
        self.ychat = YChat(doc, self.awareness)
        self.ychat.initial_path = "room.chat"
        self.ychat.dirty = False
        self.ychat.create_id()
        self.other = OtherClient(doc)
        self.chat: Chat = DocumentChat(self.ychat, log=LOG)
        self.events: list[ChatEvent] = []

    def subscribe(self) -> None:
        self.chat.subscribe(self.events.append)

    def join(self, username: str, name: str = "", **fields: Any) -> None:
        with self.other.writing():
            self.other.users[username] = {
                "username": username,
                "name": name or username,
                "display_name": name or username,
                "bot": False,
                **fields,
            }

    def post(
        self,
        body: str,
        *,
        sender: str = "ada",
        mentions: Iterable[str] = (),
        attachments: Iterable[Attachment] = (),
    ) -> str:
        fields: dict[str, Any] = {}
        for attachment in attachments:
            with self.other.writing():
                self.other.attachments[attachment.id] = {
                    "value": attachment.path,
                    "type": attachment.type,
                    "mimetype": attachment.mimetype,
                }
            fields.setdefault("attachments", []).append(attachment.id)
        if mentions:
            fields["mentions"] = list(mentions)
        return self.other.post(body, sender=sender, **fields)

    def edit(self, message_id: str, body: str, *, mentions: Iterable[str] = ()) -> None:
        self.other.change(message_id, body=body, mentions=list(mentions), edited=True)

    def delete(self, message_id: str) -> None:
        self.other.change(message_id, deleted=True, body="")

    @property
    def seen(self) -> list[Message]:
        """The messages as the other client sees them."""
        return [m for raw in self.other.read() if (m := decode_message(raw)) is not None]

    @property
    def writing(self) -> dict[str, str]:
        """Who is shown as writing, with which text."""
        state = self.awareness.get_local_state() or {}
        return {w["user"]["username"]: w["typingIndicator"] for w in state.get("writers", [])}

    @property
    def turns(self) -> list[dict[str, str]]:
        """The turns that are announced as open."""
        state = self.awareness.get_local_state() or {}
        turns: list[dict[str, str]] = state.get("jupyter_ai_personas", {}).get("turns", [])
        return turns


class MemoryStage:
    """The in-memory twin, with what people do in it."""

    def __init__(self) -> None:
        self.memory = MemoryChat("room.chat")
        self.chat: Chat = self.memory
        self.events: list[ChatEvent] = []
        self.post = self.memory.post
        self.edit = self.memory.edit
        self.delete = self.memory.delete

    def subscribe(self) -> None:
        self.chat.subscribe(self.events.append)

    def join(self, username: str, name: str = "", **fields: Any) -> None:
        from jupyter_ai_personas.chat import User

        self.memory.users[username] = User(username, name or username, name or username)

    @property
    def seen(self) -> list[Message]:
        return self.memory.messages

    @property
    def writing(self) -> dict[str, str]:
        return self.memory.statuses

    @property
    def turns(self) -> list[dict[str, str]]:
        return [asdict(turn) for turn in self.memory.turns]


Stage = DocumentStage | MemoryStage
