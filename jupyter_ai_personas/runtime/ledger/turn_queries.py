"""SQL for turns and tombstones; each function is a step of a transaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
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
    encode_replies,
    encode_request,
    encode_step,
)
from jupyter_ai_personas.runtime.ledger.schema import COLUMNS, KEY
from jupyter_ai_personas.runtime.ledger.store import Store

_AT_ONCE = 500
INSERT_STEP = "INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?)"
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


def accept(store: Store, records: Sequence[TurnRecord]) -> list[bool]:
    """Write the records whose keys are not known; return which were written."""
    return [_insert(store, record) for record in records]


def _insert(store: Store, row: TurnRecord) -> bool:
    """Write ``row`` unless its key is known; return whether it was written."""
    turn_id, key = as_bytes(row.turn_id), [as_bytes(part) for part in row.key]
    columns = (
        turn_id,
        *key,
        as_bytes(row.state),
        None if row.final_state is None else as_bytes(row.final_state),
        float(row.accepted_at),
        encode_request(row),
        store.me,
    )
    looked_at = (*key, *key, turn_id)
    if store.db.execute(_INSERT_NEW, (*columns, *looked_at)).rowcount == 1:
        if row.replies:
            _set_replies(store, turn_id, row.replies)
        return True
    is_known, is_taken = store.db.execute(_LOOK, looked_at).fetchone()
    if is_taken and not is_known:
        raise ValueError(f"Turn {row.turn_id} is of another message or persona")
    return False


def _set_replies(store: Store, turn_id: bytes, replies: Sequence[ReplySnapshot]) -> None:
    store.db.execute(
        "INSERT OR REPLACE INTO replies VALUES (?, ?)", (turn_id, encode_replies(replies))
    )


def started(store: Store, turn_id: str) -> bool:
    """Record that an accepted turn runs; return whether it is ours and unfinished."""
    mine = (as_bytes(turn_id), store.me)
    store.db.execute(
        "UPDATE turns SET state = ? WHERE turn_id = ? AND owner = ? AND state = ?",
        (b"running", *mine, b"accepted"),
    )
    return bool(
        store.db.execute(
            "SELECT 1 FROM turns WHERE turn_id = ? AND owner = ? AND state = ?",
            (*mine, b"running"),
        ).fetchone()
    )


def checkpoint(store: Store, turn_id: str, replies: Sequence[ReplySnapshot]) -> None:
    """Store the replies so far of an unfinished turn."""
    if started(store, turn_id):
        _set_replies(store, as_bytes(turn_id), replies)


def finish(store: Store, turn_id: str, state: FinalState, replies: Sequence[ReplySnapshot]) -> None:
    """Store the final replies; the first end of a turn counts."""
    if started(store, turn_id):
        store.db.execute(
            "UPDATE turns SET state = ?, final_state = ? WHERE turn_id = ?",
            (b"finished", as_bytes(state), as_bytes(turn_id)),
        )
        _set_replies(store, as_bytes(turn_id), replies)


def saved(store: Store, chat_id: str, turn_ids: Sequence[str]) -> None:
    """Replace finished turns by their tombstones, but for interrupted ones with steps."""
    for turn_id in turn_ids:
        bury = store.db.execute(
            "INSERT OR REPLACE INTO tombstones SELECT chat_id, message_id, persona_id, ?"
            " FROM turns WHERE turn_id = ? AND chat_id = ? AND owner = ? AND state = ?"
            f" AND NOT {_CAN_GO_ON}",
            (time.time(), as_bytes(turn_id), as_bytes(chat_id), store.me, b"finished"),
        )
        if bury.rowcount:
            forget(store, turn_id)
            store.since_prune += 1
    if store.since_prune >= store.prune_every:
        prune(store)


def refuse(store: Store, chat_id: str, message_id: str, persona_ids: Sequence[str]) -> None:
    """Add a tombstone for each persona that must not answer the message."""
    for persona_id in persona_ids:
        key = [as_bytes(part) for part in (chat_id, message_id, persona_id)]
        store.db.execute(
            f"INSERT OR IGNORE INTO tombstones SELECT ?, ?, ?, ?"
            f" WHERE NOT EXISTS (SELECT 1 FROM turns WHERE {KEY})",
            (*key, time.time(), *key),
        )
        store.since_prune += 1
    if store.since_prune >= store.prune_every:
        prune(store)


def forget(store: Store, turn_id: str) -> None:
    """Delete a turn of ours without a tombstone."""
    store.db.execute(
        "DELETE FROM turns WHERE turn_id = ? AND owner = ?", (as_bytes(turn_id), store.me)
    )


def reopen(store: Store, record: TurnRecord, *, steps: Sequence[TurnStep] | None = ()) -> bool:
    """Write ``record`` in place of what has its key, unless a live server has that.

    With the steps that the turn has, if they are ``None``.
    """
    key = [as_bytes(part) for part in record.key]
    there = store.db.execute(f"SELECT owner, turn_id FROM turns WHERE {KEY}", key).fetchone()
    if there and store.is_anothers(there[0]):
        return False
    turn_id = as_bytes(record.turn_id)
    if steps is None:
        rows = step_rows(store, turn_id)
    else:
        rows = [(n, as_bytes(step.kind), encode_step(step)) for n, step in enumerate(steps, 1)]
    for table in ("turns", "tombstones"):
        store.db.execute(f"DELETE FROM {table} WHERE {KEY}", key)
    inserted = _insert(store, record)
    store.db.executemany(INSERT_STEP, [(turn_id, *row) for row in rows])
    return inserted


def open_turns(store: Store, chat_id: str, is_copy: Callable[[str], bool]) -> list[TurnRecord]:
    """Claim the turns of dead owners; return those and ours, in the order of acceptance."""
    chat = as_bytes(chat_id)
    others = store.db.execute(
        f"SELECT {COLUMNS} FROM turns WHERE chat_id = ? AND owner != ?", (chat, store.me)
    ).fetchall()
    dead = {owner for owner in {each[-1] for each in others} if not store.is_anothers(owner)}
    for *columns, owner in others:
        row = decode(store, (*columns, owner, None)) if owner in dead else None
        if row is not None and not is_copy(row.path):
            turn = columns[0]
            store.db.execute("UPDATE turns SET owner = ? WHERE turn_id = ?", (store.me, turn))
    found = store.db.execute(
        f"SELECT {COLUMNS}, replies FROM turns LEFT JOIN replies USING (turn_id)"
        " WHERE chat_id = ? AND owner = ? ORDER BY seq",
        (chat, store.me),
    )
    rows = [decode(store, columns) for columns in found.fetchall()]
    return [row for row in rows if row is not None]


def chat_of(store: Store, turn_id: str) -> tuple[str, str] | None:
    """Return id and path of a turn's chat, unless another live server has the turn."""
    columns = store.db.execute(
        f"SELECT {COLUMNS} FROM turns WHERE turn_id = ?", (as_bytes(turn_id),)
    ).fetchone()
    if columns is None or store.is_anothers(columns[-1]):
        return None
    row = decode(store, (*columns, None))
    return None if row is None else (row.chat_id, row.path)


def adopt(store: Store, chat_id: str, path: str, since: float) -> None:
    """Give the chat the turns that dead owners accepted at ``path`` after ``since``."""
    younger = store.db.execute(
        f"SELECT {COLUMNS} FROM turns WHERE accepted_at >= ? AND chat_id != ? AND owner != ?",
        (since, as_bytes(chat_id), store.me),
    ).fetchall()
    for *columns, owner in younger:
        row = None if store.is_anothers(owner) else decode(store, (*columns, owner, None))
        if row is not None and row.path == path:
            # The chat's own row of this message and persona is newer.
            store.db.execute(
                "UPDATE OR IGNORE turns SET chat_id = ? WHERE turn_id = ?",
                (as_bytes(chat_id), as_bytes(row.turn_id)),
            )


def carry_over(store: Store, chat_id: str, to: str) -> None:
    """Move our turns from a chat to another, and copy the tombstones."""
    old, new = as_bytes(chat_id), as_bytes(to)
    store.db.execute(
        "UPDATE OR IGNORE turns SET chat_id = ? WHERE chat_id = ? AND owner = ?",
        (new, old, store.me),
    )
    store.db.execute(
        "INSERT OR IGNORE INTO tombstones SELECT ?, message_id, persona_id, finished_at"
        " FROM tombstones WHERE chat_id = ?",
        (new, old),
    )
    for table in ("grants", "changes"):
        store.db.execute(f"UPDATE OR IGNORE {table} SET chat_id = ? WHERE chat_id = ?", (new, old))


def known(store: Store, chat_id: str, message_ids: Sequence[str]) -> set[tuple[str, str]]:
    """Return which of the messages are known, each with the persona."""
    found: set[tuple[str, str]] = set()
    for start in range(0, len(message_ids), _AT_ONCE):
        some = [as_bytes(message_id) for message_id in message_ids[start : start + _AT_ONCE]]
        marks = ", ".join("?" * len(some))
        for table in ("turns", "tombstones"):
            pairs = store.db.execute(
                f"SELECT message_id, persona_id FROM {table}"
                f" WHERE chat_id = ? AND message_id IN ({marks})",
                (as_bytes(chat_id), *some),
            )
            for message, persona in pairs:
                with contextlib.suppress(ValueError):  # skip a damaged row
                    found.add((as_text(message), as_text(persona)))
    return found


def prune(store: Store) -> None:
    """Delete tombstones past the bounds, and equally old rows of dead owners."""
    store.since_prune = 0
    before = time.time() - store.remember_s
    store.db.execute("DELETE FROM tombstones WHERE finished_at < ?", (before,))
    past = store.db.execute(
        "SELECT chat_id, message_id, persona_id FROM tombstones"
        " ORDER BY finished_at DESC LIMIT -1 OFFSET ?",
        (store.remember_most,),
    ).fetchall()
    store.db.executemany(f"DELETE FROM tombstones WHERE {KEY}", past)
    store.db.execute(f"DELETE FROM turns WHERE accepted_at < ? AND {_CAN_GO_ON}", (before,))
    old = store.db.execute("SELECT DISTINCT owner FROM turns WHERE accepted_at < ?", (before,))
    for (owner,) in old.fetchall():
        if owner != store.me and not store.is_anothers(owner):
            store.db.execute(
                "DELETE FROM turns WHERE accepted_at < ? AND owner = ?", (before, owner)
            )


def decode(store: Store, columns: tuple[Any, ...]) -> TurnRecord | None:
    """Return the record of a row with its replies; one that cannot be read is deleted."""
    *columns_of_turn, _owner, replies = columns
    try:
        decoded = decode_replies(replies)
    except ValueError as error:
        store.log.warning("The replies of turn %r cannot be read: %s.", columns[0], error)
        decoded = ()
    try:
        return decode_row(*columns_of_turn, replies=decoded)
    except ValueError as error:
        # Without its row the message counts as not accepted, and is answered.
        store.log.warning("Turn %r cannot be read and is dropped: %s.", columns[0], error)
        store.db.execute("DELETE FROM turns WHERE turn_id = ?", (columns[0],))
        return None


def step_rows(store: Store, turn_id: bytes) -> list[tuple[int, bytes, bytes]]:
    """Return number, kind and data of the steps of a turn, in order."""
    return store.db.execute(
        "SELECT number, kind, data FROM steps WHERE turn_id = ? ORDER BY number", (turn_id,)
    ).fetchall()
