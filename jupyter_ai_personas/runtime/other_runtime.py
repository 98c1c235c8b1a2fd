"""Another runtime of personas that serves the same chats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["OtherRuntime"]


@dataclass(frozen=True, slots=True)
class OtherRuntime:
    """Another runtime in one chat.

    ``personas`` are the names of those that it runs there, by id. It answers them only if a
    message is sent to their id; a mention in the text does not reach them. ``None``: not known.
    """

    personas: Mapping[str, str] | None = None

    def answers(self, persona_id: str) -> bool:
        """Return whether it answers, or may answer, what is sent to that persona."""
        return self.personas is None or persona_id in self.personas
