"""Messages between a server and its plug-in process: requests go down, replies come up.

Each is a frozen dataclass of plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, get_args

from jupyter_ai_personas.discovery import Broken, Entry
from jupyter_ai_personas.hosts.frames import Logged
from jupyter_ai_personas.hosts.plain import Codec
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.providers.auth import (
    AwsAuthStrategy,
    EnvAuthStrategy,
    MultiEnvAuthStrategy,
)
from jupyter_ai_personas.providers.catalogue import FoundProviders
from jupyter_ai_personas.providers.descriptions import Description
from jupyter_ai_personas.providers.settings import Endpoint, ProviderSettings
from jupyter_ai_personas.tools.descriptions import ToolInfo, Toolset
from jupyter_ai_personas.tools.packages import FoundToolsets
from jupyter_ai_personas.tools.prompts import Prompt, PromptArgument

__all__ = [
    "CODEC",
    "Ask",
    "Began",
    "CallMcp",
    "Done",
    "EndMcp",
    "FindPersonas",
    "FindProviders",
    "FindToolsets",
    "FoundPersonas",
    "GetPrompt",
    "ListTools",
    "McpChanged",
    "Order",
    "Refused",
    "Reply",
    "Request",
    "Setup",
    "StartMcp",
    "TryModel",
    "Withdraw",
]


# -- requests: what the server asks -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FindPersonas:
    """Discover the personas: :class:`FoundPersonas`.

    See :class:`~jupyter_ai_personas.personas.PersonaRegistry`.
    """

    configured: tuple[Persona, ...]
    left_to: str


@dataclass(frozen=True, slots=True)
class FindProviders:
    """Discover the model providers: ``FoundProviders``. The settings have no secrets."""

    settings: ProviderSettings


@dataclass(frozen=True, slots=True)
class FindToolsets:
    """Discover the toolsets of packages: ``FoundToolsets``."""


@dataclass(frozen=True, slots=True)
class TryModel:
    """Build a model, with the secrets of its provider: what is wrong, empty if nothing is."""

    reference: str
    settings: ProviderSettings = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListTools:
    """List the tools of a persona's class: a ``Toolset``, or ``None``."""

    persona: Persona


@dataclass(frozen=True, slots=True)
class StartMcp:
    """Start an MCP server, unless it runs: a :class:`McpChanged`, ``within`` seconds at most.

    ``connection`` is what LangChain's adapters connect with; the secrets are filled in.
    """

    server: int
    name: str
    source: str
    is_trusted: bool
    connection: Mapping[str, Any] = field(repr=False)
    within: float | None = None


@dataclass(frozen=True, slots=True)
class CallMcp:
    """Call a tool of an MCP server by its full name, once: the result."""

    server: int
    tool: str
    arguments: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class GetPrompt:
    """Return the text of a prompt of an MCP server."""

    server: int
    prompt: str
    arguments: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, slots=True)
class EndMcp:
    """End an MCP server."""

    server: int


Request: TypeAlias = (
    FindPersonas
    | FindProviders
    | FindToolsets
    | TryModel
    | ListTools
    | StartMcp
    | CallMcp
    | GetPrompt
    | EndMcp
)


@dataclass(frozen=True, slots=True)
class Setup:
    """The first order. ``kept`` are the entry points that must not be run, and why."""

    log_level: int
    kept: tuple[tuple[Entry, Broken], ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, which is answered with its number."""

    number: int
    request: Request


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Cancel a request: nobody waits for its answer."""

    number: int


Order: TypeAlias = Setup | Ask | Withdraw


# -- replies: what the process says -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundPersonas:
    """The personas that were found, by their ids, and the entry points that cannot be used."""

    personas: Mapping[str, Persona]
    broken: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class Began:
    """The code of an entry point begins to run."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a request."""

    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """A request cannot be answered; ``reason`` is a sentence for people."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class McpChanged:
    """An MCP server is as ``toolset`` says from now on."""

    server: int
    toolset: Toolset
    prompts: tuple[Prompt, ...]


Reply: TypeAlias = Began | Done | Refused | McpChanged | Logged

CODEC = Codec(
    (
        *(*get_args(Order), *get_args(Request), *get_args(Reply)),
        *(Entry, Broken, Persona, FoundPersonas, FoundProviders, Description),
        *(AwsAuthStrategy, EnvAuthStrategy, MultiEnvAuthStrategy),
        *(ProviderSettings, Endpoint),
        *(FoundToolsets, Toolset, ToolInfo, Prompt, PromptArgument),
    )
)
