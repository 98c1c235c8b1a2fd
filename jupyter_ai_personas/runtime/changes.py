"""Changes by turns in the ledger, so that ``/undo`` works after a restart."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jupyter_ai_personas.runtime.ledger import TurnLedger
from jupyter_ai_personas.tools.changes import Change, TurnChanges

__all__ = ["ChangeLog"]


class ChangeLog:
    """The changes of turns in the ledger, kept after their end."""

    def __init__(self, ledger: TurnLedger) -> None:
        self._ledger = ledger

    async def record(self, change: Change, *, chat_id: str, turn_id: str, persona_id: str) -> None:
        """Record a change."""
        # ASCII: what cannot be text in the database, such as half of a pair, is kept as well.
        data = json.dumps(change.as_json()).encode("ascii")
        await self._ledger.add_change(
            chat_id, turn_id, persona_id, data, undoable=change.can_be_undone
        )

    async def changes_of_turn(self, turn_id: str) -> Sequence[Change]:
        """Return the changes of a turn, oldest first."""
        return [Change.from_json(json.loads(data)) for data in await self._ledger.changes(turn_id)]

    async def latest_turn(self, chat_id: str, persona_id: str | None = None) -> TurnChanges | None:
        """Return the latest turn of a chat, or of a persona in it, that can be undone, if any."""
        found = await self._ledger.latest_changed(chat_id, persona_id)
        if found is None:
            return None
        turn_id, persona = found
        changes = tuple(await self.changes_of_turn(turn_id))
        return TurnChanges(turn_id=turn_id, persona_id=persona, changes=changes)

    async def forget(self, turn_id: str) -> None:
        """Delete the changes of a turn: they were undone."""
        await self._ledger.forget_changes(turn_id)
