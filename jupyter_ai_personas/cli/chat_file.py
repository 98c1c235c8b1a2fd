"""The file of a terminal's chat: read at the beginning, written after each exchange."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_ai_personas.chat import MemoryChat, Restore
from jupyter_ai_personas.chat.file_format import ChatFile, format_chat, parse_chat
from jupyter_ai_personas.chat.messages import METADATA_KEY, decode_user, encode_user
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.runtime.services import MODELS_SETTING

__all__ = ["TerminalFile"]


class TerminalFile:
    """A ``.chat`` file below ``root``, which need not exist yet.

    Raises:
        ConfigurationError: it is elsewhere, cannot be read, or is no chat.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        try:
            inside = path.resolve().relative_to(root.resolve())
        except ValueError:
            raise ConfigurationError(f"`{path}` is not in the folder `{root}`.") from None
        self.chat_path = inside.as_posix()
        """The path of the chat, from the root."""
        try:
            content = path.read_text("utf-8") if path.exists() else ""
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"`{path}` cannot be read: {error}.") from None
        found = parse_chat(content) if content.strip() else ChatFile()
        if found is None:
            raise ConfigurationError(f"`{path}` is no chat. Give the path of a `.chat` file.")
        self._found = found

    @property
    def id(self) -> str | None:
        """The id of the chat, if it has one."""
        return self._found.id

    def fill(self, chat: MemoryChat) -> None:
        """Put what the file holds into ``chat``."""
        chat.users.update({name: decode_user(name, raw) for name, raw in self._found.users.items()})
        chat.apply(Restore(raw) for raw in self._found.messages)
        ours = self._found.metadata.get(METADATA_KEY)
        models = ours.get(MODELS_SETTING) if isinstance(ours, dict) else None
        if isinstance(models, dict):
            chat.set_setting(MODELS_SETTING, models)

    def save(self, chat: MemoryChat) -> None:
        """Write what ``chat`` holds; what could not be read of the file stays in it.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        messages: dict[Any, Any] = {}
        for number, raw in enumerate(self._found.messages):
            messages[raw.get("id", number) if isinstance(raw, dict) else number] = raw
        messages.update((one.id, chat.raw(one.id)) for one in chat.messages)
        users = {name: encode_user(user) for name, user in chat.users.items()}
        metadata: dict[str, Any] = {**self._found.metadata, "id": chat.id}
        if (models := chat.setting(MODELS_SETTING)) is not None:
            ours = metadata.get(METADATA_KEY)
            metadata[METADATA_KEY] = {**(ours if isinstance(ours, dict) else {}), "models": models}
        self._found = replace(
            self._found,
            messages=list(messages.values()),
            users={**self._found.users, **users},
            metadata=metadata,
        )
        beside = self.path.with_name(f".{self.path.name}.part")
        try:
            beside.write_text(format_chat(self._found), "utf-8")
            beside.replace(self.path)
        except OSError as error:
            raise ConfigurationError(f"`{self.path}` cannot be written: {error}.") from None
