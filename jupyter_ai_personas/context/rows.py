"""The SQLite part of an index: the files with their states, and the text of passages.

tantivy could keep the passages as well. It maps its files into memory, so that the texts of a large
workspace would count as the process's.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_ai_personas.context.mounts import remote_file_system
from jupyter_ai_personas.context.passage import Passage
from jupyter_ai_personas.context.selection import FileState

__all__ = ["Rows"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files
    (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, mtime_ns INTEGER, size INTEGER);
CREATE TABLE IF NOT EXISTS passages (id INTEGER PRIMARY KEY, file INTEGER, shown BLOB);
CREATE INDEX IF NOT EXISTS passages_of_files ON passages (file);
"""
_BUSY_S = 2.0
_GAP = 1_000_000
"""More ids than one commit uses: tantivy may know some that a crash kept from SQLite."""


class Rows:
    """The database; raises `sqlite3.Error` for any fault."""

    def __init__(self, file: Path, *, reading: bool) -> None:
        mode = "ro" if reading else "rwc"
        self._db = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=_BUSY_S,
            check_same_thread=False,
        )
        if not reading:
            # Processes of several machines cannot share a write-ahead log.
            journal = "DELETE" if remote_file_system(file.parent) else "WAL"
            self._db.execute(f"PRAGMA journal_mode = {journal}")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM passages").fetchone()
            self._next = int(last) + _GAP

    def close(self) -> None:
        """Let go of the file; what is not committed is lost."""
        self._db.close()

    # -- for the writer ----------------------------------------------------------------------------

    def states(self) -> dict[str, FileState]:
        """Return all files."""
        rows = self._db.execute("SELECT path, mtime_ns, size FROM files")
        return {path: FileState(mtime_ns, size) for path, mtime_ns, size in rows}

    def put(self, path: str, state: FileState, passages: Sequence[Passage]) -> range:
        """Replace a file and its passages; return the passages' ids."""
        self.remove(path)
        added = self._db.execute(
            "INSERT INTO files (path, mtime_ns, size) VALUES (?, ?, ?)",
            (path, state.mtime_ns, state.size),
        )
        ids = range(self._next, self._next + len(passages))
        self._next = ids.stop
        self._db.executemany(
            "INSERT INTO passages VALUES (?, ?, ?)",
            ((id, added.lastrowid, _packed(one)) for id, one in zip(ids, passages, strict=True)),
        )
        return ids

    def remove(self, path: str) -> None:
        """Remove a file and its passages."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
        self._db.execute(
            "DELETE FROM passages WHERE file = (SELECT id FROM files WHERE path = ?)", (path,)
        )
        self._db.execute("DELETE FROM files WHERE path = ?", (path,))

    def commit(self) -> None:
        """Let readers see what was put and removed."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    # -- for readers -------------------------------------------------------------------------------

    def paths(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the files of passages; those that have just gone are left out."""
        some = list(ids)
        rows = self._db.execute(
            "SELECT passages.id, path FROM passages JOIN files ON files.id = file"
            f" WHERE passages.id IN ({', '.join('?' * len(some))})",
            some,
        )
        return dict(rows.fetchall())

    def passage(self, id: int) -> dict[str, Any] | None:
        """Return ``{"line", "cell", "heading", "text"}``, or ``None`` if it has just gone."""
        row = self._db.execute("SELECT shown FROM passages WHERE id = ?", (id,)).fetchone()
        return None if row is None else _unpacked(row[0])


def _packed(passage: Passage) -> bytes:
    return zlib.compress(json.dumps(asdict(passage)).encode(), 1)


def _unpacked(shown: bytes) -> dict[str, Any]:
    try:
        passage: dict[str, Any] = json.loads(zlib.decompress(shown))
    except (zlib.error, ValueError) as error:
        raise sqlite3.DatabaseError("a passage is damaged") from error
    return passage
