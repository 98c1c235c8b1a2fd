"""``search``: the server's search without a server."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from jupyter_ai_personas.cli.installation import LogKeeper, read_extension
from jupyter_ai_personas.context.builder import Builder
from jupyter_ai_personas.context.index_folder import IndexFolder, IndexStatus
from jupyter_ai_personas.context.reader import IndexReader, NoIndexError
from jupyter_ai_personas.context.settings import IndexSettings
from jupyter_ai_personas.context.store import DamagedError, remove_index
from jupyter_ai_personas.errors import ConfigurationError, SearchUnavailableError
from jupyter_ai_personas.redaction import redact

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
    folder = IndexFolder(root, Path(jupyter_data_dir()))
    try:
        folder.make()
        # A server that holds the lock keeps the index up to date.
        with contextlib.suppress(Timeout), FileLock(folder.lock, timeout=0, mode=0o600):
            _build(folder, settings)
        hits = IndexReader(folder).search(query, limit)
    except (OSError, NotImplementedError, DamagedError, NoIndexError) as error:
        raise SearchUnavailableError(str(error)) from error
    for hit in hits:
        hit["text"], hit["heading"] = redact(hit["text"]), redact(hit["heading"])
    if as_json:
        print(json.dumps(hits, indent=2, ensure_ascii=False))
    else:
        _print(hits)
    return 0


def _build(folder: IndexFolder, settings: IndexSettings) -> None:
    for attempt in (1, 2):
        try:
            builder = Builder(folder, settings)
            try:
                builder.build(_progress)
            finally:
                builder.close()
            return
        except DamagedError:
            remove_index(folder.path)
            if attempt == 2:
                raise


def _progress(status: IndexStatus) -> None:
    if sys.stderr.isatty():
        print(f"\r{status}", end="\n" if status.state == "ready" else "", file=sys.stderr)


def _print(hits: list[dict[str, object]]) -> None:
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
