"""A persona as the server knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_ai_personas.chat.messages import User

__all__ = ["Persona"]


@dataclass(frozen=True, slots=True)
class Persona:
    """A persona that can be addressed, as plain data.

    ``class_path`` is its class as ``module:Class``, which only the process that runs it imports.
    """

    id: str
    name: str
    mention_name: str
    description: str
    system_prompt: str
    model: str | None
    avatar: Path | None
    source: str
    class_path: str
    allows_concurrency: bool = True
    commands: Mapping[str, str] = field(default_factory=dict, hash=False)
    tools: tuple[str, ...] = ()
    model_parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    max_hops: int | None = None
    """How often it may pass a message on, if that is less than the operator allows."""
    emoji: str = ""
    """Its avatar, if that is no file."""
    file: str = ""
    """The file that defines it, relative to the server's root; empty for one of a package."""
    reads_only: bool = False
    """Whether it has only tools that read, and no MCP servers, whatever it names."""
    is_adapted: bool = False
    """Whether its class is one of Jupyter AI 3: it has models of its own, and one turn at a time in
    each chat."""
    avatar_link: str | None = None
    """The URL of its image, if its package names one and no file."""
    is_agent: bool = False
    """Whether it is an agent that the operator configured."""
    answers_itself: bool = False
    """Whether its class has a ``process_message`` of its own; else the product's loop answers."""
    has_tools: bool = False
    """Whether its class has ``tools()`` of its own."""
    searched_chars: int = 0
    """See :attr:`BasePersona.searched_chars`."""
    own_config: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    """Configuration of its own, which nothing overrides."""

    @property
    def names(self) -> tuple[str, str, str]:
        """What operators may call it: its id, name and mention name."""
        return self.id, self.name, self.mention_name

    @property
    def has_own_models(self) -> bool:
        """Whether it has models of its own, and one turn at a time in each chat."""
        return self.is_adapted or self.is_agent

    def user(self, avatar_url: str | None = None) -> User:
        """Return the user that it is in a chat."""
        words = [word for word in self.name.replace("-", " ").split() if word[0].isalnum()]
        return User(
            username=self.id,
            name=self.name,
            display_name=self.name,
            mention_name=self.mention_name,
            initials="".join(word[0] for word in words[:2]).upper(),
            avatar_url=avatar_url,
        )
