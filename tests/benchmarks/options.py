"""What the command line says, and where the suites put their servers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Options:
    """``quick`` shrinks every suite to a smoke test; ``repeat`` is the number of runs."""

    quick: bool = False
    repeat: int = 3
    cache: Path = REPOSITORY / ".venv-peer"

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """A directory for servers, removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            yield Path(name)


@dataclass
class Table:
    """Rows of a suite, in the order of their columns."""

    title: str
    note: str = ""
    rows: list[dict[str, object]] = field(default_factory=list)


@dataclass
class Goal:
    """A bound the project promises, and what was measured; ``unit`` says of what."""

    what: str
    bound: float
    measured: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        if self.at_least:
            return self.measured >= self.bound
        return self.measured <= self.bound


@dataclass
class Result:
    """What a suite returns."""

    suite: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
