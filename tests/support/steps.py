"""How long the steps of a long test take, and how much of it processors work."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Measures steps, whose processes have ended with them."""

    def __init__(self) -> None:
        self._taken: list[tuple[str, float, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is done inside."""
        begin, worked = time.monotonic(), _worked()
        try:
            yield
        finally:
            self._taken.append((name, time.monotonic() - begin, _worked() - worked))

    def __str__(self) -> str:
        """A table: seconds that each step took, and seconds of processor time."""
        total = ("together", sum(t[1] for t in self._taken), sum(t[2] for t in self._taken))
        lines = [f"{'':<44}{'elapsed':>9}{'processor':>11}"]
        lines += [f"{name:<44}{s:>7.1f} s{cpu:>9.1f} s" for name, s, cpu in (*self._taken, total)]
        return "\n".join(lines)


def _worked() -> float:
    both = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)
