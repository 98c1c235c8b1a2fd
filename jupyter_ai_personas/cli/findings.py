"""The findings of ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "State"]

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; ``fix`` says how to fix a problem."""

    section: str
    state: State
    text: str
    fix: str = ""
