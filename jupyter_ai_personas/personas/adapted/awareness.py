"""``self.awareness`` of a persona: the fields that it sets become its status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Awareness"]


class Awareness:
    """A local state of which ``isWriting`` is shown, as the persona's status."""

    def __init__(self, show: Callable[[str | None], None]) -> None:
        self._show = show
        self._state: dict[str, Any] | None = {}

    def get_local_state(self) -> dict[str, Any] | None:
        """Return what was set."""
        return self._state

    def set_local_state(self, state: dict[str, Any] | None) -> None:
        """Replace the state."""
        self._state = state
        self._show("is writing" if state and state.get("isWriting") else None)

    def set_local_state_field(self, field: str, value: Any) -> None:
        """Set one field of the state."""
        self._state = {**(self._state or {}), field: value}
        if field == "isWriting":
            self._show("is writing" if value else None)

    def shutdown(self) -> None:
        """Forget the state."""
        self._state = None
