"""One connection to the rows, and the transactions of its thread."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jupyter_ai_personas.runtime.ledger.records import as_bytes
from jupyter_ai_personas.runtime.ledger.schema import DATABASE_ERRORS, connect

__all__ = ["Step", "Store", "Value"]

_FAULTS_OF_VALUES = (sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
Value = str | bytes | float | None


class Store:
    """The rows of ``owner`` in a database in memory.

    ``since_prune`` is the number of tombstones that were added since the last pruning.
    """

    def __init__(self, owner: str, log: logging.Logger) -> None:
        self.db = connect()
        self.me = as_bytes(owner)
        self.log = log
        self.since_prune = 0

    def execute(self, statement: str, values: Iterable[Value]) -> sqlite3.Cursor:
        """Execute a statement; text is stored and compared as bytes, see :func:`as_bytes`."""
        return self.db.execute(
            statement, [as_bytes(v) if isinstance(v, str) else v for v in values]
        )

    def is_anothers(self, owner: object) -> bool:
        """Return whether the rows of ``owner`` belong to another live server."""
        return owner != self.me

    def transact(self, steps: Sequence[Step]) -> list[Any]:
        """Run ``steps`` in one transaction; return each result or exception.

        Raises one of :data:`DATABASE_ERRORS` if the database fails: then no step has an effect.
        """
        self.db.execute("BEGIN IMMEDIATE")
        with self.db:
            return [self._take(step) for step in steps]

    def _take(self, step: Step) -> Any:
        self.db.execute("SAVEPOINT step")
        try:
            outcome = step(self)
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS) and not isinstance(error, _FAULTS_OF_VALUES):
                raise
            self.db.execute("ROLLBACK TO step")
            outcome = error
        self.db.execute("RELEASE step")
        return outcome


Step = Callable[[Store], Any]
