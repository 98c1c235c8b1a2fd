"""One turn from its beginning to its end: its host works, its replies grow."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import anyio

from jupyter_ai_personas.chat.history import MOST_MESSAGES, read_history
from jupyter_ai_personas.errors import HostLostError, TurnTimeoutError
from jupyter_ai_personas.hosts import Failure, HostEvent
from jupyter_ai_personas.personas import TurnSpec
from jupyter_ai_personas.routing import Chain, Limits, address
from jupyter_ai_personas.runtime.presence import WAITING
from jupyter_ai_personas.runtime.recovery import INTERRUPTED
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
                await self._work(turn, model, problem)
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

    async def _work(self, turn: ActiveTurn, model: str | None, problem: str) -> None:
        """Let the host work, until the turn is settled, which cancels this."""
        if not self._runtime.hosts.is_open(turn.persona):
            self._show(turn, "is thinking")
        try:
            spec = self._spec(turn, model, problem)
            await self._runtime.hosts.start(
                turn.persona, spec, lambda event: self._on_event(turn, event)
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

    def _spec(self, turn: ActiveTurn, model: str | None, problem: str) -> TurnSpec:
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
                max_messages=max(MOST_MESSAGES, self._settings.history_messages),
                max_chars=self._settings.history_chars,
                is_command=self._runtime.commands.names,
            ),
            history_messages=self._settings.history_messages,
            history_tokens=self._settings.history_tokens,
            attachments=tuple(self._served.chat.attachments(message.attachments)),
            model=model,
            model_problem=problem,
            system_prompt=persona.system_prompt,
            root_dir=self._settings.root_dir,
            has_files=self._settings.has_files,
            max_reply_chars=self._settings.max_reply_chars,
            config=self._runtime.config_of(persona),
        )

    def _on_event(self, turn: ActiveTurn, event: HostEvent) -> None:
        if turn.outcome is not None or event.turn_id != turn.host_id:
            return
        kind, data = event.kind, event.data
        if kind in ("opened", "message") and not turn.replies.any:
            self._runtime.metrics.first_text(turn)
        turn.replies.on_event(event)
        if kind == "status":
            self._served.presence.show(turn.persona, turn.id, data or "is thinking")
        elif kind == "end":
            turn.settle(Outcome("done"))
        elif kind == "failed":
            failure: Failure = data
            self._runtime.quarantine.failed(turn.persona.id, expected=failure.expected)
            again = "" if failure.expected or not self._served.lasts else " `/retry` asks it again."
            turn.settle(Outcome("failed", failure.text + again, {"error": failure.error_id}))
        elif kind == "lost" and data:
            turn.begin_again(turn.message)
        elif kind == "lost":
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
