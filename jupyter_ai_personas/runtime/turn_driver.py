"""One turn from its beginning to its end: its host works, its replies grow."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.chat.history import read_history
from jupyter_ai_personas.errors import HostLostError, TurnTimeoutError
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
from jupyter_ai_personas.routing import Chain, Limits, address
from jupyter_ai_personas.runtime.presence import WAITING
from jupyter_ai_personas.runtime.recovery import INTERRUPTED
from jupyter_ai_personas.runtime.requests import RequestContext, TurnRequests
from jupyter_ai_personas.runtime.turn import ActiveTurn, Outcome

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime.chat_runtime import ChatRuntime

__all__ = ["TurnDriver"]

STARTED_SECONDS = 0.02
"""How long a turn has run when the ledger is told that it does."""

CHECKPOINT_SECONDS = 1.0
"""How often the ledger is told what a growing reply has so far."""


MOST_TOLD = 1000
"""How many messages are remembered of which people were told that a bound cut them."""


class TurnDriver:
    """Drives the turns of one chat; :meth:`run` is what its actors call."""

    def __init__(self, served: ChatRuntime) -> None:
        self._served = served
        self._runtime = served.runtime
        self._settings = served.settings
        self._told: dict[str, None] = {}

    async def run(self, turn: ActiveTurn) -> None:
        """Run a turn until it has ended, whatever ends it."""
        if turn.phase == "ended" or (self._served.is_stopping and self._served.lasts):
            return
        turn.phase, turn.began_at = "running", time.time()
        try:
            while turn.outcome is None:
                await self._attempt(turn)
        finally:
            # Also when the server stops: what is written stays, and says what became of it.
            outcome = turn.outcome or Outcome("interrupted", INTERRUPTED)
            self._served.cancel_in_host(turn)
            self._served.end(turn, outcome)
        # Who asks one persona, once, is answered by that one: what it says to others goes nowhere.
        if outcome.state == "done" and self._served.lasts:
            written = turn.replies.written
            await self.pass_on(turn.persona.id, written, turn.chain, person=turn.person)
        self._served.end_if_left()

    async def _attempt(self, turn: ActiveTurn) -> None:
        turn.restart = False
        # Looked up once: the place that is waited for is of the model that answers.
        model, problem = self._served.model_of(turn.persona)
        with anyio.CancelScope() as turn.scope:
            async with self._runtime.alone(
                turn.persona, model, on_wait=lambda: self._show(turn, WAITING)
            ):
                # Whoever had to wait has all the time that a turn may take.
                turn.scope.deadline = anyio.current_time() + self._settings.turn_timeout
                turn.replies.begin()
                async with anyio.create_task_group() as group:
                    await self._work(turn, model, problem, self._requests(turn, group))
        if turn.outcome is None and not turn.restart:
            error = TurnTimeoutError(turn.persona.name, self._settings.turn_timeout)
            turn.settle(Outcome("failed", str(error)))
        if turn.outcome is None:
            self._served.cancel_in_host(turn)
            turn.attempt += 1
            turn.replies.restart()

    def _show(self, turn: ActiveTurn, status: str) -> None:
        # Only in a task: the room sends it from one of its own, which nothing else can start.
        if turn.outcome is None:
            self._served.presence.show(turn.persona, turn.id, status)

    async def _work(
        self, turn: ActiveTurn, model: str | None, problem: str, requests: TurnRequests
    ) -> None:
        """Let the host work, until the turn is settled, which cancels this."""
        if not self._runtime.hosts.is_open(turn.persona):
            self._show(turn, "is thinking")
        try:
            instructions = await self._runtime.gathering.instructions(self._served.chat.path)
            spec = self._spec(turn, model, problem, instructions)
            await self._runtime.hosts.start(
                turn.persona, spec, lambda event: self._on_event(turn, requests, event)
            )
        except Exception:
            # Ours, not the persona's: it runs behind the wall.
            self._served.log.exception("Turn %s could not be started", turn.id)
            turn.settle(Outcome("failed", str(HostLostError(turn.persona.name))))
        # After the host has it: what follows would compete with the host's thread for the start.
        self._show(turn, "is thinking")
        # The ledger's thread would as well. What ends sooner is recorded as finished anyway.
        await anyio.sleep(STARTED_SECONDS)
        self._served.ledger.started(turn.id)
        while True:
            await anyio.sleep(CHECKPOINT_SECONDS)
            if (replies := turn.replies.checkpoint()) is not None:
                self._served.ledger.checkpoint(turn.id, replies)

    def _requests(self, turn: ActiveTurn, group: TaskGroup) -> TurnRequests:
        chat, host_id = self._served.chat, turn.host_id
        context = RequestContext(
            turn_id=turn.id,
            persona_id=turn.persona.id,
            persona_name=turn.persona.name,
            chat_id=chat.id,
            chat_path=chat.path,
            message=turn.message,
            attachments=tuple(chat.attachments(turn.message.attachments)),
            person=turn.person,
        )
        return TurnRequests(
            self._runtime.request_handlers,
            context,
            lambda answer: self._runtime.hosts.answer(turn.persona, host_id, answer),
            group,
            log=self._served.log,
        )

    def _spec(
        self, turn: ActiveTurn, model: str | None, problem: str, instructions: str
    ) -> TurnSpec:
        persona, message = turn.persona, turn.message
        sender = self._served.chat.user(message.sender)
        return TurnSpec(
            turn_id=turn.host_id,
            persona_id=persona.id,
            persona_class=persona.class_path,
            persona_name=persona.name,
            chat_id=self._served.chat.id,
            chat_path=self._served.chat.path,
            message=message,
            speaker=sender.shown_name if sender is not None else message.sender,
            history=read_history(
                self._served.chat,
                reader=persona.id,
                until=message,
                max_messages=self._settings.history_messages,
                max_chars=self._settings.history_chars,
                is_command=self._runtime.commands.names,
            ),
            model=model,
            model_problem=problem,
            system_prompt="\n\n".join(filter(None, [persona.system_prompt, instructions])),
            root_dir=self._settings.root_dir,
            max_reply_chars=self._settings.max_reply_chars,
            config=self._runtime.config_of(persona),
        )

    def _on_event(self, turn: ActiveTurn, requests: TurnRequests, event: HostEvent) -> None:
        if turn.outcome is not None or event.turn_id != turn.host_id:
            return
        if isinstance(event, ReplyOpened | MessageSent) and not turn.replies.any:
            self._runtime.metrics.first_text(turn)
        turn.replies.on_event(event)
        match event:
            case StatusChanged(_, text):
                self._served.presence.show(turn.persona, turn.id, text or "is thinking")
            case TurnRequested(_, request):
                requests.begin(request)
            case RequestWithdrawn(_, request_id):
                requests.withdraw(request_id)
            case TurnFinished():
                turn.settle(Outcome("done"))
            case TurnFailed():
                self._runtime.quarantine.failed(turn.persona.id, expected=event.expected)
                again = not event.expected and self._served.lasts
                note = event.text + (" `/retry` asks it again." if again else "")
                turn.settle(Outcome("failed", note, {"error": event.error_id}))
            case TurnLost(begun=False):
                turn.begin_again(turn.message)
            case TurnLost():
                self._runtime.quarantine.failed(turn.persona.id)
                turn.settle(Outcome("failed", str(HostLostError(turn.persona.name))))

    async def pass_on(
        self,
        speaker: str,
        written: Iterable[tuple[str, str]],
        chain: Chain,
        *,
        person: str,
        again: bool = False,
    ) -> None:
        """Address the personas that finished replies (message id, body) of ``speaker`` mention.

        ``again``: a crash may have come in between; nobody is told again of a bound.
        """
        turns_of_root, root = self._served.turns_of_root, chain.root
        for message_id, body in written:
            allowed, further, cut = chain.next(
                speaker,
                address(body, (), self._runtime.personas.names),
                self._runtime.limits,
                turns_so_far=turns_of_root.get(root, 0),
            )
            reply = self._served.chat.get(message_id)
            if allowed and reply is not None and not reply.deleted:
                # Counted before anything is awaited: replies that end together share the budget.
                turns_of_root[root] = turns_of_root.get(root, 0) + len(allowed)
                await self._served.accept(reply, allowed, further, person=person)
            if cut is not None and not again and root not in self._told:
                # Once a message, however many replies the bound cuts.
                self._told[root] = None
                while len(self._told) > MOST_TOLD:
                    del self._told[next(iter(self._told))]
                self._served.notify(_cut_notice(cut, self._runtime.limits), reply_to=message_id)


def _cut_notice(cut: str, limits: Limits) -> str:
    if cut == "hops":
        return (
            f"The personas have passed this on {limits.max_hops} times; it ends here. Mention one "
            "to go on."
        )
    return (
        f"One message may cause {limits.max_turns} turns; the rest is left out. Mention a persona "
        "to go on."
    )
