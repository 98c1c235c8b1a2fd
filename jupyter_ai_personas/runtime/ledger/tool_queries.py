"""The operations on steps of turns, grants of chats, and changes by turns.

Each function is a step of a transaction; :class:`TurnLedger` has a method for each.
"""

from __future__ import annotations

import time

from jupyter_ai_personas.runtime.ledger.records import TurnStep, as_text, decode_step, encode
from jupyter_ai_personas.runtime.ledger.schema import KEY
from jupyter_ai_personas.runtime.ledger.store import Store
from jupyter_ai_personas.runtime.ledger.turn_queries import (
    append_step,
    claim,
    records_where,
    started,
    step_rows,
)

_MOST_CHANGES = 5000
"""Maximum number of changes kept."""


def add_step(store: Store, turn_id: str, step: TurnStep) -> bool:
    """Record a step of an unfinished turn; it is durable when this returns ``True``.

    ``False``: the turn is finished, unknown, or another live server's.
    """
    found = store.execute("SELECT owner FROM turns WHERE turn_id = ?", (turn_id,)).fetchone()
    if found is None or store.is_anothers(found[0]):
        return False
    claim(store, turn_id)
    if not started(store, turn_id):
        return False
    append_step(store, turn_id, step.kind, encode(step.data))
    return True


def steps(store: Store, turn_id: str) -> list[TurnStep] | None:
    """Return the steps of a turn in order, ``None`` if one cannot be read."""
    try:
        return [decode_step(*row) for row in step_rows(store, turn_id)]
    except ValueError as error:
        store.log.warning("The steps of turn %s cannot be read: %s.", turn_id, error)
        return None


def interrupted(
    store: Store, chat_id: str, message_id: str, persona_id: str
) -> tuple[str, list[TurnStep]] | None:
    """Return the id and the steps of a turn that was interrupted, if it has readable steps."""
    where = f"{KEY} AND final_state = ?"
    for record in records_where(store, where, chat_id, message_id, persona_id, "interrupted"):
        if found := steps(store, record.turn_id):
            return record.turn_id, found
    return None


def clear_steps(store: Store, turn_id: str) -> None:
    """Forget the steps of a turn of ours that begins anew."""
    store.execute(
        "DELETE FROM steps WHERE turn_id IN"
        " (SELECT turn_id FROM turns WHERE turn_id = ? AND owner = ?)",
        (turn_id, store.me),
    )


def waiting_turns(store: Store) -> list[list[TurnStep]]:
    """Return the steps of each unfinished turn that has asked people.

    Those of other live servers are left out.
    """
    asked = "state != ? AND turn_id IN (SELECT turn_id FROM steps WHERE kind = ?)"
    records = records_where(store, asked, "finished", "asked")
    return [found for record in records if (found := steps(store, record.turn_id)) is not None]


def allow(store: Store, chat_id: str, persona_id: str, tool: str, *, by: str) -> None:
    """Record that a tool of a persona needs no approval in a chat; ``by`` is a username."""
    store.execute(
        "INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?, ?)",
        (chat_id, persona_id, tool, by, time.time()),
    )


def allowed(store: Store, chat_id: str) -> set[tuple[str, str]]:
    """Return persona id and tool of each grant in a chat."""
    rows = store.execute("SELECT persona_id, tool FROM grants WHERE chat_id = ?", (chat_id,))
    return {(as_text(persona), as_text(tool)) for persona, tool in rows}


def disallow(store: Store, chat_id: str) -> None:
    """Revoke all grants of a chat."""
    store.execute("DELETE FROM grants WHERE chat_id = ?", (chat_id,))


def add_change(
    store: Store, chat_id: str, turn_id: str, persona_id: str, data: bytes, *, undoable: bool
) -> None:
    """Record a change by a turn; it is kept after the turn's end.

    The oldest changes of the ledger are deleted past a bound.
    """
    store.execute(
        "INSERT INTO changes SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ? FROM changes"
        " WHERE turn_id = ?",
        (turn_id, chat_id, persona_id, time.time(), undoable, data, turn_id),
    )
    store.execute(
        "DELETE FROM changes WHERE changed_at < (SELECT changed_at FROM changes"
        " ORDER BY changed_at DESC LIMIT 1 OFFSET ?)",
        (_MOST_CHANGES,),
    )


def changes(store: Store, turn_id: str) -> list[bytes]:
    """Return the changes of a turn, oldest first."""
    found = store.execute("SELECT data FROM changes WHERE turn_id = ? ORDER BY number", (turn_id,))
    return [data for (data,) in found]


def latest_changed(
    store: Store, chat_id: str, persona_id: str | None = None
) -> tuple[str, str] | None:
    """Return turn id and persona id of the latest change in a chat that can be undone."""
    row = store.execute(
        "SELECT turn_id, persona_id FROM changes WHERE chat_id = ? AND undoable"
        " AND persona_id = coalesce(?, persona_id) ORDER BY changed_at DESC, number DESC LIMIT 1",
        (chat_id, persona_id),
    ).fetchone()
    return None if row is None else (as_text(row[0]), as_text(row[1]))


def forget_changes(store: Store, turn_id: str) -> None:
    """Delete the changes of a turn."""
    store.execute("DELETE FROM changes WHERE turn_id = ?", (turn_id,))
