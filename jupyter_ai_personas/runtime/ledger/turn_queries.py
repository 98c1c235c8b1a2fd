"""The operations on turns and tombstones; each function is a step of a transaction.

:class:`TurnLedger` has a method for each.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container, Sequence

from jupyter_ai_personas.runtime.ledger.records import (
    FinalState,
    ReplySnapshot,
    TurnRecord,
    TurnStep,
    as_bytes,
    as_text,
    decode_replies,
    decode_row,
    encode,
    encode_replies,
    encode_request,
)
from jupyter_ai_personas.runtime.ledger.schema import COLUMNS, KEY
from jupyter_ai_personas.runtime.ledger.store import Store, Value

REMEMBER_S = 30 * 86_400.0
"""Seconds after which tombstones go, and turns of dead owners."""

REMEMBER_MOST = 100_000
"""Maximum number of tombstones."""

PRUNE_EVERY = 1000
"""Tombstones that are added before those past the bounds go."""

_KNOWN = (
    "(SELECT chat_id, message_id, persona_id FROM turns"
    " UNION ALL SELECT chat_id, message_id, persona_id FROM tombstones)"
)
# A retry continues from the steps.
_CAN_GO_ON = (
    "(final_state = CAST('interrupted' AS BLOB)"
    " AND EXISTS (SELECT 1 FROM steps WHERE steps.turn_id = turns.turn_id))"
)


def accept(store: Store, records: Sequence[TurnRecord]) -> list[bool]:
    """Record accepted turns; they are durable when this returns.

    Returns ``False`` for each message and persona that are known in that chat already, open or
    finished: do not answer those again. If the wait is cancelled, :meth:`TurnLedger.open_turns`
    finds the records that were written.

    Raises:
        ValueError: a turn id belongs to another message or persona; none was recorded.
    """
    return [_insert(store, record) for record in records]


def _insert(store: Store, record: TurnRecord) -> bool:
    if store.execute(f"SELECT 1 FROM {_KNOWN} WHERE {KEY}", record.key).fetchone():
        return False
    if store.execute("SELECT 1 FROM turns WHERE turn_id = ?", (record.turn_id,)).fetchone():
        raise ValueError(f"Turn {record.turn_id} is of another message or persona")
    store.execute(
        f"INSERT INTO turns ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.turn_id,
            *record.key,
            record.state,
            record.final_state,
            record.accepted_at,
            encode_request(record),
            store.me,
        ),
    )
    if record.replies:
        _set_replies(store, record.turn_id, record.replies)
    return True


def _set_replies(store: Store, turn_id: str, replies: Sequence[ReplySnapshot]) -> None:
    store.execute(
        "INSERT OR REPLACE INTO replies VALUES (?, ?)", (turn_id, encode_replies(replies))
    )


def reopen(store: Store, record: TurnRecord, *, steps: Sequence[TurnStep] | None = ()) -> bool:
    """Replace the record of the same chat, message and persona, for a retry or restart.

    It has ``steps`` then, and no others; ``None`` leaves the turn those that it has. Durable
    when this returns. Returns ``False`` and changes nothing if another live server has that
    turn.

    Raises:
        ValueError: the turn id belongs to another message or persona.
    """
    there = store.execute(f"SELECT owner FROM turns WHERE {KEY}", record.key).fetchone()
    if there and store.is_anothers(there[0]):
        return False
    if steps is None:
        rows = step_rows(store, record.turn_id)
    else:
        rows = [(as_bytes(step.kind), encode(step.data)) for step in steps]
    for table in ("turns", "tombstones"):
        store.execute(f"DELETE FROM {table} WHERE {KEY}", record.key)
    _insert(store, record)
    for row in rows:
        append_step(store, record.turn_id, *row)
    return True


def started(store: Store, turn_id: str) -> bool:
    """Record that an accepted turn runs; return whether it is ours and unfinished."""
    which = "turn_id = ? AND owner = ? AND state IN (?, ?)"
    ours = (turn_id, store.me, "accepted", "running")
    changed = store.execute(f"UPDATE turns SET state = ? WHERE {which}", ("running", *ours))
    return changed.rowcount > 0


def checkpoint(store: Store, turn_id: str, replies: Sequence[ReplySnapshot]) -> None:
    """Record the replies so far of an unfinished turn. Frequent calls are cheap."""
    if started(store, turn_id):
        _set_replies(store, turn_id, replies)


def finish(store: Store, turn_id: str, state: FinalState, replies: Sequence[ReplySnapshot]) -> None:
    """Record the end and the final replies; later calls for this turn have no effect."""
    if started(store, turn_id):
        store.execute(
            "UPDATE turns SET state = ?, final_state = ? WHERE turn_id = ?",
            ("finished", state, turn_id),
        )
        _set_replies(store, turn_id, replies)


def saved(store: Store, chat_id: str, turn_ids: Sequence[str]) -> None:
    """Record that the document with the final replies is saved: delete finished turns.

    A tombstone of each remains. Unfinished turns are not changed, nor are interrupted ones
    with steps, from which a retry continues.
    """
    for turn_id in turn_ids:
        finished = (
            "SELECT chat_id, message_id, persona_id, ? FROM turns WHERE turn_id = ?"
            f" AND chat_id = ? AND owner = ? AND state = ? AND NOT {_CAN_GO_ON}"
        )
        if _bury(store, finished, (time.time(), turn_id, chat_id, store.me, "finished")):
            forget(store, turn_id)


def refuse(store: Store, chat_id: str, message_id: str, persona_ids: Sequence[str]) -> None:
    """Record that these personas must not answer a message; their turns, if any, stay."""
    for persona_id in persona_ids:
        key = (chat_id, message_id, persona_id)
        unknown = f"SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM turns WHERE {KEY})"
        _bury(store, unknown, (*key, time.time(), *key))


def _bury(store: Store, rows: str, values: Sequence[Value]) -> bool:
    """Write the tombstones that the query ``rows`` returns; return whether there are any."""
    written = store.execute(f"INSERT OR REPLACE INTO tombstones {rows}", values).rowcount
    store.since_prune += written
    if store.since_prune >= PRUNE_EVERY:
        prune(store)
    return written > 0


def forget(store: Store, turn_id: str) -> None:
    """Delete a withdrawn turn without a tombstone: its message may be accepted again."""
    store.execute("DELETE FROM turns WHERE turn_id = ? AND owner = ?", (turn_id, store.me))


def open_turns(
    store: Store, chat_id: str, is_copy: Callable[[str], bool] = lambda path: False
) -> list[TurnRecord]:
    """Return the chat's turns that are ours, in the order of acceptance, to recover them.

    Claims the turns of dead owners in the same transaction, so one of two servers gets them.
    Leaves out those accepted at a path where ``is_copy`` finds another chat with the same id
    (called in the ledger's thread). Includes turns that run in this process.
    """
    records = records_where(store, "chat_id = ?", chat_id)
    records = [record for record in records if not is_copy(record.path)]
    for record in records:
        claim(store, record.turn_id)
    return records


def chat_of(store: Store, turn_id: str) -> tuple[str, str] | None:
    """Return id and path of the chat of a turn, open or finished; its chat may be closed.

    ``None``: the turn is unknown, or another live server's.
    """
    found = records_where(store, "turn_id = ?", turn_id)
    return (found[0].chat_id, found[0].path) if found else None


def adopt(
    store: Store, chat_id: str, path: str, *, since: float, running: Container[str] = ()
) -> None:
    """Give a chat the turns that dead owners accepted at its path: its id was never saved.

    ``since`` is when the chat's file was made, in seconds since the epoch: turns accepted
    earlier are of another file that was there. Those that run in this process, ``running``, are
    left out; one that does not is ours if people have decided about it since the crash.
    """
    for record in records_where(store, "accepted_at >= ? AND chat_id != ?", since, chat_id):
        if record.path == path and record.turn_id not in running:
            # The chat's own row of this message and persona is newer.
            store.execute(
                "UPDATE OR IGNORE turns SET chat_id = ? WHERE turn_id = ?",
                (chat_id, record.turn_id),
            )


def carry_over(store: Store, chat_id: str, to: str) -> None:
    """Record that the chat ``chat_id`` has the id ``to`` from now on, as its file says."""
    store.execute(
        "UPDATE OR IGNORE turns SET chat_id = ? WHERE chat_id = ? AND owner = ?",
        (to, chat_id, store.me),
    )
    store.execute(
        "INSERT OR IGNORE INTO tombstones SELECT ?, message_id, persona_id, finished_at"
        " FROM tombstones WHERE chat_id = ?",
        (to, chat_id),
    )
    for table in ("grants", "changes"):
        store.execute(f"UPDATE OR IGNORE {table} SET chat_id = ? WHERE chat_id = ?", (to, chat_id))


def known(store: Store, chat_id: str, message_ids: Sequence[str]) -> set[tuple[str, str]]:
    """Return (message id, persona id) for each turn of those messages, open or finished."""
    found: set[tuple[str, str]] = set()
    statement = f"SELECT persona_id FROM {_KNOWN} WHERE chat_id = ? AND message_id = ?"
    for message_id in message_ids:
        for (persona,) in store.execute(statement, (chat_id, message_id)):
            with contextlib.suppress(ValueError):  # skip a damaged row
                found.add((message_id, as_text(persona)))
    return found


def prune(store: Store) -> None:
    """Delete tombstones past the bounds, and equally old rows of dead owners."""
    store.since_prune = 0
    before = time.time() - REMEMBER_S
    store.execute("DELETE FROM tombstones WHERE finished_at < ?", (before,))
    past = store.execute(
        "SELECT chat_id, message_id, persona_id FROM tombstones"
        " ORDER BY finished_at DESC LIMIT -1 OFFSET ?",
        (REMEMBER_MOST,),
    )
    for key in past.fetchall():
        store.execute(f"DELETE FROM tombstones WHERE {KEY}", key)
    store.execute(f"DELETE FROM turns WHERE accepted_at < ? AND {_CAN_GO_ON}", (before,))
    for record in records_where(store, "accepted_at < ? AND owner != ?", before, store.me):
        store.execute("DELETE FROM turns WHERE turn_id = ?", (record.turn_id,))


def claim(store: Store, turn_id: str) -> None:
    """Make a turn of a dead owner ours."""
    which = "turn_id = ? AND owner != ?"
    store.execute(f"UPDATE turns SET owner = ? WHERE {which}", (store.me, turn_id, store.me))


def records_where(store: Store, where: str, *values: Value) -> list[TurnRecord]:
    """Return the turns that no other live server has, in the order of acceptance.

    One that cannot be read is deleted: its message counts as not accepted, and is answered.
    """
    rows = store.execute(
        f"SELECT {COLUMNS}, replies FROM turns LEFT JOIN replies USING (turn_id)"
        f" WHERE {where} ORDER BY seq",
        values,
    ).fetchall()
    anothers = {owner for owner in {row[-2] for row in rows} if store.is_anothers(owner)}
    records = []
    for *columns, owner, replies in rows:
        if owner in anothers:
            continue
        try:
            decoded = decode_replies(replies)
        except ValueError as error:
            store.log.warning("The replies of turn %r cannot be read: %s.", columns[0], error)
            decoded = ()
        try:
            records.append(decode_row(columns, decoded))
        except ValueError as error:
            store.log.warning("Turn %r cannot be read and is dropped: %s.", columns[0], error)
            store.execute("DELETE FROM turns WHERE turn_id = ?", (columns[0],))
    return records


def step_rows(store: Store, turn_id: str) -> list[tuple[bytes, bytes]]:
    """Return kind and data of the steps of a turn, in order."""
    return store.execute(
        "SELECT kind, data FROM steps WHERE turn_id = ? ORDER BY number", (turn_id,)
    ).fetchall()


def append_step(store: Store, turn_id: str, kind: str | bytes, data: bytes) -> None:
    """Write the next step of a turn."""
    store.execute(
        "INSERT INTO steps SELECT ?, coalesce(max(number), 0) + 1, ?, ? FROM steps"
        " WHERE turn_id = ?",
        (turn_id, kind, data, turn_id),
    )
