"""A chat's file as it is when the chat is opened.

It is read at once: an opened chat gets an id, and a second later a save overwrites the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jupyter_ai_personas.chat.cut_off_saves import made_at
from jupyter_ai_personas.chat.file_format import ChatFile, parse_chat

__all__ = ["OpenedFile", "read_chat_file"]


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """The text of a chat's file and the chat in it, ``None`` if it is no chat.

    ``written_at`` is in seconds since the epoch, ``None`` if the file is not in the file system.
    """

    content: str
    chat: ChatFile | None
    written_at: float | None = None

    @classmethod
    def of(cls, content: str, written_at: float | None = None) -> OpenedFile:
        """Return the file with ``content``; an empty one is an empty chat."""
        return cls(content, parse_chat(content) if content.strip() else ChatFile(), written_at)


def read_chat_file(file: Path) -> OpenedFile:
    """Read a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not UTF-8.
    """
    written_at = made_at(file)
    return OpenedFile.of(file.read_bytes().decode(), written_at)
