"""Decides which tools a persona has: the author names them, the operator changes and limits them.
Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jupyter_ai_personas.tools.descriptions import ToolInfo, Toolset
from jupyter_ai_personas.tools.policy import folded, matches

__all__ = ["Grant", "grant", "is_permitted", "wanted_toolsets"]


@dataclass(frozen=True, slots=True)
class Grant:
    """The tools that a persona has. ``missing`` are names that no toolset and no tool has."""

    tools: tuple[ToolInfo, ...]
    missing: tuple[str, ...] = ()
    withheld: tuple[ToolInfo, ...] = ()
    """The tools that a persona names and does not have, since they do more than read."""

    def reading(self) -> Grant:
        """Return the grant without tools of MCP servers and those that do more than read."""
        reads = [tool for tool in self.tools if tool.effect == "read" and not _is_remote(tool)]
        others = [tool for tool in self.tools if tool not in reads]
        return replace(self, tools=tuple(reads), withheld=tuple(others))


def _is_remote(tool: ToolInfo) -> bool:
    return tool.name.startswith("mcp:")


def wanted_toolsets(
    names: Collection[str], author: Sequence[str], persona_tools: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the toolsets that a persona is to have.

    ``names`` are the persona's id, name and mention name; ``author`` what its author names;
    ``persona_tools`` replaces that: persona → toolsets.
    """
    meant = {folded(name) for name in names}
    for name, chosen in persona_tools.items():
        if folded(name) in meant:
            return tuple(chosen) if isinstance(chosen, list | tuple) else ()
    return tuple(author)


def grant(
    wanted: Iterable[str],
    toolsets: Iterable[Toolset],
    *,
    allowed: Iterable[str] | None = None,
    blocked: Iterable[str] = (),
    own: Iterable[ToolInfo] = (),
) -> Grant:
    """Return the tools of a persona, each once, in the order in which they are wanted.

    A name in ``wanted`` is a toolset, a single tool, or a pattern such as ``mcp:*``. ``own`` are
    tools of the persona's class, granted always. ``allowed`` (``None``: all) and ``blocked`` are
    the operator's patterns, which limit both.
    """
    everything = [tool for toolset in toolsets for tool in toolset.tools]
    allowed = None if allowed is None else list(allowed)
    blocked = list(blocked)
    tools: dict[str, ToolInfo] = {}
    missing = []
    for name in wanted:
        found = [tool for tool in everything if matches(name, tool.name)]
        if not found:
            missing.append(name)
        tools.update((tool.name, tool) for tool in found if tool.name not in tools)
    for tool in own:
        tools.setdefault(tool.name, tool)
    permitted = (t for t in tools.values() if is_permitted(t.name, allowed, blocked))
    return Grant(tuple(permitted), tuple(missing))


def is_permitted(tool: str, allowed: Iterable[str] | None, blocked: Iterable[str]) -> bool:
    """Return whether the operator's ``allowed_tools`` and ``blocked_tools`` let a tool be used."""
    if any(matches(pattern, tool) for pattern in blocked):
        return False
    return allowed is None or any(matches(pattern, tool) for pattern in allowed)
