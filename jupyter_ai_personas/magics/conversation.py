"""The notebook's last questions and replies: the context of the next cell."""

from __future__ import annotations

from collections import deque

__all__ = ["Conversation"]

_MOST_CHARS = 60_000
_MOST_EXCHANGES = 100


class Conversation:
    """The newest hundred exchanges of one prompt and one reply, in order."""

    def __init__(self) -> None:
        self._exchanges: deque[tuple[str, str]] = deque(maxlen=_MOST_EXCHANGES)

    def add(self, prompt: str, reply: str) -> None:
        """Append an exchange."""
        self._exchanges.append((prompt, reply))

    def clear(self) -> None:
        """Forget everything."""
        self._exchanges.clear()

    def newest(self, count: int) -> list[tuple[str, str]]:
        """Return the newest ``count`` exchanges, or fewer to stay within 60,000 characters."""
        found: list[tuple[str, str]] = []
        room = _MOST_CHARS
        for prompt, reply in reversed(self._exchanges):
            room -= len(prompt) + len(reply)
            if len(found) == count or room < 0:
                break
            found.insert(0, (prompt, reply))
        return found
