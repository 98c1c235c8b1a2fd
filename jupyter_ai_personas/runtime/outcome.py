"""How a turn ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jupyter_ai_personas.runtime.ledger import FinalState

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final state of a turn's reply, a paragraph for people, and more metadata."""

    state: FinalState
    note: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
