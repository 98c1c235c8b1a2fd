"""What an operator may set about the server's part alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jupyter_ai_personas.settings import File, setting

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
