"""The turns and actors of one chat: submitted, queued, run, stopped, ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from uuid import uuid4

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from jupyter_ai_personas.chat import SYSTEM_ID, GrowingReply, OpenTurn, ReplyWriter
from jupyter_ai_personas.chat.markdown import inert
from jupyter_ai_personas.errors import HostLostError
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.runtime.actor import Actor
from jupyter_ai_personas.runtime.board import ApprovalBoard
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.execution import Execution
from jupyter_ai_personas.runtime.ledger import ReplySnapshot, TurnRecord
from jupyter_ai_personas.runtime.metrics import TurnReport
from jupyter_ai_personas.runtime.outcome import Outcome
from jupyter_ai_personas.runtime.replies import Replies
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.turn import ActiveTurn, ReplyFinished, TurnOrder
from jupyter_ai_personas.runtime.typing_status import TypingStatus
from jupyter_ai_personas.runtime.unsaved import Unsaved
from jupyter_ai_personas.runtime.wording import (
    INTERRUPTED,
    WAITING,
    overloaded,
    paused,
    queue_full,
    stopped,
)

__all__ = ["Scheduler"]

MAX_TURNS = 1000
"""Turns that a persona may have in one chat, running or waiting: a client may write any sender."""


class Scheduler:
    """Owns the turns of one chat. ``on_end`` hears of each turn that has ended.

    :meth:`run` holds the tasks of all actors. ``unsaved`` keeps what is no reply.
    """

    def __init__(
        self,
        services: Services,
        chat: ChatHandle,
        *,
        unsaved: Unsaved | None = None,
        on_end: Callable[[ReplyFinished], None] = lambda event: None,
    ) -> None:
        self.turns: dict[str, ActiveTurn] = {}
        """The turns that run or wait, by id, in the order of acceptance."""
        self.usage: dict[str, tuple[int, int]] = {}
        """Model → replies and tokens so far."""
        self._services = services
        self._chat = chat
        self._on_end = on_end
        self._writer = ReplyWriter(
            chat.current, services.pacer, log=services.log, on_gone=self._reply_is_gone
        )
        self._status = TypingStatus(chat, self._open_turns)
        self._unsaved = unsaved or Unsaved(chat, services.ledger, services.recording)
        self.board = ApprovalBoard(services, chat, self._unsaved)
        """The messages that ask people."""
        self._execution = Execution(services, chat, self._status, self.board, on_end=self._end)
        self._actors: dict[str, Actor] = {}
        self._is_stopping = False
        self._scope = anyio.CancelScope()
        self._group: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Hold the actors until :meth:`close`, or until it is cancelled."""
        with self._scope:
            async with anyio.create_task_group() as self._group:
                task_status.started()
                # `sleep_forever` would add a timer to the loop for each open chat.
                await anyio.Event().wait()

    def close(self) -> None:
        """End all actors and turns."""
        self._scope.cancel()

    def document_opened(self) -> None:
        """Show the status of turns in the new document."""
        self._status.publish_all()

    def document_recovered(self) -> None:
        """Write growing replies to the new document."""
        self._writer.move_to(self._chat.current)

    def notify(self, body: str, *, reply_to: str = "") -> None:
        """Post a notice without mentions."""
        metadata = {"reply_to": reply_to, "notice": True}
        self._unsaved.keep(self._writer.post(SYSTEM_ID, body, metadata))

    # -- accepting --------------------------------------------------------------------------

    async def submit(self, order: TurnOrder) -> list[ActiveTurn]:
        """Record turns and queue them; return those that the ledger did not know."""
        personas = self._services.personas
        turns = [self._turn(order, personas[id_]) for id_ in order.persona_ids if id_ in personas]
        records = [self._record(order, turn) for turn in turns]
        ledger = self._services.ledger
        if order.anew:
            # People may have decided since the steps of a turn that continues were read.
            steps = order.steps if order.so_far is None else None
            fresh = [await ledger.reopen(record, steps=steps) for record in records]
        else:
            fresh = await ledger.accept(records)
        accepted = [turn for turn, is_new in zip(turns, fresh, strict=True) if is_new]
        for turn in accepted:
            turn.has_steps = bool(order.steps)
            self.turns[turn.id] = turn
            self._enqueue(turn)
        return accepted

    def _open_turns(self) -> Iterator[OpenTurn]:
        for turn in self.turns.values():
            yield OpenTurn(turn.id, turn.persona.id, turn.message.id, turn.person)

    def _turn(self, order: TurnOrder, persona: Persona) -> ActiveTurn:
        message, turn_id = order.message, order.turn_id or str(uuid4())
        metadata = {"reply_to": message.id, "turn": turn_id}
        replies = Replies(
            self._writer,
            sender=persona.id,
            metadata=metadata,
            rewrite=order.rewrite,
            links=partial(self._services.changes.links, turn_id),
        )
        turn = ActiveTurn(
            turn_id, persona, message, person=order.person, chain=order.chain, replies=replies
        )
        turn.so_far = order.so_far
        return turn

    def _record(self, order: TurnOrder, turn: ActiveTurn) -> TurnRecord:
        record = self._chat.record(
            turn.message, turn.persona.id, turn_id=turn.id, person=turn.person, chain=turn.chain
        )
        if order.rewrite is None:
            return record
        # A crash before the first checkpoint must not leave a second message about this turn.
        metadata = {"reply_to": turn.message.id, "turn": turn.id, "state": "streaming"}
        reply = ReplySnapshot(order.rewrite, order.so_far or "", "streaming", metadata)
        return replace(record, replies=(reply,))

    def _enqueue(self, turn: ActiveTurn) -> None:
        settings, persona = self._services.settings, turn.persona
        actor = self._actors.get(persona.id)
        if actor is None or actor.retired:
            actor = self._activate(persona)
        is_busy = actor.is_busy(turn.person)
        if seconds := self._services.quarantine.remaining(persona.id):
            refusal = paused(persona.name, seconds, can_retry=self._services.can_retry)
        elif len(actor.turns) >= MAX_TURNS:
            refusal = overloaded(persona.name)
        elif is_busy and actor.waiting(turn.person) >= settings.max_queued_turns:
            refusal = queue_full(persona, settings.max_queued_turns)
        else:
            if is_busy or not actor.has_room:
                self._status.show(persona, turn.id, WAITING)
            actor.put(turn)
            return
        self._end(turn, Outcome("rejected", refusal))

    def _activate(self, persona: Persona) -> Actor:
        actor = self._actors[persona.id] = Actor(
            persona,
            self._run,
            max_concurrent=lambda: self._concurrency(persona),
            idle=self._services.settings.actor_idle,
        )
        self._services.hosts.hold(persona, self._chat.id)
        assert self._group is not None, "the scheduler is not running"
        self._group.start_soon(self._live, actor, self._chat.id)
        return actor

    async def _live(self, actor: Actor, chat_id: str) -> None:
        try:
            await actor.run()
        except Exception:
            # A bug in one actor must not end the chat.
            self._services.log.exception("The actor of %s failed", actor.persona.name)
            for turn in list(actor.turns.values()):
                self._end(turn, Outcome("failed", str(HostLostError(turn.persona.name))))
        finally:
            if self._actors.get(actor.persona.id) is actor:
                del self._actors[actor.persona.id]
            self._services.hosts.release(actor.persona, chat_id)

    def _concurrency(self, persona: Persona) -> int:
        model, _ = self._services.model_in(self._chat.current, persona)
        if persona.has_own_models or self._services.exclusive.of(persona, model):
            return 1
        return self._services.settings.max_concurrent_turns

    # -- running and ending -----------------------------------------------------------------

    async def _run(self, turn: ActiveTurn, actor: Actor) -> None:
        await self._services.turn_turnstile.enter()
        if self._is_stopping:
            turn.leave()
        elif turn.phase == "queued":
            await self._execution.run(turn, actor)

    def _end(self, turn: ActiveTurn, outcome: Outcome) -> None:
        """Bring a turn, its status, approvals, record and replies to the final state, once."""
        if not turn.end(outcome):
            return
        assert turn.outcome is not None
        self.turns.pop(turn.id, None)
        self._status.clear(turn.persona, turn.id)
        self.board.close(turn.id, f"The turn has ended: {turn.outcome.state}.")
        self._count(turn)
        state, replies = turn.outcome.state, turn.replies.so_far()
        self._unsaved.ended(turn.id, turn.message.id, turn.persona.id, state, replies)
        self._on_end(turn.finished())
        report = TurnReport(
            turn.id,
            turn.persona.id,
            turn.outcome.state,
            turn.seconds,
            turn.replies.seconds,
            turn.replies.usage,
        )
        self._services.metrics.ended(report)

    def _count(self, turn: ActiveTurn) -> None:
        usage = turn.replies.usage
        if "model" in usage:
            turns, tokens = self.usage.get(usage["model"], (0, 0))
            self.usage[usage["model"]] = turns + 1, tokens + usage.get("total_tokens", 0)

    def interrupt(self) -> None:
        """End all turns at once, since the server stops, without waiting.

        Partial replies are marked as interrupted. A turn that has not begun, or can continue from
        its steps, stays in the ledger and runs when the chat is opened again.
        """
        self._is_stopping = True
        for turn in list(self.turns.values()):
            if turn.phase == "queued":
                self._status.clear(turn.persona, turn.id)
            elif turn.is_resumable:
                self._execution.cancel(turn)
                turn.checkpoint(self._services.ledger)
                self._status.clear(turn.persona, turn.id)
                turn.leave()
            else:
                self._execution.cancel(turn)
                self._end(turn, Outcome("interrupted", INTERRUPTED))

    async def stop(
        self, turns: Sequence[ActiveTurn], *, by: str | None, name: str = "", how: str = ""
    ) -> None:
        """Stop ``turns`` and wait until they have ended; see :meth:`begin_stop`."""
        for turn in turns:
            self.begin_stop(turn, by=by, name=name, how=how)
        for turn in turns:
            await turn.ended.wait()

    def begin_stop(
        self, turn: ActiveTurn, *, by: str | None, name: str = "", how: str = ""
    ) -> None:
        """Stop a turn on behalf of the user ``by``; ``how`` says what the user did.

        ``name`` is the display name of a user who is not in the chat.
        """
        user = self._chat.current.user(by) if by is not None else None
        shown = inert(user.shown_name if user is not None else name or by or "")
        note = stopped(shown if by is not None else None, how)
        outcome = Outcome("stopped", note, {"stopped_by": by} if by is not None else {})
        self._execution.cancel(turn)
        if turn.phase == "queued":
            # A retry that never began keeps the earlier reply as it is.
            self._end(turn, replace(outcome, note="") if turn.replies.is_retry else outcome)
        else:
            turn.settle(outcome)

    def _reply_is_gone(self, reply: GrowingReply) -> None:
        for turn in list(self.turns.values()):
            if reply in turn.replies.growing:
                self.begin_stop(turn, by=None, how="by deleting the reply")
