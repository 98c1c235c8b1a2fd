"""Whether providers of other packages, which ``auto`` picks unasked, have been seen to work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from ..errors import ModelFailedError
from .references import ModelReference

__all__ = ["TRY_SECONDS", "Trials", "in_time"]

TRY_SECONDS = 20.0
"""How long the first attempt with a provider may take before others are not made to wait for it."""


class Trials:
    """Outcomes of the first attempts with each provider, by its id; for this process."""

    def __init__(self) -> None:
        self._picked: set[str] = set()
        self._working: set[str] = set()
        self._problems: dict[str, str] = {}
        self._open: dict[object, tuple[str, float]] = {}

    def picked(self, provider_id: str) -> None:
        """Note that a caller was given a model of the provider as the default."""
        self._picked.add(provider_id)

    def is_picked(self, provider_id: str) -> bool:
        """Return whether a caller was ever given a model of the provider as the default."""
        return provider_id in self._picked

    def begun(self, provider_id: str) -> object:
        """Note that a model of the provider is asked; :meth:`ended` takes what is returned."""
        attempt = object()
        self._open[attempt] = provider_id, time.monotonic()
        return attempt

    def ended(self, attempt: object) -> None:
        """Note that the attempt has had an outcome; code that blocks its thread never has one."""
        self._open.pop(attempt, None)

    def succeeded(self, provider_id: str) -> None:
        """Note that a model of the provider has answered."""
        self._working.add(provider_id)
        self._problems.pop(provider_id, None)

    def failed(self, provider_id: str, why: str) -> bool:
        """Note a failure, and return whether it counts: not once the provider has answered."""
        if provider_id in self._working:
            return False
        self._problems[provider_id] = why
        return True

    def problem(self, provider_id: str) -> str | None:
        """Return why the provider is not picked, or ``None``."""
        if (problem := self._problems.get(provider_id)) is not None:
            return problem
        if provider_id not in self._working:
            now = time.monotonic()
            waits = [now - at for id_, at in list(self._open.values()) if id_ == provider_id]
            if max(waits, default=0) > TRY_SECONDS:
                return f"`{provider_id}` has not begun to answer yet."
        return None


def in_time(build: Callable[[], object], reference: ModelReference) -> None:
    """Call ``build`` in a thread of its own, which is abandoned after :data:`TRY_SECONDS`.

    Raises:
        ModelFailedError: it takes longer; and what ``build`` raises.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            build()
        except Exception as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=run, name=f"try {reference}", daemon=True).start()
    try:
        outcome.result(TRY_SECONDS)
    except TimeoutError:
        why = f"it is not set up after {TRY_SECONDS:g} seconds"
        raise ModelFailedError(str(reference), why) from None
