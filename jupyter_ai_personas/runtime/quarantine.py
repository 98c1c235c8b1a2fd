"""Pauses a persona whose code fails again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["Quarantine"]


class Quarantine:
    """Counts failures of personas' code.

    With ``failures`` of them within ``window`` seconds a persona is paused for ``pause`` seconds.
    ``clock`` gives monotonic seconds.
    """

    def __init__(
        self, *, failures: int, window: float, pause: float, clock: Callable[[], float]
    ) -> None:
        self._failures = failures
        self._window = window
        self._pause = pause
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}
        self._causes: dict[str, str] = {}

    def failed(self, persona_id: str, *, expected: bool = False, cause: str = "") -> None:
        """Note a failure; an ``expected`` one, such as of the model, does not count.

        Failures with one ``cause``, such as the end of a worker, count once.
        """
        if expected or (cause and self._causes.get(persona_id) == cause):
            return
        self._causes[persona_id] = cause
        now = self._clock()
        times = self._failed.setdefault(persona_id, deque(maxlen=self._failures))
        times.append(now)
        if len(times) == self._failures and now - times[0] <= self._window:
            self._until[persona_id] = now + self._pause
            times.clear()

    def remaining(self, persona_id: str) -> float:
        """Return for how many seconds the persona is still paused, or 0."""
        return max(0.0, self._until.get(persona_id, 0.0) - self._clock())

    def lift(self, persona_id: str) -> None:
        """End the pause, as a retry does."""
        self._until.pop(persona_id, None)
