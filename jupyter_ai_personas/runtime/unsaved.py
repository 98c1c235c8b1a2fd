"""Tracks data missing in the chat's file: messages changed since a save, ends of turns.

A crash loses unsaved changes, in every open tab as well: the stale file wins over the server's
update store. So each message that a person posts, edits or deletes is in the ledger until a save
has it: in a turn's record, or in a separate one with the persona id ``NO_PERSONA``. So is each
message of ours that is no reply: what people are asked, and notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jupyter_ai_personas.chat import (
    RECENT,
    Chat,
    ChatEvent,
    Message,
    MessageDeleted,
    MessagePosted,
    decode_message,
)
from jupyter_ai_personas.chat.messages import GROWING_STATES, content_of
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.ledger import (
    FinalState,
    RecordState,
    ReplySnapshot,
    TurnLedger,
    TurnRecord,
)
from jupyter_ai_personas.runtime.turnstile import SpreadCalls

__all__ = ["NO_PERSONA", "Unsaved", "is_deletion"]

NO_PERSONA = ""
"""The persona id of a record that is no turn."""

MAX_CHARS = 1_000_000
"""A longer message gets no record of its own."""


SETTLING = 10.0
"""Seconds after which a save stands.

A room checks that its file is unchanged before it writes. Two servers that do so at once both
write, and the file of the last one lacks what the first one had saved.
"""


@dataclass(slots=True)
class _Change:
    """A message that changed: a person's, or one of ours that is no reply.

    ``now`` is what a save has to have, ``None`` if it was deleted. ``record_id`` is of its record
    in the ledger. ``coming``: an event of it is in the mailbox, so it may ask for a turn.
    """

    now: Message | None = None
    record_id: str | None = None
    coming: bool = False


@dataclass(slots=True)
class _End:
    """The end of a turn, whose replies a save has to have.

    ``passed_on``: the personas that the replies mention have their turns.
    """

    turn_id: str
    request_id: str
    reply_ids: frozenset[str]
    passed_on: bool

    @property
    def message_ids(self) -> frozenset[str]:
        return self.reply_ids | {self.request_id}

    def is_in(self, file: Mapping[str, Message | None], chat: Chat) -> bool:
        if not self.passed_on or not self.message_ids <= file.keys():
            return False
        # A message that somebody removed from the document is missing in the file as well.
        asked = file[self.request_id] is not None or chat.get(self.request_id) is None
        return asked and all(_is_final(file[id_], chat.get(id_)) for id_ in self.reply_ids)


class Unsaved:
    """The messages of one chat that its file may lack, and their records in the ledger."""

    def __init__(self, chat: ChatHandle, ledger: TurnLedger, recording: SpreadCalls) -> None:
        self._chat = chat
        self._ledger = ledger
        self._recording = recording
        self._changes: dict[str, _Change] = {}
        # The changes whose records are written in the next loop iteration.
        self._due: dict[str, _Change] = {}
        # Message id and persona id, as the ledger identifies turns → the end of the last one.
        self._ends: dict[tuple[str, str], _End] = {}
        # The id of a message → when a save was found to have it, in the loop's time.
        self._saved_at: dict[str, float] = {}

    @property
    def ids(self) -> set[str]:
        """The ids of the messages that the file may lack as they are now."""
        return {id_ for end in self._ends.values() for id_ in end.message_ids} | set(self._changes)

    @property
    def at_risk(self) -> set[str]:
        """:attr:`ids`, and those whose save another server may have overwritten."""
        self._settle()
        return self.ids | self._saved_at.keys()

    def _settle(self) -> None:
        since = asyncio.get_running_loop().time() - SETTLING
        self._saved_at = {id_: at for id_, at in self._saved_at.items() if at > since}

    def saved(self, file: Mapping[str, Message | None]) -> None:
        """Let go of what the chat's file has; ``file``: what it has under each of :attr:`ids`."""
        before = self.ids
        for message_id, change in list(self._changes.items()):
            if message_id in file and not change.coming and _is_saved(file[message_id], change.now):
                del self._changes[message_id]
                self._drop_record(message_id, change)
        gone = [key for key, end in self._ends.items() if end.is_in(file, self._chat.current)]
        if gone:
            self._ledger.saved(self._chat.id, [self._ends.pop(key).turn_id for key in gone])
        self._settle()
        self._saved_at |= dict.fromkeys(before - self.ids, asyncio.get_running_loop().time())

    # -- turns ------------------------------------------------------------------------------

    def ended(
        self,
        turn_id: str,
        request_id: str,
        persona_id: str,
        state: FinalState,
        replies: Sequence[ReplySnapshot],
    ) -> None:
        """Record the end of a turn; the document has it now, and is to be saved."""
        self._ledger.finish(turn_id, state, replies)
        ids = frozenset(reply.message_id for reply in replies)
        passed_on = state != "done" or not replies
        self._ends[request_id, persona_id] = _End(turn_id, request_id, ids, passed_on)

    def passed_on(self, request_id: str, persona_id: str) -> None:
        """Note that the personas that the replies of a turn mention have their turns."""
        if (end := self._ends.get((request_id, persona_id))) is not None:
            end.passed_on = True

    def runs_again(self, request_id: str, persona_id: str) -> None:
        """Forget the end of a turn that runs again: it gets a new one."""
        self._ends.pop((request_id, persona_id), None)

    # -- messages that are no replies -------------------------------------------------------

    def begin_anew(self) -> None:
        """Forget all changes: the chat was opened again, from what was saved of it."""
        self._write()
        self._changes.clear()

    def note(self, event: ChatEvent, *, coming: bool = True) -> None:
        """Keep a message that changed. ``coming``: :meth:`handled` follows.

        Written in the next loop iteration, or in a few if many have changed, unless a turn's record
        holds it by then.
        """
        message = event.message
        is_ours = message.id in self._changes
        if not (message.by_person or is_ours) or len(message.body) > MAX_CHARS:
            return
        self._recording.soon(self._write)
        change = self._changes.setdefault(message.id, _Change())
        change.now = None if isinstance(event, MessageDeleted) else message
        change.coming = change.coming or coming
        self._due[message.id] = change

    def keep(self, message_id: str) -> None:
        """Keep a message of ours that is no reply, as the chat has it now.

        Recorded before any later step of a turn, which may be the last to know of the message.
        """
        message = self._chat.current.get(message_id)
        if message is not None and not message.deleted:
            change = self._changes.setdefault(message_id, _Change())
            change.now = message
            self._record(message_id, change, "running")

    def note_missing(self, saved: Collection[str]) -> None:
        """Keep what the document held when it was opened and its file, with ids ``saved``, lacks.

        A client that reconnected before the chat was observed has brought it.
        """
        for message in self._chat.current.before(None, RECENT):
            if message.id not in saved and message.id not in self._changes:
                self.note(MessagePosted(message), coming=False)
        self._write()

    def _write(self) -> None:
        for message_id, change in list(self._due.items()):
            self._record(message_id, change)

    def _record(self, message_id: str, change: _Change, state: RecordState = "accepted") -> None:
        """Write the record of a change; ``running``: what the message calls for was done."""
        self._due.pop(message_id, None)
        message = change.now or Message(message_id, "", "", deleted=True)
        record = self._chat.record(message, NO_PERSONA, state=state)
        change.record_id = record.turn_id
        # In place of the record that the message had before.
        self._ledger.keep(record)

    def in_turn(self, message_id: str) -> None:
        """Note that the next record that is written is a turn's, with this message."""
        self._due.pop(message_id, None)

    def is_coming(self, message_id: str) -> bool:
        """Return whether an event of a message is in the mailbox."""
        return message_id in self._changes and self._changes[message_id].coming

    def handled(self, message_id: str, *, recorded: bool) -> None:
        """Note that what a message called for was done; ``recorded``: a turn's record has it."""
        self.seen(message_id)
        change = self._changes.get(message_id)
        if change is None:
            return
        if recorded:
            self._drop_record(message_id, change)
        elif message_id in self._due:
            self._record(message_id, change, "running")
        elif change.record_id is not None:
            self._ledger.started(change.record_id)

    def seen(self, message_id: str) -> None:
        """Note that nothing more is to be done about a message."""
        if (change := self._changes.get(message_id)) is not None:
            change.coming = False

    def _drop_record(self, message_id: str, change: _Change) -> None:
        self._due.pop(message_id, None)
        if change.record_id is not None:
            self._ledger.forget(change.record_id)
            change.record_id = None

    def take_over(self, record: TurnRecord) -> bool:
        """Keep the message of a record from before a crash; return whether that is its state now.

        It is not if the message has changed since.
        """
        if record.message_id in self._changes:
            return False
        self._changes[record.message_id] = _Change(
            None if is_deletion(record) else decode_message(record.message),
            record_id=record.turn_id,
            coming=record.state == "accepted",
        )
        return True


def _is_final(reply: Message | None, now: Message | None) -> bool:
    if reply is None or reply.deleted:
        return reply is not None
    # A retry writes into the reply of another turn. Clients can write any turn id.
    of_this_turn = now is None or reply.metadata.get("turn") == now.metadata.get("turn")
    return of_this_turn and reply.state not in GROWING_STATES


def _is_saved(there: Message | None, now: Message | None) -> bool:
    if now is None or there is None:
        return now is None and (there is None or there.deleted)
    return content_of(there) == content_of(now)


def is_deletion(record: TurnRecord) -> bool:
    """Return whether a person deleted the message of a record."""
    return record.message.get("deleted") is True
