"""Whether providers of other packages, which ``auto`` picks unasked, have been seen to work."""

from __future__ import annotations

__all__ = ["Trials"]


class Trials:
    """Outcomes of the first attempts with each provider, by its id; for this process."""

    def __init__(self) -> None:
        self._picked: set[str] = set()
        self._working: set[str] = set()
        self._problems: dict[str, str] = {}

    def picked(self, provider_id: str) -> None:
        """Note that a caller was given a model of the provider as the default."""
        self._picked.add(provider_id)

    def is_picked(self, provider_id: str) -> bool:
        """Return whether a caller was ever given a model of the provider as the default."""
        return provider_id in self._picked

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
        return self._problems.get(provider_id)
