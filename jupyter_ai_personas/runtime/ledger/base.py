"""The operations of a ledger; each is one step on the database, see :class:`Store`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from jupyter_ai_personas.runtime.ledger import tool_queries, turn_queries
from jupyter_ai_personas.runtime.ledger.store import Step, Store

__all__ = ["TurnLedger"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _asked(
    step: Callable[Concatenate[Store, _P], _T], *, settle: bool = False
) -> Callable[Concatenate[TurnLedger, _P], Coroutine[Any, Any, _T]]:
    """Return the method that awaits ``step``; ``settle`` as in :meth:`TurnLedger._ask`."""

    @wraps(step)
    async def method(self: TurnLedger, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._ask(lambda store: step(store, *args, **kwargs), settle=settle)

    return method


def _told(
    step: Callable[Concatenate[Store, _P], object],
) -> Callable[Concatenate[TurnLedger, _P], None]:
    """Return the method that has ``step`` run soon, without an answer."""

    @wraps(step)
    def method(self: TurnLedger, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        self._do(lambda store: step(store, *args, **kwargs))

    return method


class TurnLedger(ABC):
    """The record of accepted, unfinished turns.

    Methods raise :class:`RuntimeError` before :meth:`open`; asynchronous ones also do so after
    :meth:`aclose`. Synchronous methods take effect in the order of the calls; what is passed to
    them must not change afterwards.
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

    async def flush(self) -> None:
        """Wait until everything recorded so far is in the file, checkpoints too."""
        await self._ask(lambda store: None, settle=True)

    accept = _asked(turn_queries.accept)
    # The replies so far of the turn that is replaced must not be written later.
    reopen = _asked(turn_queries.reopen, settle=True)
    keep = _told(turn_queries.reopen)
    started = _told(turn_queries.started)
    checkpoint = _told(turn_queries.checkpoint)
    finish = _told(turn_queries.finish)
    saved = _told(turn_queries.saved)
    refuse = _told(turn_queries.refuse)
    forget = _told(turn_queries.forget)
    known = _asked(turn_queries.known)
    open_turns = _asked(turn_queries.open_turns, settle=True)
    chat_of = _asked(turn_queries.chat_of)
    adopt = _asked(turn_queries.adopt)
    carry_over = _told(turn_queries.carry_over)

    add_step = _asked(tool_queries.add_step)
    steps = _asked(tool_queries.steps)
    interrupted = _asked(tool_queries.interrupted)
    clear_steps = _told(tool_queries.clear_steps)
    waiting_turns = _asked(tool_queries.waiting_turns)

    allow = _asked(tool_queries.allow)
    allowed = _asked(tool_queries.allowed)
    disallow = _asked(tool_queries.disallow)

    add_change = _asked(tool_queries.add_change)
    changes = _asked(tool_queries.changes)
    latest_changed = _asked(tool_queries.latest_changed)
    forget_changes = _asked(tool_queries.forget_changes)
