"""Changes by turns in notebooks and files, for ``/undo`` and for links at the end of a reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from jupyter_ai_personas.chat.markdown import code, sentence

__all__ = ["METADATA", "Change", "ChangeBook", "ChangeKind", "TurnChanges", "UndoReport"]

METADATA = "jupyter_ai_personas"
"""The key of a cell's metadata that says which persona changed it in which turn."""

ChangeKind = Literal["insert", "edit", "move", "delete", "run", "create", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one cell or file.

    ``before`` and ``after`` are a cell as JSON, or the text of a file as ``{"text": …}``; ``None``
    where there was, or is, none. ``at`` is where the cell was put, ``was_at`` where it was: the id
    of the cell before it, ``None`` at the start.
    """

    kind: ChangeKind
    path: str
    cell: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    was_at: str | None = None
    at: str | None = None
    index: int = 0

    @property
    def can_be_undone(self) -> bool:
        """Whether it can be taken back: a run and a new notebook cannot."""
        return self.kind not in ("run", "create")

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data; :meth:`from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Change:
        """Return the change that ``data`` describes.

        Raises:
            ValueError: it describes none.
        """
        try:
            change = cls(**data)
        except TypeError as error:
            raise ValueError(f"no change: {error}") from None
        if change.kind not in get_args(ChangeKind) or not isinstance(change.path, str):
            raise ValueError("no change: its kind or path is unknown")
        return change


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnChanges:
    """The changes of one turn, oldest first."""

    turn_id: str
    persona_id: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class UndoReport:
    """Result of ``/undo``. ``left`` are changes that stay, each with the reason."""

    turn: TurnChanges
    done: tuple[Change, ...]
    left: tuple[tuple[Change, str], ...]

    @property
    def persona_id(self) -> str:
        """The persona whose turn it was."""
        return self.turn.persona_id

    def text(self, persona: str) -> str:
        """Return what people are told, in Markdown; ``persona`` is the name of who changed it."""
        count = len({(change.path, change.cell) for change in self.done})
        what = f"{count} change{'' if count == 1 else 's'}" if count else "nothing"
        lines = [f"Took back {what} of {code(persona)}."]
        if self.left:
            named = {(change.path, change.cell): (change, why) for change, why in self.left}
            lines.append("Left as it is:")
            lines += [f"- {_target(change)}: {sentence(why)}" for change, why in named.values()]
        return "\n".join(lines)


def _target(change: Change) -> str:
    if change.cell is None:
        return code(change.path)
    return f"{code(change.path)}, cell {change.index + 1} ({code(change.cell)})"


class ChangeBook:
    """Changes by tools in notebooks and files; this class has none."""

    def links(self, turn_id: str) -> str:
        """Return links to what a turn changed since the previous call, in Markdown."""
        return ""

    async def undo(self, chat_id: str, persona_id: str | None = None) -> UndoReport | None:
        """Undo the latest turn of a chat, or of a persona in it, that changed something."""
        return None
