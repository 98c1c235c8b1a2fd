"""The operations of a ledger; each is one step on the database, see :class:`Store`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from jupyter_ai_personas.runtime.ledger import tool_queries, turn_queries
from jupyter_ai_personas.runtime.ledger.records import (
    FinalState,
    ReplySnapshot,
    TurnRecord,
    TurnStep,
)
from jupyter_ai_personas.runtime.ledger.store import Step, Store

__all__ = ["TurnLedger"]

_T = TypeVar("_T")


class TurnLedger(ABC):
    """The record of accepted, unfinished turns.

    Methods raise :class:`RuntimeError` before :meth:`open`; asynchronous ones also do so after
    :meth:`aclose`. Synchronous methods take effect in the order of the calls.
    """

    @property
    def recorded(self) -> bool:
        """Whether records survive a crash at present."""
        return False

    @property
    def may_begin(self) -> bool:
        """Whether what has an effect may begin: a crash does not repeat it.

        Either it is recorded, or nothing that is lost runs again.
        """
        return self.recorded

    @abstractmethod
    async def open(self) -> None:
        """Begin to record; end with :meth:`aclose`.

        Raises:
            RuntimeError: it was opened before.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Write all records and close. Bounded in time; idempotent."""

    @abstractmethod
    async def _ask(self, step: Callable[[Store], _T], *, settle: bool = False) -> _T:
        """Run a step and return its answer; ``settle``: after the pending checkpoints."""

    @abstractmethod
    def _do(self, step: Step) -> None:
        """Run a step soon."""

    async def accept(self, records: Sequence[TurnRecord]) -> list[bool]:
        """Record accepted turns; they are durable when this returns.

        Returns ``False`` for each message and persona that are known in that chat already, open or
        finished: do not answer those again. If the wait is cancelled, :meth:`open_turns` finds
        the records that were written.

        Raises:
            ValueError: a turn id belongs to another message or persona; none was recorded.
        """
        return await self._ask(partial(turn_queries.accept, records=tuple(records)))

    async def reopen(self, record: TurnRecord, *, steps: Sequence[TurnStep] | None = ()) -> bool:
        """Replace the record of the same chat, message and persona, for a retry or restart.

        It has ``steps`` then, and no others; ``None`` leaves the turn those that it has. Durable
        when this returns. Returns ``False`` and changes nothing if another live server has that
        turn.

        Raises:
            ValueError: the turn id belongs to another message or persona.
        """
        steps = None if steps is None else tuple(steps)
        return await self._ask(partial(turn_queries.reopen, record=record, steps=steps))

    async def interrupted(
        self, chat_id: str, message_id: str, persona_id: str
    ) -> tuple[str, list[TurnStep]] | None:
        """Return the id and the steps of a turn that was interrupted, if it has readable steps."""
        return await self._ask(
            partial(
                tool_queries.interrupted,
                chat_id=chat_id,
                message_id=message_id,
                persona_id=persona_id,
            )
        )

    # -- steps ------------------------------------------------------------------------------

    async def add_step(self, turn_id: str, step: TurnStep) -> bool:
        """Record a step of an unfinished turn; it is durable when this returns ``True``.

        ``False``: the turn is finished, unknown, or another live server's.
        """
        return await self._ask(partial(tool_queries.add_step, turn_id=turn_id, step=step))

    async def steps(self, turn_id: str) -> list[TurnStep] | None:
        """Return the steps of a turn in order, ``None`` if one cannot be read."""
        return await self._ask(partial(tool_queries.steps, turn_id=turn_id))

    def clear_steps(self, turn_id: str) -> None:
        """Forget the steps of a turn of ours that begins anew."""
        self._do(partial(tool_queries.clear_steps, turn_id=turn_id))

    async def waiting_turns(self) -> list[tuple[str, str, list[TurnStep]]]:
        """Return turn id, path of the chat and steps of unfinished turns that have asked people.

        Those of other live servers are left out.
        """
        return await self._ask(tool_queries.waiting_turns)

    # -- grants of a chat -------------------------------------------------------------------

    async def allow(self, chat_id: str, persona_id: str, tool: str, *, by: str) -> None:
        """Record that a tool of a persona needs no approval in a chat; ``by`` is a username."""
        step = partial(tool_queries.allow, chat_id=chat_id, persona_id=persona_id, tool=tool, by=by)
        await self._ask(step)

    async def allowed(self, chat_id: str) -> set[tuple[str, str]]:
        """Return persona id and tool of each grant in a chat."""
        return await self._ask(partial(tool_queries.allowed, chat_id=chat_id))

    async def disallow(self, chat_id: str) -> None:
        """Revoke all grants of a chat."""
        await self._ask(partial(tool_queries.disallow, chat_id=chat_id))

    # -- changes by turns -------------------------------------------------------------------

    async def add_change(
        self, chat_id: str, turn_id: str, persona_id: str, data: bytes, *, undoable: bool
    ) -> None:
        """Record a change by a turn; it is kept after the turn's end."""
        await self._ask(
            partial(
                tool_queries.add_change,
                chat_id=chat_id,
                turn_id=turn_id,
                persona_id=persona_id,
                data=data,
                undoable=undoable,
            )
        )

    async def changes(self, turn_id: str) -> list[bytes]:
        """Return the changes of a turn, oldest first."""
        return await self._ask(partial(tool_queries.changes, turn_id=turn_id))

    async def latest_changed(
        self, chat_id: str, persona_id: str | None = None
    ) -> tuple[str, str] | None:
        """Return turn id and persona id of the latest change in a chat that can be undone."""
        step = partial(tool_queries.latest_changed, chat_id=chat_id, persona_id=persona_id)
        return await self._ask(step)

    async def forget_changes(self, turn_id: str) -> None:
        """Delete the changes of a turn."""
        await self._ask(partial(tool_queries.forget_changes, turn_id=turn_id))

    async def open_turns(
        self, chat_id: str, is_copy: Callable[[str], bool] = lambda path: False
    ) -> list[TurnRecord]:
        """Return the chat's turns that are ours, in the order of acceptance, to recover them.

        Claims the turns of dead owners in the same transaction, so one of two servers gets them,
        except those accepted at a path where ``is_copy`` finds another chat with the same id
        (called in the ledger's thread). Includes turns that run in this process.
        """
        step = partial(turn_queries.open_turns, chat_id=chat_id, is_copy=is_copy)
        return await self._ask(step, settle=True)

    async def chat_of(self, turn_id: str) -> tuple[str, str] | None:
        """Return id and path of the chat of a turn, open or finished; its chat may be closed.

        ``None``: the turn is unknown, or another live server's.
        """
        return await self._ask(partial(turn_queries.chat_of, turn_id=turn_id))

    async def adopt(self, chat_id: str, path: str, *, since: float) -> None:
        """Give a chat the turns that dead owners accepted at its path: its id was never saved.

        ``since`` is when the chat's file was made, in seconds since the epoch: turns accepted
        earlier are of another file that was there.
        """
        await self._ask(partial(turn_queries.adopt, chat_id=chat_id, path=path, since=since))

    async def known(self, chat_id: str, message_ids: Sequence[str]) -> set[tuple[str, str]]:
        """Return (message id, persona id) for each turn of those messages, open or finished."""
        return await self._ask(
            partial(turn_queries.known, chat_id=chat_id, message_ids=tuple(message_ids))
        )

    async def flush(self) -> None:
        """Wait until everything recorded so far is in the file, checkpoints too."""
        await self._ask(lambda store: None, settle=True)

    def keep(self, record: TurnRecord) -> None:
        """Record ``record`` as :meth:`reopen` does, without waiting and without an answer."""
        self._do(partial(turn_queries.reopen, record=record))

    def started(self, turn_id: str) -> None:
        """Record that an accepted turn runs."""
        self._do(partial(turn_queries.started, turn_id=turn_id))

    def checkpoint(self, turn_id: str, replies: Sequence[ReplySnapshot]) -> None:
        """Record the replies so far. Frequent calls are cheap."""
        self._do(partial(turn_queries.checkpoint, turn_id=turn_id, replies=tuple(replies)))

    def finish(self, turn_id: str, state: FinalState, replies: Sequence[ReplySnapshot]) -> None:
        """Record the end and the final replies; later calls for this turn have no effect."""
        step = partial(turn_queries.finish, turn_id=turn_id, state=state, replies=tuple(replies))
        self._do(step)

    def saved(self, chat_id: str, turn_ids: Sequence[str]) -> None:
        """Record that the document with the final replies is saved: delete finished turns.

        A tombstone of each remains. Unfinished turns are not changed, nor are interrupted ones
        with steps, from which a retry continues.
        """
        self._do(partial(turn_queries.saved, chat_id=chat_id, turn_ids=tuple(turn_ids)))

    def refuse(self, chat_id: str, message_id: str, persona_ids: Sequence[str]) -> None:
        """Record that these personas must not answer a message; their turns, if any, stay."""
        step = partial(
            turn_queries.refuse,
            chat_id=chat_id,
            message_id=message_id,
            persona_ids=tuple(persona_ids),
        )
        self._do(step)

    def carry_over(self, chat_id: str, to: str) -> None:
        """Record that the chat ``chat_id`` has the id ``to`` from now on, as its file says."""
        self._do(partial(turn_queries.carry_over, chat_id=chat_id, to=to))

    def forget(self, turn_id: str) -> None:
        """Delete a withdrawn turn without a tombstone: its message may be accepted again."""
        self._do(partial(turn_queries.forget, turn_id=turn_id))
