"""A bound on how often one person may address personas in one chat."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

__all__ = ["FloodGate"]

WINDOW = 60.0

MOST_SENDERS = 1000
"""Number of senders above which silent ones are forgotten."""


class FloodGate:
    """Lets ``most`` messages of each sender pass in any :data:`WINDOW` seconds.

    ``clock`` gives monotonic seconds.
    """

    def __init__(self, most: int, *, clock: Callable[[], float]) -> None:
        self.most = most
        self._clock = clock
        self._passed: dict[str, deque[float]] = {}
        self._told: set[str] = set()
        self._forget_at = MOST_SENDERS

    def check(self, sender: str) -> Literal["pass", "tell", "hold"]:
        """Say whether a message may pass, or is held back, and whether to tell its sender.

        A sender gets one notice until a message passes again.
        """
        now = self._clock()
        if len(self._passed) >= self._forget_at:
            self._forget(now - WINDOW)
        passed = self._passed.setdefault(sender, deque())
        while passed and now - passed[0] > WINDOW:
            passed.popleft()
        if len(passed) < self.most:
            passed.append(now)
            self._told.discard(sender)
            return "pass"
        if sender in self._told:
            return "hold"
        self._told.add(sender)
        return "tell"

    def _forget(self, before: float) -> None:
        """Forget senders without recent messages."""
        self._passed = {
            sender: times for sender, times in self._passed.items() if times and times[-1] > before
        }
        self._told &= self._passed.keys()
        # Senders are forged easily: each of them must not cost a look at all the others.
        self._forget_at = max(MOST_SENDERS, 2 * len(self._passed))
