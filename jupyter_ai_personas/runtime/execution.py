"""Runs one turn in its host, and hands the host's events to its replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.history import HistoryEntry, earlier_attachments
from jupyter_ai_personas.errors import (
    HostLostError,
    HostUnavailableError,
    RequestRefusedError,
    TurnTimeoutError,
)
from jupyter_ai_personas.personas import TurnSpec
from jupyter_ai_personas.personas.wire import (
    HostEvent,
    MessageSent,
    ReplyOpened,
    RequestWithdrawn,
    StatusChanged,
    TurnAnswer,
    TurnFailed,
    TurnFinished,
    TurnLost,
    TurnRequested,
)
from jupyter_ai_personas.runtime.board import ApprovalBoard
from jupyter_ai_personas.runtime.calls import ToolCalls
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.chat_requests import ChatRequests
from jupyter_ai_personas.runtime.outcome import Outcome
from jupyter_ai_personas.runtime.requests import RequestContext, TurnRequests
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.steps import can_continue, unfinished_calls
from jupyter_ai_personas.runtime.turn import ActiveTurn
from jupyter_ai_personas.runtime.typing_status import TypingStatus
from jupyter_ai_personas.runtime.waiting import Slot, Waiting
from jupyter_ai_personas.runtime.wording import (
    INTERRUPTED,
    RETRY,
    THINKING,
    WAITING,
    may_have_happened,
)
from jupyter_ai_personas.tools import ToolInfo

__all__ = ["Execution"]

MAX_LOSSES = 3
"""Workers that a turn may lose before it fails."""

CHECKPOINT_SECONDS = 1.0
"""Interval at which growing replies are recorded."""


class Execution:
    """Runs the turns of one chat; :meth:`run` is what its actors call.

    ``on_end`` is called once for each turn that was run, with the outcome if nothing settled it.
    """

    def __init__(
        self,
        services: Services,
        chat: ChatHandle,
        status: TypingStatus,
        board: ApprovalBoard,
        *,
        on_end: Callable[[ActiveTurn, Outcome], None],
    ) -> None:
        self._services = services
        self._settings = services.settings
        self._chat = chat
        self._status = status
        self._board = board
        self._on_end = on_end

    async def run(self, turn: ActiveTurn, slot: Slot) -> None:
        """Run a turn until it has ended.

        ``slot`` is its slot among the turns that the persona runs at once.
        """
        try:
            while turn.outcome is None:
                await self._attempt(turn, slot)
        finally:
            # When the server stops, partial replies are kept and marked as interrupted.
            self.cancel(turn)
            self._on_end(turn, Outcome("interrupted", INTERRUPTED))

    def cancel(self, turn: ActiveTurn) -> None:
        """Tell the host of a turn to end the attempt, and ignore its further events."""
        self._services.hosts.cancel(turn.persona, turn.host_id)

    async def _attempt(self, turn: ActiveTurn, slot: Slot) -> None:
        with turn.attempt() as scope:
            # Resolve once: wait for the slot of the model that is called.
            model, problem = self._services.model_in(self._chat.current, turn.persona)
            async with self._services.exclusive.hold(
                turn.persona, model, on_wait=lambda: self._show(turn, WAITING)
            ) as exclusive:
                # The time limit starts when the slot is acquired.
                scope.deadline = anyio.current_time() + self._settings.turn_timeout
                turn.replies.begin()
                async with anyio.create_task_group() as group:
                    waiting = Waiting(turn, scope, (slot, exclusive), group, show=self._show)
                    await self._work(turn, model, problem, group, waiting)
        if turn.wants_restart:
            self.cancel(turn)
            # Earlier steps answered the message before its edit.
            self._board.close_turn(turn.id, "The message was edited.")
            self._services.ledger.clear_steps(turn.id)
        elif turn.outcome is None and turn.lost:
            await self._after_loss(turn)
        elif turn.outcome is None:
            error = TurnTimeoutError(turn.persona.name, self._settings.turn_timeout)
            turn.settle(Outcome("failed", str(error)))

    async def _after_loss(self, turn: ActiveTurn) -> None:
        """Continue a turn after the loss of its worker, if no effect is repeated."""
        steps = await self._services.ledger.steps(turn.id) if turn.has_steps else []
        unfinished = unfinished_calls(steps or [])
        persona, reason = turn.persona, turn.lost
        goes_on = turn.losses <= MAX_LOSSES and not self._services.quarantine.remaining(persona.id)
        if goes_on and can_continue(persona, steps):
            self._services.log.warning("Turn %s goes on elsewhere: %s", turn.id, reason)
            turn.go_on()
            return
        note = str(HostLostError(persona.name, reason))
        if unfinished:
            note = may_have_happened(unfinished, f"`{persona.name}` was cut off: {reason}")
        self._board.close_turn(turn.id, "The turn was cut off.")
        turn.settle(Outcome("failed", note))

    def _show(self, turn: ActiveTurn, status: str) -> None:
        # Call it in a task of the runtime: the room creates a task that sends the status.
        if turn.outcome is None:
            self._status.show(turn.persona, turn.id, status)

    async def _work(
        self,
        turn: ActiveTurn,
        model: str | None,
        problem: str,
        group: TaskGroup,
        waiting: Waiting,
    ) -> None:
        """Start the turn in its host, then record its progress until the attempt is cancelled."""
        if not self._services.hosts.is_open(turn.persona):
            self._show(turn, THINKING)
        calls = ToolCalls(
            self._services,
            turn,
            self._board,
            waiting=waiting,
            show=partial(self._show, turn),
        )
        try:
            path = self._chat.current.path  # once: the server looks it up
            instructions = await self._services.gathering.instructions(path)
            await self._services.tools.ready(turn.persona, path)
            asks = await self._services.tools.expanded(turn.persona, turn.message.body, path)
            message = replace(turn.message, body=asks)
            tools = self._services.tools.granted(turn.persona, path)
            calls.grant(tools)
            history = self._services.history(self._chat.current, turn.persona, message)
            context = self._context(turn, path, history)
            requests = self._requests(turn, context, group, calls)
            await self._services.hosts.start(
                turn.persona,
                self._spec(turn, context, message, history, model, problem, instructions, tools),
                lambda event: self._on_event(turn, requests, event),
            )
        except (HostUnavailableError, RequestRefusedError) as error:
            turn.settle(Outcome("failed", str(error)))
        except Exception:
            # A fault of ours: the persona runs behind the wall.
            self._services.log.exception("Turn %s could not be started", turn.id)
            turn.settle(Outcome("failed", str(HostLostError(turn.persona.name))))
        # The host has the turn by now: what follows competes with its thread for the interpreter.
        self._show(turn, THINKING)
        try:
            await self._watch(turn, waiting)
        finally:
            calls.ended = True

    async def _watch(self, turn: ActiveTurn, waiting: Waiting) -> None:
        """Record that the turn runs, and its replies while they grow."""
        self._services.ledger.started(turn.id)
        while True:
            await anyio.sleep(CHECKPOINT_SECONDS)
            await waiting.until_working()
            if (replies := turn.replies.checkpoint()) is not None:
                self._services.ledger.checkpoint(turn.id, replies)

    def _context(
        self, turn: ActiveTurn, path: str, history: Sequence[HistoryEntry]
    ) -> RequestContext:
        chat = self._chat.current
        return RequestContext(
            turn_id=turn.id,
            persona_id=turn.persona.id,
            persona_name=turn.persona.name,
            chat_id=chat.id,
            chat_path=path,
            message=turn.message,
            attachments=tuple(chat.attachments(turn.message.attachments)),
            person=turn.person,
            earlier=earlier_attachments(self._services.shown(history)),
        )

    def _requests(
        self, turn: ActiveTurn, context: RequestContext, group: TaskGroup, calls: ToolCalls
    ) -> TurnRequests:
        host_id = turn.host_id

        def answer(answer: TurnAnswer) -> None:
            self._services.hosts.answer(turn.persona, host_id, answer)

        about_chat = ChatRequests(self._services, self._chat.current, turn.persona).handlers
        handlers = {**calls.handlers, **about_chat, **self._services.request_handlers}
        return TurnRequests(handlers, context, answer, group, log=self._services.log)

    def _spec(
        self,
        turn: ActiveTurn,
        context: RequestContext,
        message: Message,
        history: tuple[HistoryEntry, ...],
        model: str | None,
        problem: str,
        instructions: str,
        tools: Sequence[ToolInfo],
    ) -> TurnSpec:
        """``message`` is the turn's message, with the prompt of an MCP server filled in."""
        persona = turn.persona
        return TurnSpec(
            turn_id=turn.host_id,
            persona_id=persona.id,
            persona_class=persona.class_path,
            persona_name=persona.name,
            chat_id=context.chat_id,
            chat_path=context.chat_path,
            message=message,
            speaker=history[-1].speaker,
            history=history,
            history_messages=self._settings.history_messages,
            history_tokens=self._settings.history_tokens,
            model=model,
            model_problem=problem,
            model_parameters=self._services.parameters_of(persona, model),
            system_prompt="\n\n".join(filter(None, [persona.system_prompt, instructions])),
            root_dir=self._settings.root_dir,
            base_url=self._settings.base_url,
            max_reply_chars=self._settings.max_reply_chars,
            config=self._services.config_of(persona),
            tools=tuple(tools),
            tool_bounds=self._services.tools.bounds,
            so_far=turn.so_far,
        )

    def _on_event(self, turn: ActiveTurn, requests: TurnRequests, event: HostEvent) -> None:
        if turn.outcome is not None or event.turn_id != turn.host_id:
            return
        if isinstance(event, ReplyOpened | MessageSent) and not turn.replies.any:
            self._services.metrics.first_text(turn.seconds)
        turn.replies.on_event(event)
        match event:
            case StatusChanged(_, text):
                self._status.show(turn.persona, turn.id, text or THINKING)
            case TurnRequested(_, request):
                requests.begin(request)
            case RequestWithdrawn(_, request_id):
                requests.withdraw(request_id)
            case TurnFinished():
                turn.settle(Outcome("done"))
            case TurnFailed():
                self._services.quarantine.failed(turn.persona.id, expected=event.expected)
                hint = RETRY if not event.expected and self._services.can_retry else ""
                turn.settle(Outcome("failed", event.text + hint, {"error": event.error_id}))
            case TurnLost(begun=False):
                turn.begin_again(turn.message)
            case TurnLost(reason=reason):
                if not event.blameless:
                    self._services.quarantine.failed(turn.persona.id, cause=reason)
                if reason and self._settings.resume_interrupted:
                    turn.lose(reason)
                else:
                    turn.settle(Outcome("failed", str(HostLostError(turn.persona.name, reason))))
