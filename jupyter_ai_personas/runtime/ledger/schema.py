"""The tables, and opening a database with them."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

__all__ = [
    "COLUMNS",
    "DATABASE_ERRORS",
    "KEY",
    "VERSION",
    "Contents",
    "NotOursError",
    "connect",
    "insert_all",
    "is_unreadable",
    "read_all",
]

# "JAIP": marks our SQLite files.
_APPLICATION_ID = 0x4A414950
VERSION = 2
"""1: without steps, grants and changes."""
_BUSY_S = 3.0

# Replies have a table of their own, so that a checkpoint does not rewrite the request.
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS turns (
        seq INTEGER PRIMARY KEY,
        turn_id BLOB NOT NULL UNIQUE,
        chat_id BLOB NOT NULL, message_id BLOB NOT NULL, persona_id BLOB NOT NULL,
        owner BLOB NOT NULL, state BLOB NOT NULL, final_state BLOB, accepted_at REAL NOT NULL,
        request BLOB NOT NULL,
        UNIQUE (chat_id, message_id, persona_id))""",
    """CREATE TABLE IF NOT EXISTS replies (
        turn_id BLOB PRIMARY KEY REFERENCES turns (turn_id) ON DELETE CASCADE,
        replies BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS tombstones (
        chat_id BLOB NOT NULL, message_id BLOB NOT NULL, persona_id BLOB NOT NULL,
        finished_at REAL NOT NULL,
        PRIMARY KEY (chat_id, message_id, persona_id)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS steps (
        turn_id BLOB NOT NULL REFERENCES turns (turn_id) ON DELETE CASCADE,
        number INTEGER NOT NULL, kind BLOB NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (turn_id, number)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS grants (
        chat_id BLOB NOT NULL, persona_id BLOB NOT NULL, tool BLOB NOT NULL,
        granted_by BLOB NOT NULL, granted_at REAL NOT NULL,
        PRIMARY KEY (chat_id, persona_id, tool)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS changes (
        turn_id BLOB NOT NULL, number INTEGER NOT NULL,
        chat_id BLOB NOT NULL, persona_id BLOB NOT NULL,
        changed_at REAL NOT NULL, undoable INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (turn_id, number)) WITHOUT ROWID""",
)
KEY = "chat_id = ? AND message_id = ? AND persona_id = ?"
COLUMNS = (
    "turn_id, chat_id, message_id, persona_id, state, final_state, accepted_at, request, owner"
)
_TABLES = {
    "turns": COLUMNS,
    "replies": "turn_id, replies",
    "tombstones": "chat_id, message_id, persona_id, finished_at",
    "steps": "turn_id, number, kind, data",
    "grants": "chat_id, persona_id, tool, granted_by, granted_at",
    "changes": "turn_id, number, chat_id, persona_id, changed_at, undoable, data",
}

_UNREADABLE = {
    sqlite3.SQLITE_ERROR,  # a table or column is missing: no statement of ours is wrong by itself
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,  # an index does not fit its table: steps look before they insert
    sqlite3.SQLITE_FORMAT,
}

# If the schema is damaged, Python fails to decode SQLite's message about it.
DATABASE_ERRORS = (sqlite3.Error, UnicodeDecodeError)

Contents = dict[str, list[tuple[Any, ...]]]
"""The rows of each table."""


class NotOursError(Exception):
    """An SQLite file of another application or of a newer version of this one."""


def is_unreadable(error: Exception) -> bool:
    """Return whether the file itself is damaged, rather than the disk, its rights or its use."""
    # An error without a code is Python's, about text, or ours, about the pages.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in _UNREADABLE


def connect(path: str = ":memory:") -> sqlite3.Connection:
    """Open the file at ``path``, making what is missing, or an empty database in memory.

    Raises one of :data:`DATABASE_ERRORS` when it cannot be read or written, and
    :class:`NotOursError`, having changed nothing, when it is somebody else's.
    """
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        # Text that is not UTF-8 would raise while rows are fetched; bytes are decoded later.
        db.text_factory = bytes
        is_new = _is_new(db)
        db.execute("PRAGMA foreign_keys = ON")
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        # Without WAL (a file system without shared memory) NORMAL could cost the file's integrity.
        db.execute(f"PRAGMA synchronous = {'NORMAL' if mode == b'wal' else 'FULL'}")
        (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != b"ok":
            raise sqlite3.DatabaseError(verdict.decode("utf-8", "replace"))
        db.execute("BEGIN IMMEDIATE")
        with db:
            for statement in _SCHEMA:
                db.execute(statement)
            if is_new:
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            # Written each time: it shows that the file can be written.
            db.execute(f"PRAGMA user_version = {VERSION}")
        for table, columns in _TABLES.items():
            db.execute(f"SELECT {columns} FROM {table} LIMIT 1").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def _is_new(db: sqlite3.Connection) -> bool:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return True
    if application != _APPLICATION_ID:
        raise NotOursError("it is the SQLite file of another application")
    if version > VERSION:
        raise NotOursError(f"it has schema {version}, and this version knows {VERSION}")
    return False


def read_all(source: sqlite3.Connection) -> Contents:
    """Return the rows of each table, as far as they can be read."""
    contents: Contents = {table: [] for table in _TABLES}
    for table, columns in _TABLES.items():
        with contextlib.suppress(*DATABASE_ERRORS):
            contents[table].extend(source.execute(f"SELECT {columns} FROM {table}"))
    return contents


def insert_all(db: sqlite3.Connection, contents: Contents) -> None:
    """Write the consistent part of the result of :func:`read_all` into new tables."""
    db.execute("BEGIN IMMEDIATE")
    with db:
        db.execute("PRAGMA defer_foreign_keys = ON")
        for table, columns in _TABLES.items():
            marks = ", ".join("?" * len(columns.split(", ")))
            db.executemany(
                f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", contents[table]
            )
        for table in ("replies", "steps"):
            db.execute(f"DELETE FROM {table} WHERE turn_id NOT IN (SELECT turn_id FROM turns)")
        key = "chat_id, message_id, persona_id"  # has a turn or a tombstone, not both
        db.execute(f"DELETE FROM turns WHERE ({key}) IN (SELECT {key} FROM tombstones)")
