"""Runs one turn in its host, and hands the host's events to its replies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.chat.history import earlier_attachments
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
    TurnFailed,
    TurnFinished,
    TurnLost,
    TurnRequested,
)
from jupyter_ai_personas.runtime.actor import Actor
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
from jupyter_ai_personas.runtime.waiting import Waiting
from jupyter_ai_personas.runtime.wording import (
    INTERRUPTED,
    RETRY,
    THINKING,
    may_have_happened,
)

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

    async def run(self, turn: ActiveTurn, actor: Actor) -> None:
        """Run a turn of ``actor`` until it has ended."""
        try:
            while turn.outcome is None:
                await self._attempt(turn, actor)
        finally:
            # When the server stops, partial replies are kept and marked as interrupted.
            self.cancel(turn)
            self._on_end(turn, Outcome("interrupted", INTERRUPTED))

    def cancel(self, turn: ActiveTurn) -> None:
        """Tell the host of a turn to end the attempt, and ignore its further events."""
        self._services.hosts.cancel(turn.persona, turn.host_id)

    async def _attempt(self, turn: ActiveTurn, actor: Actor) -> None:
        with turn.attempt() as scope:
            # Resolve once: wait for the slot of the model that is called.
            model, problem = self._services.model_in(self._chat.current, turn.persona)
            exclusive = self._services.exclusive.of(turn.persona, model)
            waiting = Waiting(turn, scope, actor, exclusive, show=self._show)
            async with waiting.slots(self._settings.turn_timeout) as group:
                turn.replies.begin()
                await self._work(turn, model, problem, group, waiting)
        if turn.wants_restart:
            self.cancel(turn)
            # Earlier steps answered the message before its edit.
            self._board.close(turn.id, "The message was edited.")
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
        self._board.close(turn.id, "The turn was cut off.")
        turn.settle(Outcome("failed", note))

    def _show(self, turn: ActiveTurn, status: str) -> None:
        # Call it in a task of the runtime: the room creates a task that sends the status.
        if turn.outcome is None:
            self._status.show(turn.persona, turn.id, status)

    async def _show_thinking(self, turn: ActiveTurn) -> None:
        self._show(turn, THINKING)

    async def _work(
        self,
        turn: ActiveTurn,
        model: str | None,
        problem: str,
        group: TaskGroup,
        waiting: Waiting,
    ) -> None:
        """Start the turn in its host, then record its progress until the attempt is cancelled."""
        # In a task: at once if the start has to wait, as for an MCP server, and else after the host
        # has the turn, whose thread it would compete with for the interpreter.
        group.start_soon(self._show_thinking, turn)
        calls = ToolCalls(
            self._services,
            turn,
            self._board,
            waiting=waiting,
            show=partial(self._show, turn),
        )
        try:
            await self._start(turn, model, problem, group, calls)
        except (HostUnavailableError, RequestRefusedError) as error:
            turn.settle(Outcome("failed", str(error)))
        except Exception:
            # A fault of ours: the persona runs behind the wall.
            self._services.log.exception("Turn %s could not be started", turn.id)
            turn.settle(Outcome("failed", str(HostLostError(turn.persona.name))))
        try:
            await self._watch(turn, waiting)
        finally:
            calls.ended = True

    async def _start(
        self,
        turn: ActiveTurn,
        model: str | None,
        problem: str,
        group: TaskGroup,
        calls: ToolCalls,
    ) -> None:
        """Start the turn in its host, with all that it is given."""
        services, settings, persona = self._services, self._settings, turn.persona
        path = self._chat.current.path  # once: the server looks it up
        instructions = await services.gathering.instructions(path)
        await services.tools.ready(persona, path)
        # The prompt of an MCP server is filled in.
        asks = await services.tools.expanded(persona, turn.message.body, path)
        message = replace(turn.message, body=asks)
        tools = services.tools.granted(persona, path)
        await calls.begin(tools)
        chat = self._chat.current
        history = services.history(chat, persona, message)
        context = RequestContext(
            turn_id=turn.id,
            persona_id=persona.id,
            persona_name=persona.name,
            chat_id=chat.id,
            chat_path=path,
            message=turn.message,
            attachments=tuple(chat.attachments(turn.message.attachments)),
            person=turn.person,
            earlier=earlier_attachments(services.shown(history)),
        )
        about_chat = ChatRequests(services, chat, persona).handlers
        requests = TurnRequests(
            {**calls.handlers, **about_chat, **services.request_handlers},
            context,
            partial(services.hosts.answer, persona, turn.host_id),
            group,
            log=services.log,
        )
        spec = TurnSpec(
            turn_id=turn.host_id,
            persona_id=persona.id,
            persona_class=persona.class_path,
            persona_name=persona.name,
            chat_id=context.chat_id,
            chat_path=path,
            message=message,
            speaker=history[-1].speaker,
            history=history,
            history_messages=settings.history_messages,
            history_tokens=settings.history_tokens,
            model=model,
            model_problem=problem,
            model_parameters=services.parameters_of(persona, model),
            system_prompt="\n\n".join(filter(None, [persona.system_prompt, instructions])),
            root_dir=settings.root_dir,
            base_url=settings.base_url,
            max_reply_chars=settings.max_reply_chars,
            config=services.config_of(persona),
            tools=tuple(tools),
            tool_bounds=services.tools.bounds,
            so_far=turn.so_far,
        )
        await services.hosts.start(persona, spec, partial(self._on_event, turn, requests))

    async def _watch(self, turn: ActiveTurn, waiting: Waiting) -> None:
        """Record that the turn runs, and its replies while they grow."""
        self._services.ledger.started(turn.id)
        while True:
            await anyio.sleep(CHECKPOINT_SECONDS)
            await waiting.until_working()
            turn.checkpoint(self._services.ledger)

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
