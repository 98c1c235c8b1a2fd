"""Operators' settings for the server's part."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

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
