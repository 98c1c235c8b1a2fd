"""Stores the rows in the file, or in memory while the file cannot be used."""

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
from jupyter_ai_personas.runtime.ledger.queries import Queries, Step
from jupyter_ai_personas.runtime.ledger.schema import (
    DATABASE_ERRORS,
    VERSION,
    NotOursError,
    connect,
    in_memory,
    is_unreadable,
)

__all__ = ["FailoverStore"]

_EXCLUSIVE_S = 3.0
_MOST_ASIDE = 20


class FailoverStore:
    """The store in use. One thread opens it, runs steps on it and closes it.

    It starts in memory and moves to the file at once if possible. If the file fails, it moves back
    to memory with all rows and retries the file regularly. Faults of the file never raise.
    """

    def __init__(
        self,
        path: Path,
        owner: str,
        *,
        remember_s: float,
        remember_most: int,
        retry_s: float,
        log: logging.Logger,
    ) -> None:
        self._path = path
        self._owner = owner
        self._remember_s = remember_s
        self._remember_most = remember_most
        self._retry_s = retry_s
        self._log = log
        self._owner_lock: OwnerLock | None = None
        self._path_in_use = path
        self._inode: Inode | None = None
        # Whether the rows in memory are all that the file had of ours when it failed.
        self._is_whole = False
        self._warned = False
        self._next_try = 0.0
        self._store = self._store_on(in_memory())

    @property
    def recorded(self) -> bool:
        """Whether the rows are in the file."""
        return self._inode is not None

    def run(self, steps: Sequence[Step]) -> list[Any]:
        """Run ``steps`` in one transaction; return each result or exception."""
        if self.recorded and not self._is_in_place():
            self._leave("it was moved, replaced or removed")
            self.use_file()
        elif not self.recorded and time.monotonic() >= self._next_try:
            self.use_file()
        for again in (True, False):
            if not self.recorded:
                break
            try:
                return self._store.transact(steps)
            except DATABASE_ERRORS as error:
                self._leave(error)
                if again and is_unreadable(error):
                    self.use_file()
        return self._store.transact(steps)

    def use_file(self) -> None:
        """Move from memory to the file, if it can be used."""
        self._next_try = time.monotonic() + self._retry_s
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._owner_lock is not None and not self._owner_lock.is_in_place():
                self._owner_lock.close()
                self._owner_lock = None
            if self._owner_lock is None:
                lock = self._path.with_name(f"{self._path.name}.lock")
                self._owner_lock = OwnerLock(lock, self._owner)
            with self._owner_lock.exclusive(_EXCLUSIVE_S):
                self._move_to(self._open_some())
        except Exception as error:
            self._warn(error)

    def close(self) -> None:
        """Close the file; rows in memory get a last chance to be written."""
        if not self.recorded:
            self.use_file()
        self._store.db.close()
        if self._owner_lock is not None:
            self._owner_lock.close()

    def _store_on(self, db: sqlite3.Connection) -> Queries:
        return Queries(
            db,
            self._owner,
            alive=lambda owner: self._owner_lock is None or self._owner_lock.alive(owner),
            remember_s=self._remember_s,
            remember_most=self._remember_most,
            log=self._log,
        )

    def _open_some(self) -> sqlite3.Connection:
        try:
            return self._open(self._path)
        except NotOursError as error:
            beside = self._path.with_name(f"{self._path.name}.v{VERSION}")
            self._log.warning(
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
            self._set_aside(path, error)
            return self._open_private(path)

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

    def _set_aside(self, path: Path, error: Exception) -> None:
        names = (f"{path.name}.corrupt-{n}" for n in range(1, _MOST_ASIDE))
        aside = next(
            (path.with_name(name) for name in names if not path.with_name(name).exists()),
            path.with_name(f"{path.name}.corrupt-{_MOST_ASIDE}"),
        )
        with (
            contextlib.suppress(*DATABASE_ERRORS),
            contextlib.closing(sqlite3.connect(path, isolation_level=None)) as damaged,
        ):
            damaged.text_factory = bytes
            damaged.execute("PRAGMA writable_schema = ON")  # reads what is there of a short file
            self._store.fill_from(damaged)
        # The journal first: a remaining one would be applied to the new file.
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
        self._log.warning(
            "The ledger %s cannot be read (%s). It was moved to %s and a fresh one is used: turns "
            "that a crash cut off may not be recovered.",
            path,
            error,
            aside,
        )

    def _move_to(self, db: sqlite3.Connection) -> None:
        disk = self._store_on(db)
        try:
            disk.update_from(self._store.db, whole=self._is_whole)
            disk.transact([Queries.prune])
            self._inode = inode(self._path_in_use)
        except BaseException:
            db.close()
            raise
        self._store.db.close()
        self._store = disk
        if self._warned:
            self._log.info("The ledger %s can be used again.", self._path)
            self._warned = False

    def _is_in_place(self) -> bool:
        return inode(self._path_in_use) == self._inode

    def _leave(self, reason: object) -> None:
        memory = self._store_on(in_memory())
        problem = memory.fill_from(self._store.db)
        self._is_whole = problem is None
        self._warn(f"{reason}; {problem}" if problem else reason)
        self._store.db.close()
        self._store = memory
        self._inode = None
        self._next_try = time.monotonic() + self._retry_s

    def _warn(self, reason: object) -> None:
        if not self._warned:
            self._warned = True
            self._log.warning(
                "The ledger %s cannot be used (%s). Turns are kept in memory until it can, and a "
                "crash would lose them. Check the disk and the rights of that folder, or configure "
                "another place.",
                self._path,
                reason,
            )
