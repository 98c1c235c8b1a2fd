"""SQL for the rows, on one connection, for its thread."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from jupyter_ai_personas.runtime.ledger.records import (
    FinalState,
    ReplySnapshot,
    TurnRecord,
    TurnStep,
    as_bytes,
    as_text,
    decode_replies,
    decode_row,
    decode_step,
    encode_replies,
    encode_request,
    encode_step,
)
from jupyter_ai_personas.runtime.ledger.schema import (
    COLUMNS,
    DATABASE_ERRORS,
    KEY,
    TOMBSTONES,
    TURNS,
    Contents,
    read_all,
    transaction,
)

__all__ = ["OneStatement", "Queries", "Step"]

_AT_ONCE = 500
_INSERT_TURN = f"INTO turns ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_STEP = "INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?)"
_IS_KNOWN = (
    f"(EXISTS (SELECT 1 FROM turns WHERE {KEY}) OR EXISTS (SELECT 1 FROM tombstones WHERE {KEY}))"
)
_IS_TAKEN = "EXISTS (SELECT 1 FROM turns WHERE turn_id = ?)"
_LOOK = f"SELECT {_IS_KNOWN}, {_IS_TAKEN}"
_INSERT_NEW = (
    f"INSERT INTO turns ({COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"
    f" WHERE NOT {_IS_KNOWN} AND NOT {_IS_TAKEN}"
)

# A retry continues from the steps.
_CAN_GO_ON = (
    "(final_state = CAST('interrupted' AS BLOB)"
    " AND EXISTS (SELECT 1 FROM steps WHERE steps.turn_id = turns.turn_id))"
)

Step = Callable[["Queries"], Any]


class OneStatement(partial[Any]):
    """A step of a single SQL statement, which is a transaction by itself."""


_MOST_CHANGES = 5000
"""Maximum number of changes kept."""


class _UndoneError(Exception):
    """Rolls a transaction back."""


class Queries:
    """The operations of a ledger for ``owner``; ``alive`` checks whether others are alive.

    All but :meth:`transact`, :meth:`fill_from` and :meth:`update_from` are steps of a transaction.
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
        self._me = as_bytes(owner)
        self._alive = alive
        self._remember_s = remember_s
        self._remember_most = remember_most
        self._log = log
        self._prune_every = prune_every
        self._since_prune = 0

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

    def accept(self, records: Sequence[TurnRecord]) -> list[bool]:
        """Write the records whose keys are not known; return which were written."""
        return [self._insert(record) for record in records]

    def _insert(self, row: TurnRecord) -> bool:
        """Write ``row`` unless its key is known; return whether it was written."""
        turn_id, key = as_bytes(row.turn_id), [as_bytes(part) for part in row.key]
        columns = (
            turn_id,
            *key,
            as_bytes(row.state),
            None if row.final_state is None else as_bytes(row.final_state),
            float(row.accepted_at),
            encode_request(row),
            self._me,
        )
        looked_at = (*key, *key, turn_id)
        if self.db.execute(_INSERT_NEW, (*columns, *looked_at)).rowcount == 1:
            if row.replies:
                self._set_replies(turn_id, row.replies)
            return True
        is_known, is_taken = self.db.execute(_LOOK, looked_at).fetchone()
        if is_taken and not is_known:
            raise ValueError(f"Turn {row.turn_id} is of another message or persona")
        return False

    def _set_replies(self, turn_id: bytes, replies: Sequence[ReplySnapshot]) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO replies VALUES (?, ?)", (turn_id, encode_replies(replies))
        )

    def started(self, turn_id: str) -> bool:
        """Record that an accepted turn runs; return whether it is ours and unfinished."""
        mine = (as_bytes(turn_id), self._me)
        self.db.execute(
            "UPDATE turns SET state = ? WHERE turn_id = ? AND owner = ? AND state = ?",
            (b"running", *mine, b"accepted"),
        )
        return bool(
            self.db.execute(
                "SELECT 1 FROM turns WHERE turn_id = ? AND owner = ? AND state = ?",
                (*mine, b"running"),
            ).fetchone()
        )

    def checkpoint(self, turn_id: str, replies: Sequence[ReplySnapshot]) -> None:
        """Store the replies so far of an unfinished turn."""
        if self.started(turn_id):
            self._set_replies(as_bytes(turn_id), replies)

    def finish(self, turn_id: str, state: FinalState, replies: Sequence[ReplySnapshot]) -> None:
        """Store the final replies; the first end of a turn counts."""
        if self.started(turn_id):
            self.db.execute(
                "UPDATE turns SET state = ?, final_state = ? WHERE turn_id = ?",
                (b"finished", as_bytes(state), as_bytes(turn_id)),
            )
            self._set_replies(as_bytes(turn_id), replies)

    def saved(self, chat_id: str, turn_ids: Sequence[str]) -> None:
        """Replace finished turns by their tombstones, but for interrupted ones with steps."""
        for turn_id in turn_ids:
            bury = self.db.execute(
                "INSERT OR REPLACE INTO tombstones SELECT chat_id, message_id, persona_id, ?"
                " FROM turns WHERE turn_id = ? AND chat_id = ? AND owner = ? AND state = ?"
                f" AND NOT {_CAN_GO_ON}",
                (time.time(), as_bytes(turn_id), as_bytes(chat_id), self._me, b"finished"),
            )
            if bury.rowcount:
                self.forget(turn_id)
                self._since_prune += 1
        if self._since_prune >= self._prune_every:
            self.prune()

    def refuse(self, chat_id: str, message_id: str, persona_ids: Sequence[str]) -> None:
        """Add a tombstone for each persona that must not answer the message."""
        for persona_id in persona_ids:
            key = [as_bytes(part) for part in (chat_id, message_id, persona_id)]
            self.db.execute(
                f"INSERT OR IGNORE INTO tombstones SELECT ?, ?, ?, ?"
                f" WHERE NOT EXISTS (SELECT 1 FROM turns WHERE {KEY})",
                (*key, time.time(), *key),
            )
            self._since_prune += 1
        if self._since_prune >= self._prune_every:
            self.prune()

    def forget(self, turn_id: str) -> None:
        """Delete a turn of ours without a tombstone."""
        self.db.execute(
            "DELETE FROM turns WHERE turn_id = ? AND owner = ?", (as_bytes(turn_id), self._me)
        )

    def reopen(self, record: TurnRecord, *, steps: Sequence[TurnStep] = ()) -> bool:
        """Write ``record`` in place of what has its key, unless a live server has that."""
        key = [as_bytes(part) for part in record.key]
        there = self.db.execute(f"SELECT owner, turn_id FROM turns WHERE {KEY}", key).fetchone()
        if there and self._is_anothers(there[0]):
            return False
        for table in ("turns", "tombstones"):
            self.db.execute(f"DELETE FROM {table} WHERE {KEY}", key)
        inserted = self._insert(record)
        turn_id = as_bytes(record.turn_id)
        rows = [
            (turn_id, number, as_bytes(step.kind), encode_step(step))
            for number, step in enumerate(steps, 1)
        ]
        self.db.executemany(_INSERT_STEP, rows)
        return inserted

    def interrupted(
        self, chat_id: str, message_id: str, persona_id: str
    ) -> tuple[str, list[TurnStep]] | None:
        """Return the id and the steps of a turn that was interrupted, if it has readable steps."""
        key = [as_bytes(part) for part in (chat_id, message_id, persona_id)]
        there = self.db.execute(
            f"SELECT turn_id FROM turns WHERE {KEY} AND state = ? AND final_state = ?",
            (*key, b"finished", b"interrupted"),
        ).fetchone()
        steps = self.steps(as_text(there[0])) if there else None
        return (as_text(there[0]), steps) if there and steps else None

    # -- steps ------------------------------------------------------------------------------

    def _steps_of(self, turn_id: bytes) -> list[tuple[int, bytes, bytes]]:
        return self.db.execute(
            "SELECT number, kind, data FROM steps WHERE turn_id = ? ORDER BY number", (turn_id,)
        ).fetchall()

    def add_step(self, turn_id: str, step: TurnStep) -> bool:
        """Add a step to a turn that is not finished, claimed if its owner is dead."""
        turn = as_bytes(turn_id)
        found = self.db.execute("SELECT owner FROM turns WHERE turn_id = ?", (turn,)).fetchone()
        if found is None or self._is_anothers(found[0]):
            return False
        self.db.execute("UPDATE turns SET owner = ? WHERE turn_id = ?", (self._me, turn))
        if not self.started(turn_id):
            return False
        (number,) = self.db.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM steps WHERE turn_id = ?", (turn,)
        ).fetchone()
        self.db.execute(_INSERT_STEP, (turn, number, as_bytes(step.kind), encode_step(step)))
        return True

    def steps(self, turn_id: str) -> list[TurnStep] | None:
        """Return the steps of a turn in order, ``None`` if one cannot be read."""
        try:
            return [decode_step(*row[1:]) for row in self._steps_of(as_bytes(turn_id))]
        except ValueError as error:
            self._log.warning("The steps of turn %s cannot be read: %s.", turn_id, error)
            return None

    def clear_steps(self, turn_id: str) -> None:
        """Forget the steps of a turn of ours that begins anew."""
        self.db.execute(
            "DELETE FROM steps WHERE turn_id IN"
            " (SELECT turn_id FROM turns WHERE turn_id = ? AND owner = ?)",
            (as_bytes(turn_id), self._me),
        )

    def waiting_turns(self) -> list[tuple[str, str, list[TurnStep]]]:
        """Return turn id, path and steps of the unfinished turns that have asked people."""
        found = self.db.execute(
            "SELECT DISTINCT turn_id FROM steps JOIN turns USING (turn_id)"
            " WHERE kind = ? AND state != ?",
            (b"asked", b"finished"),
        ).fetchall()
        waiting = []
        for (turn,) in found:
            columns = self.db.execute(
                f"SELECT {COLUMNS} FROM turns WHERE turn_id = ?", (turn,)
            ).fetchone()
            row = None if self._is_anothers(columns[-1]) else self._decode((*columns, None))
            steps = self.steps(row.turn_id) if row is not None else None
            if row is not None and steps is not None:
                waiting.append((row.turn_id, row.path, steps))
        return waiting

    def allow(self, chat_id: str, persona_id: str, tool: str, by: str) -> None:
        """Record that a tool of a persona needs no approval in a chat."""
        values = [as_bytes(part) for part in (chat_id, persona_id, tool, by)]
        self.db.execute(
            "INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?, ?)", (*values, time.time())
        )

    def allowed(self, chat_id: str) -> set[tuple[str, str]]:
        """Return persona id and tool of each grant in a chat."""
        rows = self.db.execute(
            "SELECT persona_id, tool FROM grants WHERE chat_id = ?", (as_bytes(chat_id),)
        )
        return {(as_text(persona), as_text(tool)) for persona, tool in rows.fetchall()}

    def disallow(self, chat_id: str) -> None:
        """Revoke all grants of a chat."""
        self.db.execute("DELETE FROM grants WHERE chat_id = ?", (as_bytes(chat_id),))

    def add_change(
        self, chat_id: str, turn_id: str, persona_id: str, data: bytes, undoable: bool
    ) -> None:
        """Record a change by a turn; the oldest changes are deleted past a bound."""
        turn = as_bytes(turn_id)
        (number,) = self.db.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM changes WHERE turn_id = ?", (turn,)
        ).fetchone()
        values = (turn, number, as_bytes(chat_id), as_bytes(persona_id))
        self.db.execute(
            "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, time.time(), undoable, data),
        )
        self.db.execute(
            "DELETE FROM changes WHERE changed_at < (SELECT changed_at FROM changes"
            " ORDER BY changed_at DESC LIMIT 1 OFFSET ?)",
            (_MOST_CHANGES,),
        )

    def changes(self, turn_id: str) -> list[bytes]:
        """Return the changes of a turn, oldest first."""
        found = self.db.execute(
            "SELECT data FROM changes WHERE turn_id = ? ORDER BY number", (as_bytes(turn_id),)
        )
        return [data for (data,) in found.fetchall()]

    def latest_changed(self, chat_id: str, persona_id: str | None) -> tuple[str, str] | None:
        """Return turn id and persona id of the latest change in a chat that can be undone."""
        persona = None if persona_id is None else as_bytes(persona_id)
        row = self.db.execute(
            "SELECT turn_id, persona_id FROM changes WHERE chat_id = ?1 AND undoable"
            " AND (?2 IS NULL OR persona_id = ?2) ORDER BY changed_at DESC, number DESC LIMIT 1",
            (as_bytes(chat_id), persona),
        ).fetchone()
        return None if row is None else (as_text(row[0]), as_text(row[1]))

    def forget_changes(self, turn_id: str) -> None:
        """Delete the changes of a turn after an undo."""
        self.db.execute("DELETE FROM changes WHERE turn_id = ?", (as_bytes(turn_id),))

    def _is_anothers(self, owner: object) -> bool:
        if owner == self._me:
            return False
        try:
            return self._alive(as_text(owner))
        except ValueError:
            return False

    def open_turns(self, chat_id: str, is_copy: Callable[[str], bool]) -> list[TurnRecord]:
        """Claim the turns of dead owners; return those and ours, in the order of acceptance."""
        chat = as_bytes(chat_id)
        others = self.db.execute(
            f"SELECT {COLUMNS} FROM turns WHERE chat_id = ? AND owner != ?", (chat, self._me)
        ).fetchall()
        dead = {owner for owner in {each[-1] for each in others} if not self._is_anothers(owner)}
        for *columns, owner in others:
            row = self._decode((*columns, owner, None)) if owner in dead else None
            if row is not None and not is_copy(row.path):
                turn = columns[0]
                self.db.execute("UPDATE turns SET owner = ? WHERE turn_id = ?", (self._me, turn))
        found = self.db.execute(
            f"SELECT {COLUMNS}, replies FROM turns LEFT JOIN replies USING (turn_id)"
            " WHERE chat_id = ? AND owner = ? ORDER BY seq",
            (chat, self._me),
        )
        rows = [self._decode(columns) for columns in found.fetchall()]
        return [row for row in rows if row is not None]

    def adopt(self, chat_id: str, path: str, since: float) -> None:
        """Give the chat the turns that dead owners accepted at ``path`` after ``since``."""
        younger = self.db.execute(
            f"SELECT {COLUMNS} FROM turns WHERE accepted_at >= ? AND chat_id != ? AND owner != ?",
            (since, as_bytes(chat_id), self._me),
        ).fetchall()
        for *columns, owner in younger:
            row = None if self._is_anothers(owner) else self._decode((*columns, owner, None))
            if row is not None and row.path == path:
                # The chat's own row of this message and persona is newer.
                self.db.execute(
                    "UPDATE OR IGNORE turns SET chat_id = ? WHERE turn_id = ?",
                    (as_bytes(chat_id), as_bytes(row.turn_id)),
                )

    def carry_over(self, chat_id: str, to: str) -> None:
        """Move our turns from a chat to another, and copy the tombstones."""
        old, new = as_bytes(chat_id), as_bytes(to)
        self.db.execute(
            "UPDATE OR IGNORE turns SET chat_id = ? WHERE chat_id = ? AND owner = ?",
            (new, old, self._me),
        )
        self.db.execute(
            "INSERT OR IGNORE INTO tombstones SELECT ?, message_id, persona_id, finished_at"
            " FROM tombstones WHERE chat_id = ?",
            (new, old),
        )
        for table in ("grants", "changes"):
            self.db.execute(
                f"UPDATE OR IGNORE {table} SET chat_id = ? WHERE chat_id = ?", (new, old)
            )

    def _decode(self, columns: tuple[Any, ...]) -> TurnRecord | None:
        *columns_of_turn, _owner, replies = columns
        try:
            decoded = decode_replies(replies)
        except ValueError as error:
            self._log.warning("The replies of turn %r cannot be read: %s.", columns[0], error)
            decoded = ()
        try:
            return decode_row(*columns_of_turn, replies=decoded)
        except ValueError as error:
            # Without its row the message counts as not accepted, and is answered.
            self._log.warning("Turn %r cannot be read and is dropped: %s.", columns[0], error)
            self.db.execute("DELETE FROM turns WHERE turn_id = ?", (columns[0],))
            return None

    def known(self, chat_id: str, message_ids: Sequence[str]) -> set[tuple[str, str]]:
        """Return which of the messages are known, each with the persona."""
        found: set[tuple[str, str]] = set()
        for start in range(0, len(message_ids), _AT_ONCE):
            some = [as_bytes(message_id) for message_id in message_ids[start : start + _AT_ONCE]]
            places = ", ".join("?" * len(some))
            for table in ("turns", "tombstones"):
                pairs = self.db.execute(
                    f"SELECT message_id, persona_id FROM {table}"
                    f" WHERE chat_id = ? AND message_id IN ({places})",
                    (as_bytes(chat_id), *some),
                )
                for message, persona in pairs:
                    with contextlib.suppress(ValueError):  # skip a damaged row
                        found.add((as_text(message), as_text(persona)))
        return found

    def prune(self) -> None:
        """Delete tombstones past the bounds, and equally old rows of dead owners."""
        self._since_prune = 0
        before = time.time() - self._remember_s
        self.db.execute("DELETE FROM tombstones WHERE finished_at < ?", (before,))
        past = self.db.execute(
            "SELECT chat_id, message_id, persona_id FROM tombstones"
            " ORDER BY finished_at DESC LIMIT -1 OFFSET ?",
            (self._remember_most,),
        ).fetchall()
        self.db.executemany(f"DELETE FROM tombstones WHERE {KEY}", past)
        self.db.execute(f"DELETE FROM turns WHERE accepted_at < ? AND {_CAN_GO_ON}", (before,))
        old = self.db.execute("SELECT DISTINCT owner FROM turns WHERE accepted_at < ?", (before,))
        for (owner,) in old.fetchall():
            if owner != self._me and not self._is_anothers(owner):
                self.db.execute(
                    "DELETE FROM turns WHERE accepted_at < ? AND owner = ?", (before, owner)
                )

    def fill_from(self, source: sqlite3.Connection) -> str | None:
        """Copy missing rows as far as ``source`` is readable; return the error, if any."""
        contents = read_all(source)
        with transaction(self.db):
            self._fill(contents)
        return contents.problem

    def update_from(self, source: sqlite3.Connection, *, whole: bool) -> None:
        """Bring our turns here to the state of ``source``, where they went on for a while.

        ``whole`` tells that ``source`` knows all our turns: others than those have gone. Turns of
        other owners are as old there as the copy is, and copied only to a file that is new.
        """
        contents = read_all(source)
        ours = [turn for turn in contents.turns if turn[-1] == self._me]
        with transaction(self.db):
            is_new = not self.db.execute(TURNS).fetchone() and not (
                self.db.execute(TOMBSTONES).fetchone()
            )
            if whole:
                self.db.execute("DELETE FROM turns WHERE owner = ?", (self._me,))
            for table in ("turns", "tombstones"):
                self.db.executemany(
                    f"DELETE FROM {table} WHERE {KEY}", [turn[1:4] for turn in ours]
                )
            held = {turn[1:4] for turn in self.db.execute(TURNS) if self._is_anothers(turn[-1])}
            finished = [tombstone for tombstone in contents.tombstones if tombstone[:3] not in held]
            turns = contents.turns if is_new else ours
            self._fill(replace(contents, turns=turns, tombstones=finished))

    def _fill(self, contents: Contents) -> None:
        self.db.executemany(f"INSERT OR IGNORE {_INSERT_TURN}", contents.turns)
        for table, rows in (("replies", contents.replies), ("steps", contents.steps)):
            places = ", ".join(f"?{n}" for n in range(1, 3 if table == "replies" else 5))
            self.db.executemany(
                f"INSERT OR IGNORE INTO {table} SELECT {places}"
                " WHERE EXISTS (SELECT 1 FROM turns WHERE turn_id = ?1)",
                rows,
            )
        self.db.executemany(
            "INSERT OR IGNORE INTO tombstones VALUES (?, ?, ?, ?)", contents.tombstones
        )
        self.db.executemany("INSERT OR IGNORE INTO grants VALUES (?, ?, ?, ?, ?)", contents.grants)
        self.db.executemany(
            "INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)", contents.changes
        )
        self.db.execute(  # a key has a turn or a tombstone, not both
            "DELETE FROM turns WHERE EXISTS (SELECT 1 FROM tombstones t WHERE"
            " t.chat_id = turns.chat_id AND t.message_id = turns.message_id"
            " AND t.persona_id = turns.persona_id)"
        )
