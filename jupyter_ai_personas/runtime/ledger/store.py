"""One connection to the rows, and the transactions of its thread."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jupyter_ai_personas.runtime.ledger.records import as_bytes, as_text
from jupyter_ai_personas.runtime.ledger.schema import DATABASE_ERRORS, transaction

__all__ = ["OneStatement", "Step", "Store"]


class OneStatement(partial[Any]):
    """A step of a single SQL statement, which is a transaction by itself."""


class _UndoneError(Exception):
    """Rolls a transaction back."""


class Store:
    """The rows of ``owner`` and others; ``alive`` checks whether another owner is alive.

    ``remember_s`` (seconds) and ``remember_most`` bound the tombstones, which are pruned after
    ``prune_every`` new ones.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        owner: str,
        *,
        alive: Callable[[str], bool],
        remember_s: float,
        remember_most: int,
        log: logging.Logger,
        prune_every: int = 1000,
    ) -> None:
        self.db = db
        self.me = as_bytes(owner)
        self._alive = alive
        self.remember_s = remember_s
        self.remember_most = remember_most
        self.log = log
        self.prune_every = prune_every
        self.since_prune = 0

    def is_anothers(self, owner: object) -> bool:
        """Return whether the rows of ``owner`` belong to another live server."""
        if owner == self.me:
            return False
        try:
            return self._alive(as_text(owner))
        except ValueError:
            return False

    def transact(self, steps: Sequence[Step]) -> list[Any]:
        """Run ``steps`` in one transaction; return each result or exception.

        Raises one of :data:`DATABASE_ERRORS` if the database fails: then no step has an effect.
        """
        if len(steps) == 1 and isinstance(steps[0], OneStatement):
            # Each statement releases the interpreter's lock. Getting it back takes longer than the
            # statement while the event loop works, and a caller waits for this one.
            return [self._take(steps[0])]
        outcomes: list[Any] = []
        with contextlib.suppress(_UndoneError), transaction(self.db):
            if len(steps) > 1:
                outcomes = [self._take_one_of_many(step) for step in steps]
            else:
                outcomes = [self._take(step) for step in steps]
                if any(isinstance(outcome, Exception) for outcome in outcomes):
                    raise _UndoneError
        return outcomes

    def _take(self, step: Step) -> Any:
        try:
            return step(self)
        except (sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as error:
            return error  # of what the caller gave
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            return error

    def _take_one_of_many(self, step: Step) -> Any:
        self.db.execute("SAVEPOINT step")
        outcome = self._take(step)
        if isinstance(outcome, Exception):
            self.db.execute("ROLLBACK TO step")
        self.db.execute("RELEASE step")
        return outcome


Step = Callable[[Store], Any]
