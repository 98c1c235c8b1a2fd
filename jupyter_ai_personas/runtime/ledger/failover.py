"""Stores the rows in the file, or runs unrecorded while the file cannot be used."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_ai_personas.runtime.ledger.liveness import Inode, OwnerLock, inode
from jupyter_ai_personas.runtime.ledger.schema import (
    DATABASE_ERRORS,
    VERSION,
    Contents,
    NotOursError,
    connect,
    insert_all,
    is_unreadable,
    read_all,
)
from jupyter_ai_personas.runtime.ledger.store import Step, Store
from jupyter_ai_personas.runtime.ledger.turn_queries import prune

__all__ = ["FileStore"]

RETRY_S = 30.0
"""Seconds after which a file that cannot be used is tried again, at the next operation."""

_EXCLUSIVE_S = 3.0
_MOST_ASIDE = 20


class FileStore(Store):
    """The rows in the file at ``path``. One thread makes it, runs steps on it and closes it.

    While the file cannot be used, steps run on an empty database in memory, which is dropped when
    the file can be used again. Faults of the file are logged and never raise.
    """

    def __init__(self, path: Path, owner: str, log: logging.Logger) -> None:
        super().__init__(owner, log)
        self._path = path
        self._owner_lock: OwnerLock | None = None
        self._path_in_use = path
        self._inode: Inode | None = None
        self._warned = False
        self._next_try = 0.0
        self._use_file()

    @property
    def recorded(self) -> bool:
        """Whether the rows are in the file."""
        return self._inode is not None

    def is_anothers(self, owner: object) -> bool:
        """See :meth:`Store.is_anothers`."""
        if self._owner_lock is None or not isinstance(owner, bytes):
            return False
        return owner != self.me and self._owner_lock.alive(owner)

    def transact(self, steps: Sequence[Step]) -> list[Any]:
        """See :meth:`Store.transact`; in memory if the file fails."""
        if self.recorded and inode(self._path_in_use) != self._inode:
            self._leave_file("it was moved, replaced or removed")
            self._use_file()
        elif not self.recorded and time.monotonic() >= self._next_try:
            self._use_file()
        for again in (True, False):
            if not self.recorded:
                break
            try:
                return super().transact(steps)
            except DATABASE_ERRORS as error:
                self._leave_file(error)
                if again and is_unreadable(error):
                    self._use_file()
        return super().transact(steps)

    def close(self) -> None:
        """Close the file."""
        self.db.close()
        if self._owner_lock is not None:
            self._owner_lock.close()

    def _use_file(self) -> None:
        """Use the file from now on, if it can be written."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._owner_lock is not None and not self._owner_lock.is_in_place():
                self._owner_lock.close()
                self._owner_lock = None
            if self._owner_lock is None:
                lock = self._path.with_name(f"{self._path.name}.lock")
                self._owner_lock = OwnerLock(lock, self.me)
            with self._owner_lock.exclusive(_EXCLUSIVE_S):
                before, self.db = self.db, self._open_some()
                try:
                    super().transact([prune])
                except BaseException:
                    self.db.close()
                    self.db = before
                    raise
                before.close()
                self._inode = inode(self._path_in_use)
        except Exception as error:
            self._warn(error)
            return
        if self._warned:
            self.log.info("The ledger %s can be used again.", self._path)
            self._warned = False

    def _leave_file(self, reason: object) -> None:
        self._warn(reason)
        self.db.close()
        self.db, self._inode = connect(), None

    def _warn(self, reason: object) -> None:
        self._next_try = time.monotonic() + RETRY_S
        if not self._warned:
            self._warned = True
            self.log.warning(
                "The ledger %s cannot be used (%s). Until it can, turns are not recorded: a crash "
                "loses them, and tools that change or run something are refused. Check the disk "
                "and the permissions of that folder, or set `c.AiExtension.ledger_path`.",
                self._path,
                reason,
            )

    def _open_some(self) -> sqlite3.Connection:
        try:
            return self._open(self._path)
        except NotOursError as error:
            beside = self._path.with_name(f"{self._path.name}.v{VERSION}")
            self.log.warning(
                "The ledger %s is left alone, because %s. %s is used instead: turns that the "
                "other one holds are not recovered here.",
                self._path,
                error,
                beside,
            )
            return self._open(beside)

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            return self._open_private(path)
        except DATABASE_ERRORS as error:
            if not is_unreadable(error):
                raise
            readable = self._set_aside(path, error)
        db = self._open_private(path)
        insert_all(db, readable)
        return db

    def _open_private(self, path: Path) -> sqlite3.Connection:
        # SQLite gives its own side files the mode of the file. The file must not be opened here
        # once SQLite uses it: closing it would drop SQLite's locks.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with contextlib.suppress(PermissionError):
            path.chmod(0o600)
        db = connect(str(path))
        self._path_in_use = path
        return db

    def _set_aside(self, path: Path, error: Exception) -> Contents:
        """Move a damaged file; return what can be read of it."""
        for n in range(1, _MOST_ASIDE + 1):
            aside = path.with_name(f"{path.name}.corrupt-{n}")
            if not aside.exists():
                break
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as damaged:
            damaged.text_factory = bytes
            with contextlib.suppress(*DATABASE_ERRORS):
                # Reads what is there of a file that was cut short.
                damaged.execute("PRAGMA writable_schema = ON")
            readable = read_all(damaged)
        # The journal first: a remaining one would be applied to the new file.
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
        self.log.warning(
            "The ledger %s cannot be read (%s). It was moved to %s and a fresh one is used: turns "
            "that a crash cut off may not be recovered.",
            path,
            error,
            aside,
        )
        return readable
