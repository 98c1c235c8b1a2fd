"""``/undo``: takes back the changes of the latest turn that changed something, as one unit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import groupby

from jupyter_ai_personas.errors import PersonasError, ToolCallError
from jupyter_ai_personas.server.tools.cells import Cells
from jupyter_ai_personas.server.tools.documents import Notebooks
from jupyter_ai_personas.server.tools.executor import Recorder
from jupyter_ai_personas.server.tools.operations import take_back
from jupyter_ai_personas.server.tools.texts import Texts
from jupyter_ai_personas.tools.changes import Change, UndoReport

__all__ = ["Undo"]


class Undo:
    """Takes back what personas changed in notebooks and files."""

    def __init__(
        self, notebooks: Notebooks, texts: Texts, recorder: Recorder, *, log: logging.Logger
    ) -> None:
        self._notebooks = notebooks
        self._texts = texts
        self._recorder = recorder
        self._log = log
        self._lock = asyncio.Lock()

    async def latest(self, chat_id: str, persona_id: str | None = None) -> UndoReport | None:
        """Take back the latest turn of a chat, or of a persona in it, that changed something.

        ``None``: there is none. Later changes by others stay.
        """
        async with self._lock:
            turn = await self._recorder.latest_turn(chat_id, persona_id)
            if turn is None:
                return None
            done: list[Change] = []
            left: list[tuple[Change, str]] = []
            changes = [change for change in turn.changes if change.can_be_undone]
            # The latest first: each finds what it left. Those of one notebook together, which are
            # independent of the others'.
            changes.sort(key=lambda change: change.path)
            for path, group in groupby(changes, key=lambda change: change.path):
                backwards = list(group)[::-1]
                some, others = await self._path(path, backwards)
                done += some
                left += others
            created = (change for change in turn.changes if change.kind == "create")
            left += [(change, "the notebook is new; delete it by hand") for change in created]
            await self._recorder.forget(turn.turn_id)
            return UndoReport(turn, tuple(done), tuple(left))

    async def _path(
        self, path: str, backwards: Sequence[Change]
    ) -> tuple[list[Change], list[tuple[Change, str]]]:
        try:
            if backwards[0].kind == "file":
                return await self._file(path, backwards)
            path = await self._notebooks.path(path)
            return await self._notebooks.change(path, lambda cells: _cells(cells, backwards))
        except PersonasError as error:
            return [], [(change, str(error)) for change in backwards]
        except Exception:
            self._log.exception("Changes of %s could not be taken back", path)
            why = "it cannot be written; the server's log says why"
            return [], [(change, why) for change in backwards]

    async def _file(
        self, path: str, backwards: Sequence[Change]
    ) -> tuple[list[Change], list[tuple[Change, str]]]:
        def change(text: str | None) -> str | None:
            for one in backwards:
                if text != (one.after or {}).get("text"):
                    raise ToolCallError("somebody changed it since")
                text = None if one.before is None else one.before["text"]
            return text

        await self._texts.change(await self._texts.path(path), change)
        return list(backwards), []


def _cells(
    cells: Cells, backwards: Sequence[Change]
) -> tuple[list[Change], list[tuple[Change, str]]]:
    done: list[Change] = []
    left: dict[str | None, tuple[Change, str]] = {}
    for change in backwards:
        if change.cell in left:
            continue  # what was done to it before is below what stays
        why = take_back(cells, change)
        if why:
            left[change.cell] = (change, why)
        else:
            done.append(change)
    return done, list(left.values())
