"""Operators' settings for the server's part."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_ai_personas.acp import AgentSettings, AgentsTable
from jupyter_ai_personas.context import DEFAULT_EXCLUDE
from jupyter_ai_personas.settings import File, Flag, Names, setting

__all__ = ["ServerSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the server keeps what is its own."""

    ledger_path: Path | None = setting(
        None,
        File("/var/lib/jupyter/ledger.sqlite"),
        "The file that records turns until they are answered. Default: "
        "`jupyter_ai_personas/ledger.sqlite` in Jupyter's data directory.",
    )
    workspace_search: bool = setting(
        True,
        Flag(),
        "Whether the text files below the server's root are indexed, for `GET search` and for "
        "personas that search. The index is kept in Jupyter's data directory.",
    )
    search_exclude: Collection[str] = setting(
        list(DEFAULT_EXCLUDE),
        Names(["build/", "*.log"]),
        "Files and folders that are not indexed, in the syntax of `.gitignore`. Hidden and "
        "secret-like files never are.",
    )
    acp_agents: Mapping[str, AgentSettings] = setting(
        {},
        AgentsTable(),
        "Agents of the Agent Client Protocol, each a persona: name → `command` and, if wanted, "
        "`args`, `env`, `avatar`, `description` and `tools`. `${NAME}` in a command or in `env` "
        "reads the environment that Jupyter starts in; the agent gets no other secret of it.",
        in_notebooks=False,
        secret=True,
    )
