"""Operators' settings for tools; times in seconds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.settings import Flag, Names, Parameters, Seconds, Table, Whole, setting
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings, McpServersTable
from jupyter_ai_personas.tools.policy import check_policy

__all__ = ["PolicyTable", "ToolSettings"]


@dataclass(frozen=True, slots=True)
class PolicyTable:
    """A dictionary: pattern → ``allow``, ``ask`` or ``deny``; persona → another of its own."""

    example: Mapping[str, Any]

    def read(self, value: Any, at: str) -> dict[str, Any]:
        """See :meth:`Kind.read`."""
        read = Parameters(self.example).read(value, at)
        try:
            check_policy(read)
        except ConfigurationError as error:
            raise ConfigurationError(f"`{at}`: {error}") from None
        return {key: dict(v) if isinstance(v, Mapping) else v for key, v in read.items()}

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`: a dictionary, or ``pattern=policy``."""
        pattern, is_pair, verdict = text.partition("=")
        return {pattern: verdict} if is_pair and "{" not in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSettings:
    """Defaults let personas read, and let them change or run something after people approve."""

    persona_tools: Mapping[str, Collection[str]] = setting(
        {},
        Table("Guide", Names(["workspace", "mcp:weather"])),
        "The tools of single personas: persona name or id → toolsets, tools and patterns. It "
        "replaces what the persona's author chose.",
        limit=True,
    )
    tool_policy: Mapping[str, Any] = setting(
        {},
        PolicyTable({"workspace.*": "allow", "Guide": {"notebook.run_cell": "deny"}}),
        "Whether calls of tools are allowed, asked about or denied: pattern → `allow`, `ask` or "
        "`deny`, or persona → such a dictionary. The most specific pattern decides. Without one, "
        "tools that only read are allowed, and all others are asked about.",
        limit=True,
    )
    allowed_tools: Collection[str] | None = setting(
        None,
        Names(["workspace", "notebook.read"], optional=True),
        "The only toolsets and tools that personas may have. Default: all.",
        limit=True,
    )
    blocked_tools: Collection[str] = setting(
        [],
        Names(["notebook.run_cell", "mcp:*"]),
        "Toolsets and tools that no persona has.",
        limit=True,
    )
    mcp_servers: Mapping[str, McpServerSettings] = setting(
        {},
        McpServersTable(),
        "MCP servers, each a toolset `mcp:<name>`: name → `command`, `args` and `env`, or `url` "
        "and `headers`. `${NAME}` in a value reads the environment that Jupyter starts in.",
        secret=True,
    )
    trusted_mcp_servers: Collection[str] = setting(
        [],
        Names(["weather"]),
        "MCP servers of `mcp_servers` that are believed when they say that a tool only reads. "
        "Otherwise all their tools are asked about.",
    )
    workspace_mcp_servers: bool = setting(
        False,
        Flag(),
        "Whether `.jupyter/mcp_settings.json` in the folder of a chat, and above it up to the "
        "server's root, adds MCP servers. Everyone who can write such a file can start commands.",
    )
    max_tool_calls: int = setting(
        50, Whole(50), "Calls of tools that a persona may make while it answers one message."
    )
    tool_timeout: float = setting(
        120.0, Seconds(120), "Seconds that one call of a tool may take, once it is approved."
    )
    cell_timeout: float = setting(
        3600.0,
        Seconds(3600),
        "Seconds that a notebook's cell may run if the persona asks for more than `tool_timeout`, "
        "counted from when the kernel begins to run it.",
    )
    tool_result_chars: int = setting(
        30_000,
        Whole(30_000, minimum=500),
        "Characters that a model is given of the result of one call. It is told what was cut.",
    )
