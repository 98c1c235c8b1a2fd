"""The base of executors of built-in tools: checks arguments, and turns errors into results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from jupyter_ai_personas.errors import PersonasError, ToolCallError
from jupyter_ai_personas.runtime.changes import ChangeLog
from jupyter_ai_personas.tools import CallContext, Preview, ToolInfo
from jupyter_ai_personas.tools.builtin import BUILTIN, checked_arguments
from jupyter_ai_personas.tools.changes import Change

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
    """Notes what calls changed."""

    def __init__(self, log: ChangeLog) -> None:
        self._log = log
        self._unlinked: dict[str, list[Change]] = {}

    async def note(self, context: CallContext, change: Change) -> None:
        """Note one change of a call."""
        await self._log.record(
            change,
            chat_id=context.chat_id,
            turn_id=context.turn_id,
            persona_id=context.persona_id,
        )
        while len(self._unlinked) >= MAX_UNLINKED and context.turn_id not in self._unlinked:
            del self._unlinked[next(iter(self._unlinked))]
        self._unlinked.setdefault(context.turn_id, []).append(change)

    def unlinked(self, turn_id: str) -> Sequence[Change]:
        """Return the changes of a turn since the last call."""
        return self._unlinked.pop(turn_id, ())
