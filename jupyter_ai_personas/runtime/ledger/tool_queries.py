"""SQL for the steps of turns, grants of chats, and changes by turns.

Each function is a step of a transaction.
"""

from __future__ import annotations

import time

from jupyter_ai_personas.runtime.ledger.records import (
    TurnStep,
    as_bytes,
    as_text,
    decode_step,
    encode_step,
)
from jupyter_ai_personas.runtime.ledger.schema import COLUMNS, KEY
from jupyter_ai_personas.runtime.ledger.store import Store
from jupyter_ai_personas.runtime.ledger.turn_queries import (
    INSERT_STEP,
    decode,
    started,
    step_rows,
)

_MOST_CHANGES = 5000
"""Maximum number of changes kept."""


def add_step(store: Store, turn_id: str, step: TurnStep) -> bool:
    """Add a step to a turn that is not finished, claimed if its owner is dead."""
    turn = as_bytes(turn_id)
    found = store.db.execute("SELECT owner FROM turns WHERE turn_id = ?", (turn,)).fetchone()
    if found is None or store.is_anothers(found[0]):
        return False
    store.db.execute("UPDATE turns SET owner = ? WHERE turn_id = ?", (store.me, turn))
    if not started(store, turn_id):
        return False
    (number,) = store.db.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM steps WHERE turn_id = ?", (turn,)
    ).fetchone()
    store.db.execute(INSERT_STEP, (turn, number, as_bytes(step.kind), encode_step(step)))
    return True


def steps(store: Store, turn_id: str) -> list[TurnStep] | None:
    """Return the steps of a turn in order, ``None`` if one cannot be read."""
    try:
        return [decode_step(*row[1:]) for row in step_rows(store, as_bytes(turn_id))]
    except ValueError as error:
        store.log.warning("The steps of turn %s cannot be read: %s.", turn_id, error)
        return None


def interrupted(
    store: Store, chat_id: str, message_id: str, persona_id: str
) -> tuple[str, list[TurnStep]] | None:
    """Return the id and the steps of a turn that was interrupted, if it has readable steps."""
    key = [as_bytes(part) for part in (chat_id, message_id, persona_id)]
    there = store.db.execute(
        f"SELECT turn_id FROM turns WHERE {KEY} AND state = ? AND final_state = ?",
        (*key, b"finished", b"interrupted"),
    ).fetchone()
    found = steps(store, as_text(there[0])) if there else None
    return (as_text(there[0]), found) if there and found else None


def clear_steps(store: Store, turn_id: str) -> None:
    """Forget the steps of a turn of ours that begins anew."""
    store.db.execute(
        "DELETE FROM steps WHERE turn_id IN"
        " (SELECT turn_id FROM turns WHERE turn_id = ? AND owner = ?)",
        (as_bytes(turn_id), store.me),
    )


def waiting_turns(store: Store) -> list[tuple[str, str, list[TurnStep]]]:
    """Return turn id, path and steps of the unfinished turns that have asked people."""
    found = store.db.execute(
        "SELECT DISTINCT turn_id FROM steps JOIN turns USING (turn_id)"
        " WHERE kind = ? AND state != ?",
        (b"asked", b"finished"),
    ).fetchall()
    waiting = []
    for (turn,) in found:
        columns = store.db.execute(
            f"SELECT {COLUMNS} FROM turns WHERE turn_id = ?", (turn,)
        ).fetchone()
        row = None if store.is_anothers(columns[-1]) else decode(store, (*columns, None))
        found_steps = steps(store, row.turn_id) if row is not None else None
        if row is not None and found_steps is not None:
            waiting.append((row.turn_id, row.path, found_steps))
    return waiting


def allow(store: Store, chat_id: str, persona_id: str, tool: str, by: str) -> None:
    """Record that a tool of a persona needs no approval in a chat."""
    values = [as_bytes(part) for part in (chat_id, persona_id, tool, by)]
    store.db.execute("INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?, ?)", (*values, time.time()))


def allowed(store: Store, chat_id: str) -> set[tuple[str, str]]:
    """Return persona id and tool of each grant in a chat."""
    rows = store.db.execute(
        "SELECT persona_id, tool FROM grants WHERE chat_id = ?", (as_bytes(chat_id),)
    )
    return {(as_text(persona), as_text(tool)) for persona, tool in rows.fetchall()}


def disallow(store: Store, chat_id: str) -> None:
    """Revoke all grants of a chat."""
    store.db.execute("DELETE FROM grants WHERE chat_id = ?", (as_bytes(chat_id),))


def add_change(
    store: Store, chat_id: str, turn_id: str, persona_id: str, data: bytes, undoable: bool
) -> None:
    """Record a change by a turn; the oldest changes are deleted past a bound."""
    turn = as_bytes(turn_id)
    (number,) = store.db.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM changes WHERE turn_id = ?", (turn,)
    ).fetchone()
    values = (turn, number, as_bytes(chat_id), as_bytes(persona_id))
    store.db.execute(
        "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*values, time.time(), undoable, data),
    )
    store.db.execute(
        "DELETE FROM changes WHERE changed_at < (SELECT changed_at FROM changes"
        " ORDER BY changed_at DESC LIMIT 1 OFFSET ?)",
        (_MOST_CHANGES,),
    )


def changes(store: Store, turn_id: str) -> list[bytes]:
    """Return the changes of a turn, oldest first."""
    found = store.db.execute(
        "SELECT data FROM changes WHERE turn_id = ? ORDER BY number", (as_bytes(turn_id),)
    )
    return [data for (data,) in found.fetchall()]


def latest_changed(store: Store, chat_id: str, persona_id: str | None) -> tuple[str, str] | None:
    """Return turn id and persona id of the latest change in a chat that can be undone."""
    persona = None if persona_id is None else as_bytes(persona_id)
    row = store.db.execute(
        "SELECT turn_id, persona_id FROM changes WHERE chat_id = ?1 AND undoable"
        " AND (?2 IS NULL OR persona_id = ?2) ORDER BY changed_at DESC, number DESC LIMIT 1",
        (as_bytes(chat_id), persona),
    ).fetchone()
    return None if row is None else (as_text(row[0]), as_text(row[1]))


def forget_changes(store: Store, turn_id: str) -> None:
    """Delete the changes of a turn after an undo."""
    store.db.execute("DELETE FROM changes WHERE turn_id = ?", (as_bytes(turn_id),))
