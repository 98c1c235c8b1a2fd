"""``search``: the server's search without a server."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_ai_personas.cli.installation import LogKeeper, read_extension
from jupyter_ai_personas.context.index_folder import IndexStatus
from jupyter_ai_personas.context.own_index import OwnIndex
from jupyter_ai_personas.errors import ConfigurationError

__all__ = ["search"]

_SHOWN_LINES = 4


def search(query: str, *, root: Path, limit: int, as_json: bool) -> int:
    """Print the best passages for ``query`` and return the exit code.

    Raises:
        ConfigurationError: a setting cannot work, or ``root`` is no folder.
        SearchUnavailableError: the index can be neither built nor read.
    """
    from jupyter_core.paths import jupyter_data_dir

    if not root.is_dir():
        raise ConfigurationError(f"There is no folder `{root}`. Give one with `--root`.")
    settings = read_extension(LogKeeper()).index_settings()
    index = OwnIndex(root, Path(jupyter_data_dir()), settings, progress=_progress)
    hits = [asdict(hit) for hit in index.search(query, limit)]
    if as_json:
        print(json.dumps(hits, indent=2, ensure_ascii=False))
    else:
        _print(hits)
    return 0


def _progress(status: IndexStatus) -> None:
    if sys.stderr.isatty():
        print(f"\r{status}", end="\n" if status.state == "ready" else "", file=sys.stderr)


def _print(hits: list[dict[str, Any]]) -> None:
    if not hits:
        print("Nothing was found.")
    for hit in hits:
        where = f"cell {hit['cell']}" if hit["cell"] else f"line {hit['line']}"
        heading = f"  {hit['heading']}" if hit["heading"] else ""
        print(f"{hit['path']}, {where}{heading}")
        lines = [line for line in str(hit["text"]).splitlines() if line.strip()]
        for line in lines[:_SHOWN_LINES]:
            print(f"    {line[:100]}")
        print()
