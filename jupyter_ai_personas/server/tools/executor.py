"""The base of executors of built-in tools: checks arguments, and turns errors into results."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from jupyter_ai_personas.errors import PersonasError, ToolCallError
from jupyter_ai_personas.runtime.ledger import TurnLedger
from jupyter_ai_personas.tools import CallContext, Preview, ToolInfo
from jupyter_ai_personas.tools.builtin import BUILTIN, checked_arguments
from jupyter_ai_personas.tools.changes import Change, TurnChanges

__all__ = ["Recorder", "Tool", "attribution"]

MAX_UNLINKED = 1000
"""Turns whose changes are kept until their replies end."""

Arguments = Mapping[str, Any]
Run = Callable[[CallContext, Arguments], Awaitable[Mapping[str, Any]]]
ShowPreview = Callable[[CallContext, Arguments], Awaitable[Preview]]


class Tool:
    """Runs one built-in tool. An error of ours is its result: ``{"error": …}`` with facts."""

    def __init__(
        self,
        tool: str | ToolInfo,
        run: Run,
        preview: ShowPreview,
        *,
        seconds: float | None = None,
    ) -> None:
        self.info = BUILTIN[tool] if isinstance(tool, str) else tool
        self.seconds = seconds
        self._run = run
        self._preview = preview

    async def run(self, context: CallContext, arguments: Arguments) -> Mapping[str, Any]:
        """See :meth:`~jupyter_ai_personas.tools.ToolExecutor.run`."""
        try:
            return await self._run(context, checked_arguments(self.info, arguments))
        except ToolCallError as error:
            return {"error": str(error), **error.facts}
        except PersonasError as error:
            return {"error": str(error)}

    async def preview(self, context: CallContext, arguments: Arguments) -> Preview:
        """See :meth:`~jupyter_ai_personas.tools.ToolExecutor.preview`."""
        return await self._preview(context, checked_arguments(self.info, arguments))


def attribution(context: CallContext) -> dict[str, Any]:
    """Return the attribution of a change for a cell's metadata."""
    return {"persona": context.persona_id, "turn": context.turn_id}


class Recorder:
    """What calls changed, kept in the ledger, so that ``/undo`` works after a restart."""

    def __init__(self, ledger: TurnLedger) -> None:
        self._ledger = ledger
        self._unlinked: dict[str, list[Change]] = {}

    async def note(self, context: CallContext, change: Change) -> None:
        """Note one change of a call."""
        # ASCII: what cannot be text in the database, such as half of a pair, is kept as well.
        data = json.dumps(change.as_json()).encode("ascii")
        chat_id, turn_id, persona_id = context.chat_id, context.turn_id, context.persona_id
        undoable = change.can_be_undone
        await self._ledger.add_change(chat_id, turn_id, persona_id, data, undoable=undoable)
        while len(self._unlinked) >= MAX_UNLINKED and turn_id not in self._unlinked:
            del self._unlinked[next(iter(self._unlinked))]
        self._unlinked.setdefault(turn_id, []).append(change)

    async def of_turn(self, turn_id: str) -> tuple[Change, ...]:
        """Return the changes of a turn, oldest first."""
        found = await self._ledger.changes(turn_id)
        return tuple(Change.from_json(json.loads(data)) for data in found)

    async def latest_turn(self, chat_id: str, persona_id: str | None = None) -> TurnChanges | None:
        """Return the latest turn of a chat, or of a persona in it, that can be undone, if any."""
        found = await self._ledger.latest_changed(chat_id, persona_id)
        if found is None:
            return None
        turn_id, persona = found
        changes = await self.of_turn(turn_id)
        return TurnChanges(turn_id=turn_id, persona_id=persona, changes=changes)

    async def forget(self, turn_id: str) -> None:
        """Delete the changes of a turn: they were undone."""
        await self._ledger.forget_changes(turn_id)

    def unlinked(self, turn_id: str) -> Sequence[Change]:
        """Return the changes of a turn since the last call."""
        return self._unlinked.pop(turn_id, ())
