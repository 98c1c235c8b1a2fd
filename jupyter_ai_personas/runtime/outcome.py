"""How a turn or a one-shot ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_ai_personas.runtime.ledger import FinalState

__all__ = ["Answer", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final state of a turn's reply, a paragraph for people, and more metadata."""

    state: FinalState
    note: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a persona in a one-shot chat; ``usage`` is what models have used."""

    text: str
    state: str
    usage: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        """Whether the persona did not answer."""
        return self.state not in ("done", "stopped")
