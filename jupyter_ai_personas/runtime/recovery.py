"""Restores messages and turns from the ledger that the document lost, when a chat opens.

The document is not saved while anything streams, and after a crash the stale file wins over the
update store. The ledger holds accepted turns, and people's messages since the last save. Messages
are compared by id, never by time or position.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast
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
from jupyter_ai_personas.chat.cut_off_saves import made_at
from jupyter_ai_personas.chat.file_format import parse_chat
from jupyter_ai_personas.chat.messages import FINAL_STATES
from jupyter_ai_personas.personas.turn import reply_id
from jupyter_ai_personas.routing import Chain, may_mention
from jupyter_ai_personas.runtime.approvals import Decision, read_steps
from jupyter_ai_personas.runtime.board import ApprovalBoard
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.ledger import FinalState, ReplySnapshot, TurnRecord, TurnStep
from jupyter_ai_personas.runtime.router import Router
from jupyter_ai_personas.runtime.scheduler import Scheduler
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.steps import can_continue, unfinished_calls
from jupyter_ai_personas.runtime.turn import ReplyFinished, TurnOrder
from jupyter_ai_personas.runtime.unsaved import NO_PERSONA, Unsaved, is_deletion
from jupyter_ai_personas.runtime.wording import INTERRUPTED, NOT_BEGUN, may_have_happened

__all__ = ["Recovery"]

MAX_UNSAVED = 100_000
"""Maximum bytes of a file that was never saved as a chat, such as one made from a template."""


class Recovery:
    """Brings the ledger and the document of one chat together.

    ``running`` returns the ids of all turns that run or wait in this process, in any chat.
    """

    def __init__(
        self,
        services: Services,
        chat: ChatHandle,
        scheduler: Scheduler,
        router: Router,
        unsaved: Unsaved,
        board: ApprovalBoard,
        *,
        running: Callable[[], Container[str]],
    ) -> None:
        self._services = services
        self._settings = services.settings
        self._ledger = services.ledger
        self._chat = chat
        self._scheduler = scheduler
        self._router = router
        self._unsaved = unsaved
        self._board = board
        self._running = running

    async def adopt(self) -> None:
        """Adopt the records of a chat that crashed before its first save: it gets another id."""
        root = self._settings.root_dir
        if root is None:
            return
        file = Path(root) / self._chat.current.path.strip("/")
        # Not AnyIO's function: each call searches all tasks of the server for the root task.
        made = await asyncio.to_thread(_made_without_id, file)
        if made is not None:
            await self._ledger.adopt(self._chat.id, self._chat.full_path, since=made)

    async def recover(self) -> None:
        """Reconcile the document with the ledger; run what had not begun.

        Turns that run in this process are left alone.
        """
        chat = self._chat.current
        # Read first: the messages that are restored may fill the last `RECENT`.
        end = chat.before(None, RECENT)
        is_copy = _finder_of_copies(self._settings.root_dir, self._chat)
        records = await self._ledger.open_turns(self._chat.id, is_copy)
        for record in records:
            # Rooms save nothing while replies grow, so a reopened file may lack the request.
            if record.turn_id in self._scheduler.turns and chat.get(record.message_id) is None:
                with self._isolated(record):
                    chat.apply([Restore(record.message)])
        # A chat whose file was moved may be open twice in this process.
        running = self._running()
        records = [record for record in records if record.turn_id not in running]
        paths = {record.path for record in records}
        copies = {path for path in paths if await asyncio.to_thread(is_copy, path)}
        records = [record for record in records if record.path not in copies]
        messages = [record for record in records if record.persona_id == NO_PERSONA]
        # Messages that arrived since the chat was opened are handled from the mailbox.
        unseen = [
            record
            for record in messages
            if record.state == "accepted" and not self._unsaved.is_coming(record.message_id)
        ]
        for record in messages:
            with self._isolated(record):
                self._restore(record)
        deleted = {record.message_id for record in messages if is_deletion(record)}
        for record in records:
            if record.persona_id != NO_PERSONA:
                with self._isolated(record):
                    await self._recover_turn(record, is_deleted=record.message_id in deleted)
        for record in unseen:
            with self._isolated(record):
                await self._catch_up(record)
                self._unsaved.seen(record.message_id)
        # The file of a reopened chat may lack the messages of open approvals.
        for approval in self._services.approvals.open(chat_id=self._chat.id):
            self._board.show(approval, None)
        await self._sweep(end)

    @contextmanager
    def _isolated(self, record: TurnRecord) -> Iterator[None]:
        """Keep a fault in one record from the others."""
        try:
            yield
        except Exception:
            self._services.log.exception(
                "Turn %s of chat %s could not be recovered",
                record.turn_id,
                self._chat.current.path,
            )

    def _restore(self, record: TurnRecord) -> None:
        """Restore the message of a record, unless it has changed since."""
        if not self._unsaved.take_over(record):
            return
        there = self._chat.current.get(record.message_id)
        if there is None and not is_deletion(record):
            self._services.log.info("Message %s was lost; it is put back", record.message_id)
            self._chat.current.apply([Restore(record.message)])
        elif there is not None and "body" in record.message:
            self._chat.current.apply([Restore(record.message)])

    # -- turns ------------------------------------------------------------------------------

    async def _recover_turn(self, record: TurnRecord, *, is_deleted: bool) -> None:
        """``is_deleted``: a person deleted the message, which the document has lost."""
        record = self._as_written(record)
        request = self._chat.current.get(record.message_id)
        if request is None and not is_deleted:
            request = decode_message(record.message)
            if request is not None:
                self._services.log.info("Message %s was lost; it is put back", request.id)
                self._chat.current.apply([Restore(record.message)])
        is_command = record.persona_id == SYSTEM_ID and record.state != "finished"
        if request is None or request.deleted or is_command:
            # Running an interrupted command later would surprise people.
            self._ledger.forget(record.turn_id)
            self._board.close(record.turn_id, "The message was deleted.")
        elif record.state == "finished":
            self._put_back(record, record.replies)
            self._show_approvals(await self._ledger.steps(record.turn_id) or [], "has ended")
            await self._finish(record)
        else:
            await self._go_on(record, request)

    def _as_written(self, record: TurnRecord) -> TurnRecord:
        """Return ``record`` as finished if the document holds the final reply of its turn."""
        last = record.replies[-1] if record.replies else None
        id_ = last.message_id if last is not None else reply_id(record.turn_id, 1)
        there = self._chat.current.get(id_)
        if (
            record.state == "finished"
            or (last is not None and last.state in FINAL_STATES)
            or there is None
            or there.state not in FINAL_STATES
            or there.metadata.get("turn") != record.turn_id
        ):
            return record
        state = cast(FinalState, there.state)
        replies = (*record.replies[:-1], ReplySnapshot(id_, there.body, state, there.metadata))
        self._ledger.finish(record.turn_id, state, replies)
        return replace(record, state="finished", final_state=state, replies=replies)

    async def _finish(self, record: TurnRecord) -> None:
        self._note_end(record, record.replies, passed_on=False)
        # The server may have died between the reply and the turns of the personas it mentions.
        assert record.final_state is not None
        written = tuple((r.message_id, r.body) for r in record.replies if r.state == "done")
        chain = Chain(record.root, record.hops)
        event = ReplyFinished(
            record.persona_id,
            record.message_id,
            record.final_state,
            written,
            chain,
            record.person,
        )
        await self._router.pass_on(event, again=True)
        self._unsaved.passed_on(record.message_id, record.persona_id)

    async def _go_on(self, record: TurnRecord, request: Message) -> None:
        steps = await self._ledger.steps(record.turn_id)
        if steps is None or steps:
            await self._resume(record, request, steps)
            return
        young = time.time() - record.accepted_at <= self._settings.recover_within
        wanted = record.state == "accepted" or self._settings.resume_interrupted
        if not (wanted and young and record.persona_id in self._services.personas):
            self._interrupt(record)
            return
        # A turn that runs again rewrites its first reply; its other replies stay, final.
        self._put_back(record, [_as_final(reply) for reply in record.replies])
        turn_id = None if record.replies else record.turn_id
        await self._run_again(record, request, turn_id=turn_id)

    async def _run_again(
        self,
        record: TurnRecord,
        request: Message,
        *,
        turn_id: str | None,
        steps: Sequence[TurnStep] = (),
    ) -> None:
        # The turn may have started before the ledger recorded it; reuse its ids.
        rewrite = record.replies[0].message_id if record.replies else reply_id(record.turn_id, 1)
        order = TurnOrder(
            request,
            [record.persona_id],
            Chain(record.root, record.hops),
            record.person,
            rewrite=rewrite if self._chat.current.get(rewrite) is not None else None,
            anew=True,
            turn_id=turn_id,
            steps=steps,
            so_far=(record.replies[0].body if record.replies else "") if steps else None,
        )
        await self._router.ask(order)

    async def _resume(
        self, record: TurnRecord, request: Message, steps: list[TurnStep] | None
    ) -> None:
        """Continue a turn from its steps if no effect is repeated; ``None``: unreadable steps."""
        persona = self._services.personas.get(record.persona_id)
        unfinished = unfinished_calls(steps or [])
        if (
            persona is None
            or not can_continue(persona, steps)
            or not self._is_fresh(record, steps or [])
        ):
            self._show_approvals(steps or [], "was interrupted: the server stopped")
            self._interrupt(record, may_have_happened(unfinished) if unfinished else INTERRUPTED)
            return
        self._put_back(record, record.replies)
        await self._run_again(record, request, turn_id=record.turn_id, steps=steps or ())

    def _is_fresh(self, record: TurnRecord, steps: list[TurnStep]) -> bool:
        """Return whether a turn is young, waits for people, or got a decision lately."""
        since = time.time() - self._settings.recover_within
        return record.accepted_at >= since or any(
            approval.expires > time.time() if decision is None else decision.at >= since
            for approval, decision in read_steps(steps)
        )

    def _show_approvals(self, steps: list[TurnStep], why: str) -> None:
        """Show the approvals of a turn that is over, and close the open ones."""
        reason = f"The turn {why}."
        for approval, decision in read_steps(steps):
            if decision is None:
                self._services.approvals.close(approval.id, reason)
                decision = Decision("denied", reason=reason, at=time.time())
                # A decision shown before the crash stays.
                there = self._chat.current.get(approval.id)
                if there is not None and "decision" in there.metadata:
                    continue
            self._board.show(approval, decision)

    def _interrupt(self, record: TurnRecord, why: str = INTERRUPTED) -> None:
        """Keep the partial reply, and end it with a note that says ``why``."""
        metadata = {
            "reply_to": record.message_id,
            "turn": record.turn_id,
            "state": "interrupted",
        }
        replies = list(record.replies)
        if all(reply.state in FINAL_STATES for reply in replies):
            note = why if record.state == "running" else NOT_BEGUN
            # Use the id of the turn's next reply: a browser may bring that message back.
            next_id = reply_id(record.turn_id, len(replies) + 1)
            replies.append(ReplySnapshot(next_id, note, "interrupted", metadata))
        final = [_as_final(reply, note=f"\n\n{why}") for reply in replies]
        self._put_back(record, final)
        self._ledger.finish(record.turn_id, "interrupted", final)
        self._note_end(record, final)

    def _note_end(
        self, record: TurnRecord, replies: Sequence[ReplySnapshot], *, passed_on: bool = True
    ) -> None:
        self._unsaved.ended(
            record.turn_id,
            record.message_id,
            record.persona_id,
            [reply.message_id for reply in replies],
            passed_on=passed_on,
        )

    def _put_back(self, record: TurnRecord, replies: Sequence[ReplySnapshot]) -> None:
        writes: list[Insert | Update] = []
        for reply in replies:
            there = self._chat.current.get(reply.message_id)
            if there is None:
                writes.append(
                    Insert(reply.message_id, record.persona_id, reply.body, reply.metadata)
                )
            elif not there.deleted and (there.body, there.state) != (reply.body, reply.state):
                writes.append(Update(reply.message_id, reply.body, reply.metadata))
        if writes:
            self._chat.current.apply(writes)

    # -- messages that were not handled -----------------------------------------------------

    async def _catch_up(self, record: TurnRecord) -> None:
        """Handle a message that was not handled when the server died."""
        message = self._chat.current.get(record.message_id)
        if message is None or message.deleted or not message.by_person:
            return
        # Running a command later would surprise people.
        if self._router.is_command(message):
            return
        recorded = True
        if time.time() - record.accepted_at <= self._settings.recover_within:
            recorded = await self._router.handle(MessagePosted(message))
        else:
            chain, person = Chain(message.id), message.sender
            turns = [
                self._chat.record(message, id_, turn_id=str(uuid4()), person=person, chain=chain)
                for id_ in self._router.addressed(message)
            ]
            for turn, is_new in zip(turns, await self._ledger.accept(turns), strict=True):
                if is_new:
                    self._interrupt(turn)
        self._unsaved.handled(message.id, recorded=recorded)

    async def _sweep(self, end: list[Message]) -> None:
        """Handle messages without a record: replies left streaming, mentions not accepted.

        ``end`` are the last messages before any were restored.
        """
        chat = self._chat.current
        ids = dict.fromkeys(m.id for m in [*end, *chat.before(None, RECENT)])
        tail = [message for id_ in ids if (message := chat.get(id_)) is not None]
        for message in tail:
            self._router.settle_stray(message.id)
        since = time.time() - self._settings.recover_within
        answered = {(m.reply_to, m.sender) for m in tail if m.by_persona}
        asking = [
            m
            for m in tail
            if m.by_person and not m.deleted and m.time >= since and may_mention(m.body)
        ]
        asked = [m.id for m in asking]
        known = await self._ledger.known(chat.id, asked) if asking else set()
        for message in asking:
            if self._router.is_command(message):
                continue
            # Without `mentions`: a browser keeps names there that were edited out.
            asked_now = replace(message, mentions=())
            addressed = self._router.addressed(asked_now, by_default=False)
            missed = [id_ for id_ in addressed if (message.id, id_) not in answered | known]
            if missed:
                order = TurnOrder(message, missed, Chain(message.id), message.sender)
                await self._router.ask(order)


def _as_final(reply: ReplySnapshot, *, note: str = "") -> ReplySnapshot:
    if reply.state in FINAL_STATES:
        return reply
    metadata = {**reply.metadata, "state": "interrupted"}
    body = f"{reply.body}{note}".lstrip() if note else reply.body
    return ReplySnapshot(reply.message_id, body, "interrupted", metadata)


def _made_without_id(file: Path) -> float | None:
    """Return when ``file`` was written, if it is a chat's that has no id yet."""
    try:
        chat = parse_chat(file.read_bytes()) if file.stat().st_size <= MAX_UNSAVED else None
    except OSError:
        return None
    return made_at(file) if chat is not None and "id" not in chat.metadata else None


def _finder_of_copies(root: str | None, chat: ChatHandle) -> Callable[[str], bool]:
    """Return a function that tells whether another file at a path has the id of this chat.

    After a copy both files exist; after a rename only one does. The path may be below another
    server's root. The function reads the file system, so it may block.
    """
    here, chat_id = chat.full_path, chat.id

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
