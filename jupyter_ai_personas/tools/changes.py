"""What turns changed in notebooks and files: for ``/undo``, and for links at the end of a reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args

__all__ = ["METADATA", "Change", "ChangeKind", "ChangeLog", "InMemoryChangeLog", "TurnChanges"]

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


class ChangeLog(Protocol):
    """Keeps the changes of turns, also after their end."""

    async def record(self, change: Change, *, chat_id: str, turn_id: str, persona_id: str) -> None:
        """Note a change that was made."""

    async def changes_of_turn(self, turn_id: str) -> Sequence[Change]:
        """Return the changes of a turn, oldest first."""

    async def latest_turn(self, chat_id: str, persona_id: str | None = None) -> TurnChanges | None:
        """Return the latest turn of a chat, or of a persona in it, that can be undone, if any."""

    async def forget(self, turn_id: str) -> None:
        """Forget the changes of a turn: they were taken back."""


class InMemoryChangeLog:
    """A :class:`ChangeLog` that is lost with the process; it keeps the latest turns."""

    def __init__(self, *, most: int = 200) -> None:
        self._most = most
        self._turns: dict[str, tuple[str, TurnChanges]] = {}

    async def record(self, change: Change, *, chat_id: str, turn_id: str, persona_id: str) -> None:
        """See :meth:`ChangeLog.record`."""
        _, known = self._turns.pop(turn_id, ("", None))
        changes = (*(known.changes if known else ()), change)
        turn = TurnChanges(turn_id=turn_id, persona_id=persona_id, changes=changes)
        self._turns[turn_id] = (chat_id, turn)
        while len(self._turns) > self._most:
            del self._turns[next(iter(self._turns))]

    async def changes_of_turn(self, turn_id: str) -> Sequence[Change]:
        """See :meth:`ChangeLog.changes_of_turn`."""
        return self._turns[turn_id][1].changes if turn_id in self._turns else ()

    async def latest_turn(self, chat_id: str, persona_id: str | None = None) -> TurnChanges | None:
        """See :meth:`ChangeLog.latest_turn`."""
        for chat, turn in reversed(self._turns.values()):
            is_meant = chat == chat_id and persona_id in (None, turn.persona_id)
            if is_meant and any(change.can_be_undone for change in turn.changes):
                return turn
        return None

    async def forget(self, turn_id: str) -> None:
        """See :meth:`ChangeLog.forget`."""
        self._turns.pop(turn_id, None)
