"""Builds an index and keeps it up to date, in the process that owns it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from jupyter_ai_personas.context.index_folder import IndexFolder, IndexStatus
from jupyter_ai_personas.context.mounts import remote_file_system
from jupyter_ai_personas.context.passage import Passage
from jupyter_ai_personas.context.passages import cut
from jupyter_ai_personas.context.reading import read_text
from jupyter_ai_personas.context.selection import IGNORE_FILES, Selection
from jupyter_ai_personas.context.settings import IndexSettings
from jupyter_ai_personas.context.store import DamagedError, IndexWriter
from jupyter_ai_personas.context.watching import Watcher

__all__ = ["Builder"]

_WAIT_S = 0.25  # the longest wait for changes
_SLICE_S = 0.2  # how long files are read before changes are looked for
_COMMIT_S = 2.0  # how often readers see more while much is waiting
_LOOK_S = 1.0  # how often the folder is looked at: it may be removed, or found damaged
_RESCAN_S = 60.0
_RESCAN_WATCHED_S = 600.0  # a queue of events can overflow
_REST = 20  # times as long as a file takes to be read, it is not read again
_CRASHES = 2  # a file is given up whose reading has ended the process so often


class Builder:
    """Builds the index of a root. All methods are called in one thread.

    Raises:
        DamagedError: from any method: the index must be removed and built anew.
        OSError: from the constructor: the folder cannot be used.
    """

    def __init__(self, folder: IndexFolder, settings: IndexSettings) -> None:
        self._folder = folder
        private = [*map(Path, settings.private), folder.path]
        self._selection = Selection(folder.root, settings.exclude, private)
        self._suspect = _Suspect(folder.reading)
        self._backlog: deque[str] = deque()
        self._changed: dict[str, float] = {}
        """Files that were seen to change, and when each may be read."""
        self._rest: dict[str, float] = {}
        """Files that take long to be read, and until when they are let be."""
        self._watcher: Watcher | None = None
        self._unwatched = ""
        self._told: IndexStatus | None = None
        self._writer = IndexWriter(folder.path)

    def build(self, progress: Callable[[IndexStatus], None]) -> None:
        """Bring the index up to date, once."""
        self._scan()
        while self._work():
            progress(self._status())
        self._writer.commit()
        self._folder.write_status(self._status())

    def run(self, stop: threading.Event) -> None:
        """Keep the index up to date until ``stop``."""
        self._watch()
        committed = looked = scanned = time.monotonic()
        while not stop.is_set():
            self._tell()
            must_scan = self._follow(self._changes())
            now = time.monotonic()
            if now >= looked + _LOOK_S:
                self._look()
                looked = now
            if must_scan or now >= scanned + (_RESCAN_S if self._unwatched else _RESCAN_WATCHED_S):
                self._watch()
                scanned = time.monotonic()
            is_busy = self._work()
            now = time.monotonic()
            if self._writer.is_changed and (not is_busy or now >= committed + _COMMIT_S):
                self._writer.commit()
                committed = time.monotonic()

    def close(self) -> None:
        """Let go of the index."""
        if self._watcher is not None:
            self._watcher.stop()
        self._suspect.close()
        self._writer.close()

    # -- what there is to do -----------------------------------------------------------------------

    def _scan(self) -> None:
        """Find files that are new, changed or gone."""
        found = dict(self._selection.walk())
        for path in self._writer.files.keys() - found.keys():
            self._writer.remove(path)
        known = self._writer.files
        self._backlog = deque(path for path, state in found.items() if known.get(path) != state)

    def _watch(self) -> None:
        """Scan, and watch the folders that were found until a scan finds no other ones."""
        for _ in range(5):
            self._scan()
            folders = self._selection.folders
            if self._watcher is not None and self._watcher.folders == folders:
                return
            if self._watcher is not None:
                self._watcher.stop()
                self._watcher = None
            if kind := remote_file_system(self._folder.root):
                self._unwatched = f"the file system ({kind}) does not report all changes"
                return
            watcher = Watcher(folders)
            if watcher.problem:
                self._unwatched = f"the folders cannot be watched ({watcher.problem})"
            else:
                self._unwatched, self._watcher = "", watcher

    def _changes(self) -> set[str]:
        """Return what changed; wait for it only if there is nothing to do."""
        if self._backlog:
            seconds = 0.0
        else:
            due = min(self._changed.values(), default=float("inf")) - time.monotonic()
            seconds = min(max(due, 0.0), _WAIT_S)
        if self._watcher is None:
            time.sleep(seconds)
            return set()
        if self._watcher.problem:
            self._unwatched = f"the folders cannot be watched ({self._watcher.problem})"
            self._watcher = None
            return set()
        return self._watcher.take(seconds)

    def _follow(self, changes: set[str]) -> bool:
        """Note files that changed; return whether all folders must be scanned."""
        for change in changes:
            file = Path(change)
            path = file.relative_to(self._folder.root).as_posix()
            if file.name in IGNORE_FILES or self._selection.has_folder(path) or file.is_dir():
                return True
            self._changed[path] = self._rest.get(path, 0.0)
        return False

    def _look(self) -> None:
        """Find out whether the index is still there, and whether somebody could not read it."""
        if self._folder.damaged.exists() or not self._folder.lock.exists():
            raise DamagedError("the index was removed or found damaged")

    # -- doing it ----------------------------------------------------------------------------------

    def _work(self) -> bool:
        """Read files for a while, changed ones first; return whether more wait."""
        end = time.monotonic() + _SLICE_S
        try:
            while (now := time.monotonic()) < end:
                if self._writer.is_full:
                    self._writer.commit()
                due = next((path for path, when in self._changed.items() if when <= now), None)
                if due is not None:
                    del self._changed[due]
                    self._index(due)
                elif self._backlog:
                    self._index(self._backlog.popleft())
                else:
                    return False
            return True
        finally:
            self._suspect.end()

    def _index(self, path: str) -> None:
        state = self._selection.state(path)
        if state is None:
            if path in self._writer.files:
                self._writer.remove(path)
            return
        begin = time.monotonic()
        self._writer.put(path, state, self._passages(path))
        seconds = time.monotonic() - begin
        self._rest.pop(path, None)
        if seconds > 0.05:  # a large file that is written all the time
            self._rest[path] = time.monotonic() + _REST * seconds

    def _passages(self, path: str) -> list[Passage]:
        if self._suspect.crashes(path) >= _CRASHES:
            return []
        self._suspect.begin(path)
        try:
            text = read_text(self._folder.root / path)
            return list(cut(path, text)) if text else []
        except Exception:  # a faulty file must not hide the others
            return []

    def _status(self) -> IndexStatus:
        waiting = len(self._backlog) + len(self._changed)
        state = "building" if self._backlog or self._writer.is_changed else "ready"
        return IndexStatus(state, self._writer.committed, waiting, self._unwatched)

    def _tell(self) -> None:
        status = self._status()
        if status != self._told:
            self._folder.write_status(status)
            self._told = status


class _Suspect:
    """Records on disk which file is being read, in case reading it ends the process."""

    def __init__(self, file: Path) -> None:
        self._path, self._crashes = "", 0
        with contextlib.suppress(OSError, ValueError):
            crashes, _, path = file.read_text("utf-8", "surrogateescape").partition(" ")
            self._path, self._crashes = path, int(crashes) + 1
        self._file = file.open("wb", buffering=0)

    def crashes(self, path: str) -> int:
        """Return how often the process ended while it read this file, several times in a row."""
        return self._crashes if path == self._path else 0

    def begin(self, path: str) -> None:
        """Note that a file is read from now on."""
        text = f"{self.crashes(path)} {path}".encode("utf-8", "surrogateescape")
        self._file.seek(0)
        self._file.write(text)
        self._file.truncate()

    def end(self) -> None:
        """Note that no file is read."""
        self._file.truncate(0)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
