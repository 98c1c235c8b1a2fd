"""What an operator may set about turns, as plain data; times in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RuntimeSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """Defaults are what a server with a few dozen people wants."""

    default_persona: str | None = None
    """Who answers a message that mentions nobody, in a chat with one person."""

    models: Mapping[str, str] = field(default_factory=dict)
    """Persona name or id → model reference; it overrides the persona's own."""

    persona_config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Persona name or id → what the persona gets as ``self.config``."""

    max_concurrent_turns: int = 4
    """Turns of different people that one persona runs at once in a chat."""

    max_queued_turns: int = 5
    """Turns of one person that wait for one persona in a chat."""

    max_hops: int = 4
    """Personas that a message may pass on to each other, in a row."""

    max_turns_per_message: int = 12
    """Turns that one message of a person may cause in all."""

    max_reply_chars: int = 500_000
    """Characters that one turn may write."""

    history_messages: int = 40
    history_tokens: int = 16_000
    """What a model is shown of the chat, unless the persona's author asks for other bounds."""

    history_chars: int = 200_000
    """What a persona can be shown of the chat."""

    turn_timeout: float = 900.0
    """How long a turn may take."""

    actor_idle: float = 300.0
    """How long a persona stays in a chat where nobody addresses it."""

    block_warning: float = 2.0
    """When a persona that blocks its event loop is named in the log."""

    block_timeout: float = 120.0
    """When a persona that blocks its event loop is given up and restarted."""

    stop_grace: float = 5.0
    """When a host is given up that blocks although none of its turns is wanted any more."""

    quarantine_failures: int = 5
    quarantine_window: float = 120.0
    quarantine_pause: float = 300.0
    """A persona whose code fails that often within the window is paused."""

    max_messages_per_minute: int = 60
    """Messages of one person in one chat that may address personas, in any minute."""

    recover_within: float = 900.0
    """How old an unanswered message may be to be answered after a restart."""

    resume_interrupted: bool = False
    """Whether a reply that a crash cut off is written anew without being asked."""

    approvers: tuple[str, ...] = ("anyone",)
    """Who decides about calls of tools: `anyone`, `asker`, or usernames."""

    approval_timeout: float = 3600.0
    """How long people may take to decide."""

    root_dir: str | None = None
    """The server's root directory, if it is one."""

    has_files: bool = True
    """Whether what people attach are files, and not contents that are kept otherwise."""
