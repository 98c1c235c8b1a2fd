"""What the runtime needs of tools: which a persona has, and what runs them on the server's side."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.tools import (
    PackageToolsets,
    Policy,
    ToolBounds,
    ToolInfo,
    Toolset,
    decide,
)

__all__ = ["CallContext", "NoToolbox", "Preview", "ToolExecutor", "Toolbox"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls a tool: turn, call, persona, chat, and the username of who asked the persona."""

    turn_id: str
    call_id: str
    persona_id: str
    persona_name: str
    chat_id: str
    chat_path: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What people are shown of a call before they decide, as plain text.

    ``target`` is what is changed or run, such as a path. ``diff`` is a unified diff, ``code`` what
    is to run, in ``language``. ``note`` says what else follows, such as a kernel that is started.
    ``covers`` are the arguments that these show in full; the others are shown as they are.
    """

    target: str = ""
    diff: str = ""
    code: str = ""
    language: str = ""
    note: str = ""
    covers: Sequence[str] = field(default=())


class ToolExecutor(Protocol):
    """Runs one tool on the server's event loop. Errors of ours are shown to the model."""

    async def run(self, context: CallContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the tool and return its result as JSON. Ends when it is cancelled."""

    async def preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        """Return what people are shown; changes nothing."""


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

    def policy(self, tool: ToolInfo, persona: Persona | None = None) -> Policy:
        """Return what becomes of a call of ``tool``, by a persona or by any."""

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

    def permits(self, tool: str) -> bool:
        """Return whether the operator's ``allowed_tools`` and ``blocked_tools`` permit a tool."""

    def executor(self, tool: str) -> ToolExecutor | None:
        """Return what runs a tool on the server's side, ``None`` if the persona's host does."""


class NoToolbox:
    """No tools but those of the personas' own classes."""

    packages = PackageToolsets(log=logging.getLogger(__name__), entry_points=())
    bounds = ToolBounds()

    def load(self) -> None:
        """See :meth:`Toolbox.load`."""

    def toolsets(self) -> Sequence[Toolset]:
        """See :meth:`Toolbox.toolsets`."""
        return ()

    def policy(self, tool: ToolInfo, persona: Persona | None = None) -> Policy:
        """See :meth:`Toolbox.policy`."""
        return decide({}, (), tool.name, tool.effect)

    async def ready(self, persona: Persona, chat_path: str) -> None:
        """See :meth:`Toolbox.ready`."""

    @property
    def persona_names(self) -> Collection[str]:
        """See :meth:`Toolbox.persona_names`."""
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

    def permits(self, tool: str) -> bool:
        """See :meth:`Toolbox.permits`."""
        return True

    def executor(self, tool: str) -> ToolExecutor | None:
        """See :meth:`Toolbox.executor`."""
        return None
