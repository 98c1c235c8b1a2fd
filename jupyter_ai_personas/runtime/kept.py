"""What people wrote since the chat's document was saved, kept in the ledger until it is.

A crash takes it from the document, and from every open tab as well: the server's update store
knows it, and the stale file that wins over the store deletes it everywhere. So each message that
a person posts, edits or deletes, and that is no turn's already, is a row of the ledger with
nobody's persona id, until a save.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Set
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jupyter_ai_personas.chat import (
    RECENT,
    ChatEvent,
    Message,
    MessageDeleted,
    MessagePosted,
    Restore,
    decode_message,
    encode_message,
)
from jupyter_ai_personas.chat.messages import content_of
from jupyter_ai_personas.runtime.ledger import LedgerRow, RowState

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime.chat_runtime import ChatRuntime

__all__ = ["NOBODY", "KeptMessages"]

NOBODY = ""
"""The persona id of a row that is no turn."""

MAX_CHARS = 1_000_000
"""A longer message is not kept, beyond the turns that it asks for."""


class KeptMessages:
    """The messages of one chat that its saved document may lack."""

    def __init__(self, served: ChatRuntime) -> None:
        self._served = served
        # Message id → what a save has to have of it, or nothing if it was deleted.
        self._changed: dict[str, Message | None] = {}
        # Message id → its row in the ledger.
        self._rows: dict[str, str] = {}
        # Message id → who wrote it, and whether what it calls for was done: not in the ledger yet.
        self._waiting: dict[str, tuple[str, RowState]] = {}
        # What nobody has looked at yet stays in the ledger, saved or not: it may ask for a turn.
        self._unseen: set[str] = set()

    @property
    def ids(self) -> Set[str]:
        """The ids of those messages."""
        return self._changed.keys()

    def begin(self) -> None:
        """Begin anew: the chat was opened again, from what was saved of it."""
        self._put()
        self._changed.clear()
        self._rows.clear()
        self._unseen.clear()

    def note(self, event: ChatEvent, *, unseen: bool = True) -> None:
        """Keep a message that changed, before anybody has looked at what that calls for.

        It is on its way to the ledger with the event loop's next turn, and so ahead of the update
        store; by then it may be known that the row of a turn holds it, and needs no other.
        ``unseen`` says that :meth:`handled` follows.
        """
        message = event.message
        if not message.by_person or len(message.body) > MAX_CHARS:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._put)
        self._waiting[message.id] = message.sender, "accepted"
        if unseen:
            self._unseen.add(message.id)
        self._changed[message.id] = None if isinstance(event, MessageDeleted) else message

    def _put(self) -> None:
        chat = self._served.chat
        waiting, self._waiting = self._waiting, {}
        for message_id, (person, state) in waiting.items():
            row = LedgerRow(
                turn_id=str(uuid4()),
                chat_id=chat.id,
                path=self._served.place,
                message=chat.raw(message_id) or self._as_it_came(message_id),
                persona_id=NOBODY,
                person=person,
                accepted_at=time.time(),
                root=message_id,
                state=state,
            )
            self._served.ledger.keep(row)  # in place of the one that it had before
            self._rows[message_id] = row.turn_id

    def _as_it_came(self, message_id: str) -> Mapping[str, Any]:
        # The chat does not have it: it was removed altogether, which no front end does, or it came
        # in the document that the chat was opened anew as, and is about to be there.
        message = self._changed.get(message_id)
        return encode_message(message) if message else {"id": message_id, "deleted": True}

    def is_coming(self, message_id: str) -> bool:
        """Return whether somebody is about to look at a message: an event tells of it."""
        return message_id in self._unseen

    def in_turn(self, message_id: str) -> None:
        """Note that the next row which the ledger is given is a turn's, with this message."""
        self._waiting.pop(message_id, None)

    def note_unsaved(self, saved: Collection[str]) -> None:
        """Keep what the document held when it was opened and its file, with ids ``saved``, lacks.

        Somebody who came back before the chat was observed has brought it.
        """
        for message in self._served.chat.before(None, RECENT):
            if message.id not in saved and message.id not in self._changed:
                self.note(MessagePosted(message), unseen=False)
        self._put()

    def handled(self, event: ChatEvent, *, recorded: bool) -> None:
        """Note that what an event called for was done; ``recorded``: a turn's row has it all."""
        message_id = event.message.id
        self.seen(message_id)
        if recorded:
            self._forget(message_id)
        elif message_id in self._waiting:
            person, _ = self._waiting[message_id]
            self._waiting[message_id] = person, "running"
        elif (turn_id := self._rows.get(message_id)) is not None:
            self._served.ledger.started(turn_id)

    def seen(self, message_id: str) -> None:
        """Note that nothing more is to be done about a message."""
        self._unseen.discard(message_id)

    def _forget(self, message_id: str) -> None:
        self._waiting.pop(message_id, None)
        if (turn_id := self._rows.pop(message_id, None)) is not None:
            self._served.ledger.forget(turn_id)

    def saved(self, file: Mapping[str, Message | None]) -> None:
        """Let go of what ``file`` has as it is now; see :meth:`ChatRuntime.document_saved`."""
        for message_id, now in list(self._changed.items()):
            looked_up = message_id in file and message_id not in self._unseen
            if looked_up and _is_saved(file[message_id], now):
                del self._changed[message_id]
                self._forget(message_id)

    def put_back(self, row: LedgerRow) -> None:
        """Make the message of a row, from before a crash, as it was, unless it changed since."""
        if row.message_id in self._changed:
            return
        self._rows[row.message_id] = row.turn_id
        if row.state == "accepted":
            self._unseen.add(row.message_id)
        self._changed[row.message_id] = None if is_deletion(row) else decode_message(row.message)
        chat = self._served.chat
        there = chat.get(row.message_id)
        if there is None and not is_deletion(row):
            self._served.log.info("Message %s was lost; it is put back", row.message_id)
            chat.apply([Restore(row.message)])
        elif there is not None and "body" in row.message:
            chat.apply([Restore(row.message)])


def _is_saved(there: Message | None, now: Message | None) -> bool:
    if now is None or there is None:
        return now is None and (there is None or there.deleted)
    return content_of(there) == content_of(now)


def is_deletion(row: LedgerRow) -> bool:
    """Whether a person deleted the message of a row."""
    return row.message.get("deleted") is True
