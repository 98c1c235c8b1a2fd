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
from jupyter_ai_personas.chat.opened_file import OpenedFile, read_chat_file
from jupyter_ai_personas.personas.turn import reply_id
from jupyter_ai_personas.routing import Chain, may_mention
from jupyter_ai_personas.runtime.approvals import Decision, read_steps
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
        *,
        running: Callable[[], Container[str]],
        file: asyncio.Future[OpenedFile] | None = None,
    ) -> None:
        self._services = services
        self._settings = services.settings
        self._ledger = services.ledger
        self._chat = chat
        self._scheduler = scheduler
        self._router = router
        self._unsaved = unsaved
        self._board = scheduler.board
        self._running = running
        self._file = file
        self._has_adopted = False

    async def _adopt(self, chat_id: str) -> None:
        """Adopt the records of a chat that crashed before its first save: it gets another id."""
        if self._settings.root_dir is None or self._has_adopted:
            return
        path, file = self._chat.full_path, self._file
        self._has_adopted, self._file = True, None
        try:
            # Not AnyIO's function: each call searches all tasks of the server for the root task.
            reading = file or asyncio.to_thread(read_chat_file, Path(path))
            # Others await it too.
            opened = await asyncio.shield(reading)
        except (OSError, ValueError):
            return  # such as a chat without a file
        except Exception:
            self._services.log.exception("The file of chat %s could not be read", path)
            return
        since = opened.written_at
        if since is not None and opened.chat is not None and opened.chat.id is None:
            await self._ledger.adopt(chat_id, path, since=since, running=self._running())

    async def recover(self) -> None:
        """Reconcile the document with the ledger; run what had not begun.

        Turns that run in this process are left alone.
        """
        chat = self._chat.current
        # Read first: the messages that are restored may fill the last `RECENT`.
        end = chat.before(None, RECENT)
        is_copy = _finder_of_copies(self._settings.root_dir, self._chat)
        # A tab that reconnects meanwhile may bring another id.
        chat_id = self._chat.id
        await self._adopt(chat_id)
        records = await self._ledger.open_turns(chat_id, is_copy)
        self._chat.follow_id(self._ledger)
        messages, turns = list[TurnRecord](), list[TurnRecord]()
        # A chat whose file was moved may be open twice in this process.
        running = self._running()
        for record in records:
            if record.turn_id not in running:
                (messages if record.persona_id == NO_PERSONA else turns).append(record)
            # Rooms save nothing while replies grow, so a reopened file may lack the request.
            elif record.turn_id in self._scheduler.turns and chat.get(record.message_id) is None:
                with self._isolated(record):
                    chat.apply([Restore(record.message)])
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
        for record in turns:
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
                "Turn %s of chat %s could not be recovered", record.turn_id, self._chat.full_path
            )

    def _restore(self, record: TurnRecord) -> None:
        """Restore the message of a record, unless it has changed since."""
        if not self._unsaved.take_over(record):
            return
        if self._chat.current.get(record.message_id) is not None:
            if "body" in record.message:
                self._chat.current.apply([Restore(record.message)])
        elif not is_deletion(record):
            self._put_back_request(record)

    def _put_back_request(self, record: TurnRecord) -> None:
        self._services.log.info("Message %s was lost; it is put back", record.message_id)
        self._chat.current.apply([Restore(record.message)])

    # -- turns ------------------------------------------------------------------------------

    async def _recover_turn(self, record: TurnRecord, *, is_deleted: bool) -> None:
        """``is_deleted``: a person deleted the message, which the document has lost."""
        record = self._as_written(record)
        request = self._chat.current.get(record.message_id)
        if request is None and not is_deleted:
            request = decode_message(record.message)
            if request is not None:
                self._put_back_request(record)
        is_command = record.persona_id == SYSTEM_ID and record.state != "finished"
        if request is None or request.deleted or is_command:
            # Running an interrupted command later would surprise people.
            self._ledger.forget(record.turn_id)
            self._board.close(record.turn_id, "The message was deleted.")
            return
        steps = await self._ledger.steps(record.turn_id)
        if record.state == "finished":
            self._show_approvals(steps or [], "has ended")
            await self._finish(record, record.replies, record.final_state)
        else:
            await self._go_on(record, request, steps)

    def _as_written(self, record: TurnRecord) -> TurnRecord:
        """Return ``record`` as finished if the document holds the final reply of its turn."""
        last = record.replies[-1] if record.replies else None
        there = self._chat.current.get(last.message_id if last else reply_id(record.turn_id, 1))
        if (
            record.state == "finished"
            or (last is not None and last.state in FINAL_STATES)
            or there is None
            or there.state not in FINAL_STATES
            or there.metadata.get("turn") != record.turn_id
        ):
            return record
        state = cast(FinalState, there.state)
        replies = (*record.replies[:-1], ReplySnapshot(there.id, there.body, state, there.metadata))
        return replace(record, state="finished", final_state=state, replies=replies)

    async def _go_on(
        self, record: TurnRecord, request: Message, steps: list[TurnStep] | None
    ) -> None:
        """Run a turn that has not ended, or mark it as interrupted.

        It runs if it is fresh and repeats no effect; ``steps`` are ``None`` if unreadable.
        """
        persona = self._services.personas.get(record.persona_id)
        if steps == []:
            may_run = record.state == "accepted" or self._settings.resume_interrupted
        else:
            may_run = persona is not None and can_continue(persona, steps)
        if persona is None or not may_run or not self._is_fresh(record, steps or []):
            self._show_approvals(steps or [], "was interrupted: the server stopped")
            unfinished = unfinished_calls(steps or [])
            why = may_have_happened(unfinished) if unfinished else INTERRUPTED
            await self._interrupt(record, why)
            return
        # Without steps it rewrites its first reply; its other replies stay, final.
        replies = record.replies
        self._put_back(record, replies if steps else [_as_final(reply) for reply in replies])
        # The turn may have started before the ledger recorded it; reuse its ids.
        rewrite = replies[0].message_id if replies else reply_id(record.turn_id, 1)
        order = TurnOrder(
            request,
            [record.persona_id],
            Chain(record.root, record.hops),
            record.person,
            rewrite=rewrite if self._chat.current.get(rewrite) is not None else None,
            anew=True,
            turn_id=record.turn_id if steps or not replies else None,
            steps=steps or (),
            so_far=(replies[0].body if replies else "") if steps else None,
        )
        await self._router.ask(order)

    def _is_fresh(self, record: TurnRecord, steps: list[TurnStep]) -> bool:
        """Return whether a turn is young, waits for people, or got a decision lately."""
        return self._is_young(record.accepted_at) or any(
            approval.expires > time.time() if decision is None else self._is_young(decision.at)
            for approval, decision in read_steps(steps)
        )

    def _is_young(self, at: float) -> bool:
        return time.time() - at <= self._settings.recover_within

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

    async def _interrupt(self, record: TurnRecord, why: str = INTERRUPTED) -> None:
        """Keep the partial reply, and end it with a note that says ``why``."""
        replies = list(record.replies)
        if all(reply.state in FINAL_STATES for reply in replies):
            note = why if record.state == "running" else NOT_BEGUN
            # Use the id of the turn's next reply: a browser may bring that message back.
            next_id = reply_id(record.turn_id, len(replies) + 1)
            state = "interrupted"
            metadata = {"reply_to": record.message_id, "turn": record.turn_id, "state": state}
            replies.append(ReplySnapshot(next_id, note, state, metadata))
        final = [_as_final(reply, note=f"\n\n{why}") for reply in replies]
        await self._finish(record, final, "interrupted")

    async def _finish(
        self, record: TurnRecord, replies: Sequence[ReplySnapshot], state: FinalState | None
    ) -> None:
        """Write the end of a turn into the document and the ledger, unless they have it."""
        assert state is not None
        self._put_back(record, replies)
        self._unsaved.ended(record.turn_id, record.message_id, record.persona_id, state, replies)
        # The server may have died between the reply and the turns of the personas it mentions.
        written = tuple((r.message_id, r.body) for r in replies if r.state == "done")
        chain = Chain(record.root, record.hops)
        event = ReplyFinished(
            record.persona_id, record.message_id, state, written, chain, record.person
        )
        await self._router.pass_on(event, again=True)
        self._unsaved.passed_on(record.message_id, record.persona_id)

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
        if self._router.is_command(message):  # running it later would surprise people
            return
        if self._is_young(record.accepted_at):
            recorded = await self._router.handle(MessagePosted(message))
        else:
            turns = [self._chat.record(message, id_) for id_ in self._router.addressed(message)]
            recorded = bool(turns)
            for turn, is_new in zip(turns, await self._ledger.accept(turns), strict=True):
                if is_new:
                    await self._interrupt(turn)
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
        asking = [
            message
            for message in tail
            if message.by_person
            and not message.deleted
            and self._is_young(message.time)
            and may_mention(message.body)
            and not self._router.is_command(message)
        ]
        done = {(message.reply_to, message.sender) for message in tail if message.by_persona}
        done |= await self._ledger.known(chat.id, [message.id for message in asking])
        for message in asking:
            # Without `mentions`: a browser keeps names there that were edited out.
            asked_now = replace(message, mentions=())
            addressed = self._router.addressed(asked_now, by_default=False)
            missed = [id_ for id_ in addressed if (message.id, id_) not in done]
            if missed:
                order = TurnOrder(message, missed, Chain(message.id), message.sender)
                await self._router.ask(order)


def _as_final(reply: ReplySnapshot, *, note: str = "") -> ReplySnapshot:
    if reply.state in FINAL_STATES:
        return reply
    metadata = {**reply.metadata, "state": "interrupted"}
    body = f"{reply.body}{note}".lstrip() if note else reply.body
    return ReplySnapshot(reply.message_id, body, "interrupted", metadata)


def _finder_of_copies(root: str | None, chat: ChatHandle) -> Callable[[str], bool]:
    """Return a function that tells whether another file at a path has the id of this chat.

    After a copy both files exist; after a rename only one does. The path may be below another
    server's root. The function reads the file system, so it may block.
    """
    here, chat_id = chat.full_path, chat.id

    @cache
    def is_copy(path: str) -> bool:
        there = Path(root or "", path).absolute()
        if root is None or str(there) == here:
            return False
        try:
            other = parse_chat(there.read_bytes())
        except OSError as error:
            return not isinstance(error, FileNotFoundError)
        return other is not None and other.id == chat_id

    return is_copy
