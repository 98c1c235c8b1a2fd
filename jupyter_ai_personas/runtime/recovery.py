"""When a chat opens: what the ledger knows and the document lost is put back.

The document is not saved while anything streams, and after a crash the stale file wins over the
update store. The ledger holds what the server had accepted, and what people wrote since the last
save; it is compared with the document by message id, never by time or place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from jupyter_ai_personas.chat import (
    RECENT,
    SYSTEM_ID,
    Insert,
    Message,
    MessagePosted,
    Restore,
    Update,
    decode_message,
)
from jupyter_ai_personas.chat.file_format import parse_chat
from jupyter_ai_personas.chat.messages import FINAL_STATES
from jupyter_ai_personas.personas.turn import reply_id
from jupyter_ai_personas.routing import Chain, find_mentions, may_mention
from jupyter_ai_personas.runtime.cut_off_saves import made_at
from jupyter_ai_personas.runtime.kept import NOBODY, is_deletion
from jupyter_ai_personas.runtime.ledger import LedgerRow, ReplySoFar

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime.chat_runtime import ChatRuntime

__all__ = ["INTERRUPTED", "adopt", "recover"]

MAX_UNSAVED = 100_000
"""Bytes that a file may have that was never saved as a chat: it holds what somebody began with."""

INTERRUPTED = "*The server stopped before this was finished. `/retry` runs it again.*"
NOT_BEGUN = "*The server stopped before this could be answered. `/retry` asks again.*"


async def adopt(served: ChatRuntime) -> None:
    """Take over what a crash left of a chat whose file was never saved: it has another id now."""
    if served.settings.root_dir is None:
        return
    file = Path(served.settings.root_dir) / served.chat.path.strip("/")
    # Not AnyIO's: for each call it looks through all tasks of the server for the root one.
    made = await asyncio.to_thread(_made_without_id, file)
    if made is not None:
        await served.ledger.adopt(served.chat.id, served.place, since=made)


def _made_without_id(file: Path) -> float | None:
    """Return when ``file`` was written, if it is a chat's that has no id yet."""
    try:
        chat = parse_chat(file.read_bytes()) if file.stat().st_size <= MAX_UNSAVED else None
    except OSError:
        return None
    return made_at(file) if chat is not None and "id" not in chat.metadata else None


async def recover(served: ChatRuntime) -> None:
    """Reconcile the chat of ``served`` with the ledger; run what had not begun.

    Turns that run in this process are left alone.
    """
    # Before anything is put back, which may be more than is looked through.
    end = served.chat.before(None, RECENT)
    is_copy = _finder_of_copies(served)
    rows = await served.ledger.open_turns(served.chat.id, is_copy)
    for row in rows:
        # Nothing is saved while they write: the file that is opened again lacks what they answer.
        if row.turn_id in served.turns and served.chat.get(row.message_id) is None:
            with _only_this(served, row):
                served.chat.apply([Restore(row.message)])
    # The same chat may be open twice here: as it was opened, and as the file that was moved since.
    running = {turn_id for each in served.runtime.chats for turn_id in each.turns}
    rows = [row for row in rows if row.turn_id not in running]
    copies = {path for path in {r.path for r in rows} if await asyncio.to_thread(is_copy, path)}
    rows = [row for row in rows if row.path not in copies]
    kept = [row for row in rows if row.persona_id == NOBODY]
    # What was typed since the chat was opened waits in the mailbox, and is handled from there.
    left = [
        row for row in kept if row.state == "accepted" and not served.kept.is_coming(row.message_id)
    ]
    for row in kept:
        with _only_this(served, row):
            served.kept.put_back(row)
    deleted = {row.message_id for row in kept if is_deletion(row)}
    for row in rows:
        if row.persona_id != NOBODY:
            with _only_this(served, row):
                await _Recovery(served, row, is_deleted=row.message_id in deleted).run()
    for row in left:
        with _only_this(served, row):
            await _catch_up(served, row)
            served.kept.seen(row.message_id)
    await _sweep(served, end)


@contextmanager
def _only_this(served: ChatRuntime, row: LedgerRow) -> Iterator[None]:
    """Let what goes wrong with one row keep nobody from what the others tell."""
    try:
        yield
    except Exception:
        served.log.exception(
            "Turn %s of chat %s could not be recovered", row.turn_id, served.chat.path
        )


def _finder_of_copies(served: ChatRuntime) -> Callable[[str], bool]:
    """Return what tells whether a path is of a copy of the chat, or of the original of this one.

    A copied file has the id of the original, as a renamed one has; only then both are there. It
    may be below another server's root. Looks at the file system, so it may block.
    """
    root, here, chat_id = served.settings.root_dir, served.place, served.chat.id

    @cache
    def is_copy(path: str) -> bool:
        there = Path(root or "", path).absolute()
        return root is not None and str(there) != here and _has_id(there, chat_id)

    return is_copy


def _has_id(file: Path, chat_id: str) -> bool:
    try:
        chat = parse_chat(file.read_bytes())
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return chat is not None and chat.id == chat_id


class _Recovery:
    """Brings one turn of the ledger and the document together."""

    def __init__(self, served: ChatRuntime, row: LedgerRow, *, is_deleted: bool = False) -> None:
        """``is_deleted`` says that a person deleted the message, which the document lost."""
        self.served = served
        self.is_deleted = is_deleted
        self.chat = served.chat
        self.ledger = served.ledger
        self.settings = served.settings
        self.row = row

    async def run(self) -> None:
        request = self.chat.get(self.row.message_id)
        if request is None and not self.is_deleted:
            request = decode_message(self.row.message)
            if request is not None:
                self.served.log.info("Message %s was lost; it is put back", request.id)
                self.chat.apply([Restore(self.row.message)])
        command = self.row.persona_id == SYSTEM_ID and self.row.state != "finished"
        if request is None or request.deleted or command:
            # A command that was cut off is not run later, when nobody expects it.
            self.ledger.forget(self.row.turn_id)
        elif self.row.state == "finished":
            self._put_back(self.row.replies)
            self._note_end(self.row.replies)
            if self.row.final_state == "done":
                await self._pass_on()
        else:
            await self._go_on(request)

    async def _go_on(self, request: Message) -> None:
        row = self.row
        young = time.time() - row.accepted_at <= self.settings.recover_within
        persona = self.served.runtime.personas.personas.get(row.persona_id)
        wanted = row.state == "accepted" or self.settings.resume_interrupted
        if wanted and young and persona is not None:
            self._withdraw_replies()
            # What has not begun as far as the ledger was told may have, a moment before the crash:
            # under the same ids, what a browser brings back of it is known as the same reply.
            turn_id = None if row.replies else row.turn_id
            rewrite = row.replies[0].message_id if row.replies else reply_id(row.turn_id, 1)
            await self.served.accept(
                request,
                [row.persona_id],
                Chain(row.root, row.hops),
                person=row.person,
                rewrite=rewrite if self.chat.get(rewrite) is not None else None,
                anew=True,
                turn_id=turn_id,
            )
            return
        self.interrupt()

    async def _pass_on(self) -> None:
        # The server may have died between the reply and those that it addresses.
        row = self.row
        written = [(r.message_id, r.body) for r in row.replies if r.state == "done"]
        chain = Chain(row.root, row.hops)
        await self.served.driver.pass_on(
            row.persona_id, written, chain, person=row.person, again=True
        )

    def _withdraw_replies(self) -> None:
        # A turn that runs again rewrites its first reply; what else it had written stays, final.
        self._put_back(
            tuple(
                ReplySoFar(
                    r.message_id, r.body, _final(r.state), {**r.metadata, "state": _final(r.state)}
                )
                for r in self.row.replies
            )
        )

    def interrupt(self) -> None:
        """Leave what there is of the reply, and say that there is no more."""
        row = self.row
        metadata = {"reply_to": row.message_id, "turn": row.turn_id, "state": "interrupted"}
        replies = list(row.replies)
        if all(reply.state in FINAL_STATES for reply in replies):
            note = INTERRUPTED if row.state == "running" else NOT_BEGUN
            # The id that the next reply had or would have had: a browser may bring that back.
            next_id = reply_id(row.turn_id, len(replies) + 1)
            replies.append(ReplySoFar(next_id, note, "interrupted", metadata))
        final = [
            reply
            if reply.state in FINAL_STATES
            else ReplySoFar(
                reply.message_id,
                f"{reply.body}\n\n{INTERRUPTED}".lstrip(),
                "interrupted",
                {**reply.metadata, "state": "interrupted"},
            )
            for reply in replies
        ]
        self._put_back(final)
        self.ledger.finish(row.turn_id, "interrupted", final)
        self._note_end(final)

    def _note_end(self, replies: Sequence[ReplySoFar]) -> None:
        row = self.row
        self.served.finished_unsaved(row.turn_id, row.message_id, row.persona_id, replies)

    def _put_back(self, replies: Sequence[ReplySoFar]) -> None:
        writes: list[Insert | Update] = []
        for reply in replies:
            there = self.chat.get(reply.message_id)
            if there is None:
                writes.append(
                    Insert(reply.message_id, self.row.persona_id, reply.body, reply.metadata)
                )
            elif not there.deleted and (there.body, there.state) != (reply.body, reply.state):
                writes.append(Update(reply.message_id, reply.body, reply.metadata))
        if writes:
            self.chat.apply(writes)


def _final(state: str) -> str:
    return state if state in FINAL_STATES else "interrupted"


async def _catch_up(served: ChatRuntime, row: LedgerRow) -> None:
    """Do what a message called for that nobody had looked at when the server died."""
    message = served.chat.get(row.message_id)
    wanted = message is not None and not message.deleted and message.by_person
    # A command is not run later, when nobody expects it.
    if message is None or not wanted or served.runtime.commands.find(served, message) is not None:
        return
    event, recorded = MessagePosted(message), True
    if time.time() - row.accepted_at <= served.settings.recover_within:
        recorded = await served.intake.handle(event)
    else:
        chain = Chain(message.id)
        turns = [
            served.row(message, id_, turn_id=str(uuid4()), person=message.sender, chain=chain)
            for id_ in served.intake.addressed(message)
        ]
        for turn, is_new in zip(turns, await served.ledger.accept(turns), strict=True):
            if is_new:
                _Recovery(served, turn).interrupt()
    served.kept.handled(event, recorded=recorded)


async def _sweep(served: ChatRuntime, end: list[Message]) -> None:
    """Find what no row tells of: replies left streaming, mentions that nobody accepted.

    ``end`` is how the chat ended before anything was put back.
    """
    chat, runtime = served.chat, served.runtime
    ids = dict.fromkeys(m.id for m in [*end, *chat.before(None, RECENT)])
    tail = [message for id_ in ids if (message := chat.get(id_)) is not None]
    for message in tail:
        served.intake.settle_stray(message.id)
    since = time.time() - served.settings.recover_within
    answered = {(m.reply_to, m.sender) for m in tail if m.by_persona}
    asking = [
        m for m in tail if m.by_person and not m.deleted and m.time >= since and may_mention(m.body)
    ]
    known = await served.ledger.known(chat.id, [m.id for m in asking]) if asking else set()
    for message in asking:
        if runtime.commands.find(served, message) is not None:
            continue
        missed = [
            id_
            for id_ in find_mentions(message.body, runtime.personas.names)
            if (message.id, id_) not in answered | known
        ]
        if missed:
            await served.accept(message, missed, Chain(message.id), person=message.sender)
