"""What the runtime needs of tools: which a persona has, and what runs them on the server's side."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.tools import (
    CallContext,
    PackageToolsets,
    Policy,
    Preview,
    Prompt,
    ToolBounds,
    ToolExecutor,
    ToolInfo,
    Toolset,
    decide,
)

__all__ = [
    "CallContext",
    "ChangeBook",
    "NoChanges",
    "NoToolbox",
    "Preview",
    "ToolExecutor",
    "Toolbox",
    "Undone",
]


class Toolbox(Protocol):
    """The tools of a server."""

    @property
    def packages(self) -> PackageToolsets:
        """The toolsets of packages."""

    @property
    def bounds(self) -> ToolBounds:
        """How much one turn may do with tools."""

    def load(self) -> None:
        """Import what packages provide. Blocking: it is called in a worker thread."""

    def toolsets(self) -> Sequence[Toolset]:
        """Return all toolsets, the broken ones too."""

    async def tried_out(self) -> Sequence[Toolset]:
        """Return all toolsets as they are when what they need was started; then end that."""

    def policy(self, tool: ToolInfo, persona: Persona | None = None) -> Policy:
        """Return what becomes of a call of ``tool``, by a persona or by any."""

    async def aclose(self) -> None:
        """End what was started, within a bound."""

    async def ready(self, persona: Persona, chat_path: str) -> None:
        """Start what a persona's tools need, such as MCP servers; the wait is bounded."""

    @property
    def persona_names(self) -> Collection[str]:
        """The names of personas whose tools the operator chose."""

    def missing(self, personas: Iterable[Persona]) -> Iterable[tuple[str, str]]:
        """Return personas' names with what the operator gives them and nothing offers."""

    def wanted(self, persona: Persona) -> Sequence[str]:
        """Return the toolsets, tools and patterns that a persona is to have."""

    def granted(self, persona: Persona, chat_path: str) -> Sequence[ToolInfo]:
        """Return the tools that a persona has in a chat, but for those of its own class."""

    def withheld(self, persona: Persona, chat_path: str) -> Sequence[str]:
        """Return what a persona of a file names and does not have, since it may only read."""

    def unknown(self, persona: Persona, chat_path: str) -> Sequence[str]:
        """Return the names that a persona wants and no toolset or tool here has."""

    def connections(self, persona: Persona) -> Sequence[Mapping[str, Any]]:
        """Return how the MCP servers are reached that a persona may call without being asked."""

    def permits(self, tool: str) -> bool:
        """Return whether the operator's ``allowed_tools`` and ``blocked_tools`` permit a tool."""

    def executor(self, tool: str) -> ToolExecutor | None:
        """Return what runs a tool on the server's side, ``None`` if the persona's host does."""

    def prompts(self, persona: Persona, chat_path: str) -> Sequence[Prompt]:
        """Return the prompts that a persona can be asked with, as far as servers have started."""

    def is_prompt(self, persona: Persona, body: str, chat_path: str) -> bool:
        """Return whether a message asks a persona with a prompt."""

    async def expanded(self, persona: Persona, body: str, chat_path: str) -> str:
        """Return what a message asks: the text of the prompt that it names, else itself.

        Raises:
            RequestRefusedError: there is no such prompt, or its arguments are wrong.
        """


class NoToolbox:
    """No tools but those of the personas' own classes."""

    packages = PackageToolsets(log=logging.getLogger(__name__), entry_points=())
    bounds = ToolBounds()

    def load(self) -> None:
        """See :meth:`Toolbox.load`."""

    def toolsets(self) -> Sequence[Toolset]:
        """See :meth:`Toolbox.toolsets`."""
        return ()

    async def tried_out(self) -> Sequence[Toolset]:
        """See :meth:`Toolbox.tried_out`."""
        return ()

    def policy(self, tool: ToolInfo, persona: Persona | None = None) -> Policy:
        """See :meth:`Toolbox.policy`."""
        return decide({}, (), tool.name, tool.effect)

    async def aclose(self) -> None:
        """See :meth:`Toolbox.aclose`."""

    async def ready(self, persona: Persona, chat_path: str) -> None:
        """See :meth:`Toolbox.ready`."""

    @property
    def persona_names(self) -> Collection[str]:
        """See :meth:`Toolbox.persona_names`."""
        return ()

    def connections(self, persona: Persona) -> Sequence[Mapping[str, Any]]:
        """See :meth:`Toolbox.connections`."""
        return ()

    def missing(self, personas: Iterable[Persona]) -> Iterable[tuple[str, str]]:
        """See :meth:`Toolbox.missing`."""
        return ()

    def wanted(self, persona: Persona) -> Sequence[str]:
        """See :meth:`Toolbox.wanted`."""
        return persona.tools

    def granted(self, persona: Persona, chat_path: str) -> Sequence[ToolInfo]:
        """See :meth:`Toolbox.granted`."""
        return ()

    def withheld(self, persona: Persona, chat_path: str) -> Sequence[str]:
        """See :meth:`Toolbox.withheld`."""
        return ()

    def unknown(self, persona: Persona, chat_path: str) -> Sequence[str]:
        """See :meth:`Toolbox.unknown`."""
        return persona.tools

    def permits(self, tool: str) -> bool:
        """See :meth:`Toolbox.permits`."""
        return True

    def executor(self, tool: str) -> ToolExecutor | None:
        """See :meth:`Toolbox.executor`."""
        return None

    def prompts(self, persona: Persona, chat_path: str) -> Sequence[Prompt]:
        """See :meth:`Toolbox.prompts`."""
        return ()

    def is_prompt(self, persona: Persona, body: str, chat_path: str) -> bool:
        """See :meth:`Toolbox.is_prompt`."""
        return False

    async def expanded(self, persona: Persona, body: str, chat_path: str) -> str:
        """See :meth:`Toolbox.expanded`."""
        return body


class Undone(Protocol):
    """What was taken back of a turn."""

    @property
    def persona_id(self) -> str:
        """The persona whose turn it was."""

    def text(self, persona: str) -> str:
        """Return what people are told, in Markdown; ``persona`` is the persona's name."""


class ChangeBook(Protocol):
    """What tools have changed in notebooks and files."""

    def links(self, turn_id: str) -> str:
        """Return links to what a turn changed since this was asked last, in Markdown."""

    async def undo(self, chat_id: str, persona_id: str | None = None) -> Undone | None:
        """Take back the latest turn of a chat, or of a persona in it, that changed something."""


class NoChanges:
    """Nothing was changed."""

    def links(self, turn_id: str) -> str:
        """See :meth:`ChangeBook.links`."""
        return ""

    async def undo(self, chat_id: str, persona_id: str | None = None) -> Undone | None:
        """See :meth:`ChangeBook.undo`."""
        return None
