"""A ledger in memory, for tests and for chats without a file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from jupyter_ai_personas.runtime.ledger.base import TurnLedger
from jupyter_ai_personas.runtime.ledger.store import Step, Store

__all__ = ["MemoryLedger"]

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)


class MemoryLedger(TurnLedger):
    """The operations of :class:`Ledger` on a database in memory, at once and by one owner."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._closed = False

    @property
    def may_begin(self) -> bool:
        """See :meth:`TurnLedger.may_begin`: nothing runs again."""
        return True

    async def open(self) -> None:
        """See :meth:`TurnLedger.open`."""
        if self._store is not None:
            raise RuntimeError("The ledger was opened before")
        self._store = Store("memory", _LOG)

    async def aclose(self) -> None:
        """See :meth:`TurnLedger.aclose`."""
        if self._store is not None:
            self._closed = True
            self._store.db.close()

    async def _ask(self, step: Callable[[Store], _T], *, settle: bool = False) -> _T:
        if self._closed:
            raise RuntimeError("The ledger is closed")
        outcome: _T | Exception = self._take(step)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _do(self, step: Step) -> None:
        if not self._closed and isinstance(outcome := self._take(step), Exception):
            _LOG.error("A change of a turn is not recorded.", exc_info=outcome)

    def _take(self, step: Step) -> Any:
        if self._store is None:
            raise RuntimeError("The ledger is not open")
        return self._store.transact([step])[0]
