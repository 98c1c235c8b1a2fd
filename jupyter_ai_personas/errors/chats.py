"""Errors about a chat."""

from __future__ import annotations

from jupyter_ai_personas.errors.base import PersonasError

__all__ = [
    "AttachmentError",
    "ChatError",
    "ChatNotOpenError",
    "FeedbackError",
    "RecordingError",
    "UnknownReplyError",
]


class ChatError(PersonasError):
    """Something about a chat."""


class RecordingError(ChatError):
    """A chat cannot be recorded, or a recording cannot be replayed."""


class ChatNotOpenError(ChatError):
    """No open chat at that path."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"No open chat at `{path}`. Open it in JupyterLab first; the path is relative to the "
            "server's root."
        )


class UnknownReplyError(ChatError):
    """The chat has no such reply."""

    def __init__(self) -> None:
        super().__init__("There is no reply of a persona with that id in this chat.")


class FeedbackError(ChatError):
    """A vote cannot be taken now."""


class AttachmentError(ChatError):
    """An attachment or file cannot be read, or written; the message says why."""
