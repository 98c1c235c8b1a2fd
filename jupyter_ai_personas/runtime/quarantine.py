"""Pauses a persona whose code fails again and again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from jupyter_ai_personas.runtime.settings import RuntimeSettings

__all__ = ["Quarantine"]


class Quarantine:
    """Counts failures of personas' code.

    With ``quarantine_failures`` of them within ``quarantine_window`` seconds a persona is paused
    for ``quarantine_pause`` seconds. ``clock`` gives monotonic seconds.
    """

    def __init__(
        self, settings: RuntimeSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
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
        now, settings = self._clock(), self._settings
        most = settings.quarantine_failures
        times = self._failed.setdefault(persona_id, deque(maxlen=most))
        times.append(now)
        if len(times) == most and now - times[0] <= settings.quarantine_window:
            self._until[persona_id] = now + settings.quarantine_pause
            times.clear()

    def remaining(self, persona_id: str) -> float:
        """Return for how many seconds the persona is still paused, or 0."""
        return max(0.0, self._until.get(persona_id, 0.0) - self._clock())

    def lift(self, persona_id: str) -> None:
        """End the pause, as a retry does."""
        self._until.pop(persona_id, None)
