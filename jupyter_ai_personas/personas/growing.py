"""Messages of one turn that grow side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_ai_personas.personas.wire import (
    MAX_REQUEST,
    HostEvent,
    ReplyClosed,
    ReplyDescribed,
    ReplyOpened,
    ReplyRewritten,
    TextDelta,
    plain_json,
)
from jupyter_ai_personas.text import TextJoiner

__all__ = ["GrowingMessages"]


class GrowingMessages:
    """Begins messages, adds to any of them in any order, and closes them.

    ``count`` is given each text, and ``begin`` returns a new message's id; both raise what
    :meth:`Turn.send` raises. A message appears with its first text or metadata.
    """

    def __init__(
        self,
        turn_id: str,
        emit: Callable[[HostEvent], None],
        *,
        begin: Callable[[], str],
        count: Callable[[str], None],
    ) -> None:
        self._turn_id = turn_id
        self._emit = emit
        self._begin = begin
        self._count = count
        self._joiners: dict[str, TextJoiner] = {}
        self._shown: set[str] = set()

    def begin(self) -> str:
        """Begin a message and return its id."""
        message_id = self._begin()
        self._joiners[message_id] = TextJoiner()
        return message_id

    def __contains__(self, message_id: str) -> bool:
        """Return whether a message grows."""
        return message_id in self._joiners

    def add(self, message_id: str, text: str) -> None:
        """Add ``text`` to a message."""
        self._count(text)
        self._write(message_id, self._joiners[message_id].feed(text))

    def rewrite(self, message_id: str, text: str) -> None:
        """Replace the text of a message."""
        self._count(text)
        joiner = self._joiners[message_id] = TextJoiner()
        text = joiner.feed(text)
        if message_id in self._shown:
            self._emit(ReplyRewritten(self._turn_id, message_id, text))
        else:
            self._write(message_id, text)

    def describe(self, message_id: str, metadata: Mapping[str, Any]) -> None:
        """Set metadata of a message by key, which is JSON.

        Raises:
            TypeError: it is not.
        """
        plain = plain_json(dict(metadata), most=MAX_REQUEST)
        self._count("")
        self._shown.add(message_id)
        self._emit(ReplyDescribed(self._turn_id, message_id, plain))

    def close(self) -> None:
        """Close all messages: they have all their text."""
        for message_id, joiner in self._joiners.items():
            self._write(message_id, joiner.finish())
            if message_id in self._shown:
                self._emit(ReplyClosed(self._turn_id, message_id))
        self._joiners.clear()

    def _write(self, message_id: str, text: str) -> None:
        if not text:
            return
        if message_id in self._shown:
            self._emit(TextDelta(self._turn_id, message_id, text))
        else:
            self._shown.add(message_id)
            self._emit(ReplyOpened(self._turn_id, message_id, text))
