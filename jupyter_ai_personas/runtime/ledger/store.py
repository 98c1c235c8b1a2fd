"""One connection to the rows, and the transactions of its thread."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_ai_personas.runtime.ledger.records import as_bytes, as_text
from jupyter_ai_personas.runtime.ledger.schema import DATABASE_ERRORS, transaction

__all__ = ["Step", "Store"]


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
        with transaction(self.db):
            return [self._take(step) for step in steps]

    def _take(self, step: Step) -> Any:
        self.db.execute("SAVEPOINT step")
        try:
            outcome = step(self)
        except (sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as error:
            outcome = error  # of what the caller gave
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            outcome = error
        if isinstance(outcome, Exception):
            self.db.execute("ROLLBACK TO step")
        self.db.execute("RELEASE step")
        return outcome


Step = Callable[[Store], Any]
