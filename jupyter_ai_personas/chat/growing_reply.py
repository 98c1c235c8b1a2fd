"""The buffer of a growing reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.chat.markdown import closing_fence
from jupyter_ai_personas.chat.messages import ReplyState
from jupyter_ai_personas.chat.protocol import Append, Insert, Update

__all__ = ["GrowingReply"]


class GrowingReply:
    """The text and the state of a reply, and how much of it the chat holds.

    A passive buffer: only :class:`~jupyter_ai_personas.chat.writer.ReplyWriter` changes it.
    """

    __slots__ = (
        "_metadata",
        "_parts",
        "_shown_state",
        "beside",
        "chars",
        "has_new_metadata",
        "id",
        "is_inserted",
        "is_live",
        "is_stale",
        "is_waiting",
        "refusals",
        "sender",
        "state",
        "written",
    )

    def __init__(
        self, message_id: str, sender: str, metadata: Mapping[str, Any], *, is_inserted: bool
    ) -> None:
        self.id = message_id
        self.sender = sender
        self.state: ReplyState = "streaming"
        self.chars = 0
        self.is_inserted = is_inserted
        """Whether the chat holds the message."""
        self.is_live = False
        """Whether the last write left the body live (see :class:`Insert`)."""
        self.is_stale = False
        """Whether the chat lacks a change of this reply."""
        self.written = 0
        """How many characters of the body were written."""
        self.refusals = 0
        """How many writes in a row the chat refused."""
        self.is_waiting = False
        """Whether it waits for a person, while it streams."""
        self._shown_state: ReplyState = "streaming"
        self._metadata = dict(metadata)
        self._parts: list[str] = []
        self.beside: dict[str, Any] = {}
        """Metadata beside our part, by key; ``None`` removes a key."""
        self.has_new_metadata = False
        """Whether the chat lacks a change of :attr:`beside`."""

    @property
    def body(self) -> str:
        """The text so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def metadata(self) -> dict[str, Any]:
        """Our metadata of the message, with the current state."""
        return {**self._metadata, "state": self.shown_state}

    @property
    def shown_state(self) -> ReplyState:
        """The state that the chat shows: ``waiting`` if a streaming reply waits for a person."""
        return "waiting" if self.is_waiting and self.state == "streaming" else self.state

    def add(self, text: str) -> None:
        """Add ``text`` to the body. The cost grows with ``text`` only."""
        self._parts.append(text)
        self.chars += len(text)
        self.is_stale = True

    def describe(self, beside: Mapping[str, Any]) -> None:
        """Set metadata of the message beside our part."""
        self.beside.update(beside)
        self.is_stale = self.has_new_metadata = True

    def clear(self) -> None:
        """Empty the body."""
        self._parts = []
        self.chars = 0
        self.beside = dict.fromkeys(self.beside)
        self.has_new_metadata = bool(self.beside)
        self.is_stale = self.is_inserted

    def end(self, state: ReplyState, note: str, metadata: Mapping[str, Any]) -> None:
        """Set the final ``state``, add ``note`` as a paragraph, and ``metadata`` to ours."""
        if note:
            body = self.body
            lines = [*([body] if body else []), *filter(None, [closing_fence(body)])]
            self._parts = ["\n".join([*lines, *([""] if lines else []), note])]
        self.state = state
        self._metadata.update(metadata)
        self.is_stale = True

    def write(self, *, live: bool, shown: str | None) -> list[Insert | Append | Update]:
        """Return the writes that bring the chat up to date, and count them as made.

        ``live``: every client shows a live body. ``shown`` is the body in the chat; if somebody
        else changed it, the whole body is written.
        """
        self.is_stale = False
        beside = self.beside if self.has_new_metadata or not self.is_inserted else {}
        self.has_new_metadata = False
        changed, self._shown_state = self._shown_state != self.shown_state, self.shown_state
        metadata = self.metadata if changed or self.state != "streaming" else None
        body, written = self.body, self.written
        self.written = len(body)
        live = live and self.state == "streaming"
        if not self.is_inserted:
            self.is_inserted, self.is_live = True, live
            return [Insert(self.id, self.sender, body, self.metadata, live=live, beside=beside)]
        if not live or shown is None or len(shown) != written or not body.startswith(shown):
            self.is_live = False
            return [Update(self.id, body, metadata, beside)]
        writes: list[Insert | Append | Update] = []
        if more := body[written:]:
            self.is_live = True
            writes.append(Append(self.id, more))
        if metadata is not None or beside:
            writes.append(Update(self.id, metadata=metadata, beside=beside))
        return writes
