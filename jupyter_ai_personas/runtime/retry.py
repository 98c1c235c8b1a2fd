"""Runs turns of one chat again, for ``/retry`` and REST."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from jupyter_ai_personas.chat import RECENT, Message
from jupyter_ai_personas.errors import TurnStateError, UnknownTurnError
from jupyter_ai_personas.routing import Chain
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.ledger import TurnStep
from jupyter_ai_personas.runtime.scheduler import Scheduler
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.steps import is_whole, steps_to_retry
from jupyter_ai_personas.runtime.turn import ActiveTurn, TurnOrder, is_resumable

__all__ = ["RETRIABLE", "Retry"]

RETRIABLE = frozenset({"failed", "stopped", "interrupted", "rejected"})
"""The states of replies whose turns can run again."""


class Retry:
    """Runs turns again. ``ask`` submits turns and returns those that run."""

    def __init__(
        self,
        services: Services,
        chat: ChatHandle,
        scheduler: Scheduler,
        *,
        ask: Callable[[TurnOrder], Awaitable[list[ActiveTurn]]],
    ) -> None:
        self._services = services
        self._chat = chat
        self._scheduler = scheduler
        self._ask = ask

    def reply_of(self, turn_id: str) -> Message | None:
        """Return the latest reply of a turn among the last messages of the chat."""
        for message in reversed(self._chat.current.before(None, RECENT)):
            is_reply = message.by_persona and message.reply_to and not message.deleted
            if is_reply and message.metadata.get("turn") == turn_id:
                return message
        return None

    async def turn(self, turn_id: str, person: str) -> str:
        """Run a turn again for ``person``; return the id of the new one.

        Raises:
            UnknownTurnError: there is no reply of it.
            TurnStateError: it has not ended, or ended well, or cannot run again.
        """
        if turn_id in self._scheduler.turns:
            raise TurnStateError("This turn has not ended yet. Stop it first.")
        if (reply := self.reply_of(turn_id)) is None:
            raise UnknownTurnError
        return await self.reply(reply, person)

    async def reply(self, reply: Message, person: str) -> str:
        """Run the turn of a reply again for ``person``; return the id of the new turn.

        Raises:
            TurnStateError: it cannot run again.
        """
        if reply.state not in RETRIABLE:
            raise TurnStateError("Only a turn that failed or was stopped can run again.")
        request = self._chat.current.get(reply.reply_to or "")
        if request is None or request.deleted:
            raise TurnStateError("The message that it answers is gone. Send it again.")
        if reply.sender not in self._services.personas:
            raise TurnStateError("That persona is not installed any more.")
        if any(
            (turn.message.id, turn.persona.id) == (request.id, reply.sender)
            for turn in self._scheduler.turns.values()
        ):
            raise TurnStateError("That is asked again already.")
        self._services.quarantine.lift(reply.sender)
        turn_id, steps = await self._left_of(request, reply)
        order = TurnOrder(
            request,
            [reply.sender],
            Chain(request.id),
            person,
            rewrite=reply.id,
            anew=True,
            turn_id=turn_id,
            steps=steps,
        )
        turns = await self._ask(order)
        if not turns:
            raise TurnStateError("Another server is answering that.")
        return turns[0].id

    async def _left_of(
        self, request: Message, reply: Message
    ) -> tuple[str | None, Sequence[TurnStep]]:
        """Return id and steps of an interrupted turn if it can continue from them."""
        if reply.state == "interrupted" and is_resumable(self._services.personas[reply.sender]):
            # Look it up by chat, message and persona: a client can write any turn id.
            key = self._chat.id, request.id, reply.sender
            found = await self._services.ledger.interrupted(*key)
            if found is not None and is_whole(found[1]):
                return found[0], steps_to_retry(found[1])
        return None, ()
