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
    in_memory,
    insert_all,
    is_unreadable,
    read_all,
)
from jupyter_ai_personas.runtime.ledger.store import Step, Store
from jupyter_ai_personas.runtime.ledger.turn_queries import prune

__all__ = ["FailoverStore"]

_EXCLUSIVE_S = 3.0
_MOST_ASIDE = 20


class FailoverStore:
    """The store in use. One thread opens it, runs steps on it and closes it.

    While the file cannot be used, steps run on an empty store in memory, which is dropped when the
    file can be used again. Faults of the file are logged and never raise.
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
        self._warned = False
        self._next_try = 0.0
        self._store = self._store_on(in_memory())

    @property
    def recorded(self) -> bool:
        """Whether the rows are in the file."""
        return self._inode is not None

    def run(self, steps: Sequence[Step]) -> list[Any]:
        """Run ``steps`` in one transaction; return each result or exception."""
        if self.recorded and inode(self._path_in_use) != self._inode:
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
        """Use the file from now on, if it can be written."""
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
                store = self._store_on(self._open_some())
                try:
                    store.transact([prune])
                except BaseException:
                    store.db.close()
                    raise
                self._use(store, inode(self._path_in_use))
        except Exception as error:
            self._warn(error)
            return
        if self._warned:
            self._log.info("The ledger %s can be used again.", self._path)
            self._warned = False

    def close(self) -> None:
        """Close the file."""
        self._store.db.close()
        if self._owner_lock is not None:
            self._owner_lock.close()

    def _store_on(self, db: sqlite3.Connection) -> Store:
        return Store(
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
        names = (f"{path.name}.corrupt-{n}" for n in range(1, _MOST_ASIDE))
        aside = next(
            (path.with_name(name) for name in names if not path.with_name(name).exists()),
            path.with_name(f"{path.name}.corrupt-{_MOST_ASIDE}"),
        )
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
        self._log.warning(
            "The ledger %s cannot be read (%s). It was moved to %s and a fresh one is used: turns "
            "that a crash cut off may not be recovered.",
            path,
            error,
            aside,
        )
        return readable

    def _leave(self, reason: object) -> None:
        self._warn(reason)
        self._use(self._store_on(in_memory()), None)
        self._next_try = time.monotonic() + self._retry_s

    def _use(self, store: Store, file: Inode | None) -> None:
        self._store.db.close()
        self._store, self._inode = store, file

    def _warn(self, reason: object) -> None:
        if not self._warned:
            self._warned = True
            self._log.warning(
                "The ledger %s cannot be used (%s). Until it can, turns are not recorded: a crash "
                "loses them, and tools that change or run something are refused. Check the disk "
                "and the permissions of that folder, or set `c.AiExtension.ledger_path`.",
                self._path,
                reason,
            )
