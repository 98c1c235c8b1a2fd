"""Detects which owners of a ledger are alive.

Each owner locks its own byte of a lock file beside the ledger; the kernel drops the lock when the
process ends in any way. This needs no clocks and no heartbeats. Reused process ids, containers that
restart under another host name and process-id namespaces do not confuse it, and it has the same
requirements of the file system as SQLite. A child made by ``fork`` does not inherit the lock, so a
remaining worker does not keep its owner alive.

POSIX drops *all* of a process's locks on a file when the process closes *any* descriptor of it.
Therefore the ledgers of a process share one descriptor for each file.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Inode", "OwnerLock", "inode"]

Inode = tuple[int, int]

_OPENING = 0
_POLL_S = 0.02

if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int, offset: int) -> bool:
        os.lseek(fd, offset, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(fd: int, offset: int) -> None:
        os.lseek(fd, offset, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(fd: int, offset: int) -> bool:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(fd: int, offset: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, offset)


class _LockFile:
    """A lock file opened by this process; ``mutex`` replaces the locks within the process."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        stat = os.fstat(self.fd)
        self.inode = (stat.st_dev, stat.st_ino)
        self.mutex = threading.RLock()
        self.held: set[int] = set()

    def take(self, offset: int, seconds: float) -> bool:
        """Lock ``offset``, waiting up to ``seconds``."""
        until = time.monotonic() + seconds
        while True:
            with self.mutex:
                if offset not in self.held and _lock(self.fd, offset):
                    self.held.add(offset)
                    return True
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)

    def give(self, offset: int) -> None:
        with self.mutex:
            self.held.discard(offset)
            _unlock(self.fd, offset)


_files: dict[Inode, _LockFile] = {}
_files_mutex = threading.Lock()


def inode(path: Path) -> Inode | None:
    """Return the identity of the file at ``path``, or ``None`` if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino)


def _shared(path: Path) -> _LockFile:
    there = inode(path)
    file = _files.get(there) if there else None
    if file is None:
        file = _LockFile(path)
        _files[file.inode] = file
    return file


def _lock_offset(owner: bytes) -> int:
    return 1 + int.from_bytes(hashlib.blake2b(owner, digest_size=6).digest())


class OwnerLock:
    """Marks ``owner`` as alive, from construction until :meth:`close`.

    Raises :class:`OSError` when the lock file cannot be opened or locked, and
    :class:`FileExistsError` when a live owner of that name is there already.
    """

    def __init__(self, path: Path, owner: bytes) -> None:
        self._path = path
        self._offset = _lock_offset(owner)
        with _files_mutex:
            self._file = _shared(path)
            try:
                # A server that checks whether this owner is dead holds the byte for microseconds.
                if not self._file.take(self._offset, 0.5):
                    raise FileExistsError(f"A ledger of owner {owner!r} is open already")
            except OSError:
                self._let_go()
                raise

    def alive(self, owner: bytes) -> bool:
        """Return whether ``owner`` is alive, in this process or another.

        Call it inside a write transaction of the ledger: two simultaneous checks would each take
        the other for the owner.
        """
        offset = _lock_offset(owner)
        with self._file.mutex:
            if offset in self._file.held or not _lock(self._file.fd, offset):
                return True
            _unlock(self._file.fd, offset)
            return False

    @contextmanager
    def exclusive(self, seconds: float) -> Iterator[None]:
        """Keep other processes and threads from opening or replacing the ledger meanwhile.

        Raises :class:`TimeoutError` after ``seconds``.
        """
        if not self._file.take(_OPENING, seconds):
            raise TimeoutError("Another server has been opening the ledger for too long")
        try:
            yield
        finally:
            self._file.give(_OPENING)

    def is_in_place(self) -> bool:
        """Return whether the lock file is still at its path."""
        return inode(self._path) == self._file.inode

    def close(self) -> None:
        """Drop the mark."""
        with _files_mutex:
            self._file.give(self._offset)
            self._let_go()

    def _let_go(self) -> None:
        if not self._file.held:
            del _files[self._file.inode]
            os.close(self._file.fd)
