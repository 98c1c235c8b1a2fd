"""Watches folders where the file system reports changes."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import watch

__all__ = ["Watcher"]

_STEP_MS = 100
_GATHER_MS = 300

END_SECONDS = 1.0
"""How long the end of the process waits for a thread that watches."""


class Watcher:
    """Watches folders, without what is below them, in a thread until `stop`.

    Returns once it watches, or once ``problem`` says why it cannot. ``on_change`` is called in
    that thread with the paths that changed, which :meth:`take` returns otherwise, and with none
    when there is a problem.
    """

    def __init__(
        self, folders: Sequence[Path], *, on_change: Callable[[set[str]], None] | None = None
    ) -> None:
        self.folders = list(folders)
        self._on_change = on_change
        self.problem = ""
        self._changes: queue.SimpleQueue[set[str]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        # The interpreter ends threads that are left, which aborts the process in watchfiles' Rust.
        atexit.register(self._end)
        self._thread.start()
        self._ready.wait()

    def take(self, seconds: float) -> set[str]:
        """Return the paths that changed, waiting up to ``seconds`` for the first."""
        changed: set[str] = set()
        try:
            changed |= self._changes.get(timeout=max(seconds, 0.001))
            while True:
                changed |= self._changes.get(block=False)
        except queue.Empty:
            return changed

    def stop(self) -> None:
        """End the thread, soon."""
        self._stopped.set()

    def _end(self) -> None:
        self.stop()
        self._thread.join(END_SECONDS)

    def _watch(self) -> None:
        try:
            for changes in watch(
                *self.folders,
                watch_filter=None,
                debounce=_GATHER_MS,
                step=_STEP_MS,
                stop_event=self._stopped,
                rust_timeout=_STEP_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
                ignore_permission_denied=True,
            ):
                self._ready.set()  # by the first time-out, all folders are watched
                if changes:
                    (self._on_change or self._changes.put)({path for _, path in changes})
        except Exception as error:  # too few watches, a folder that has just gone, and others
            self.problem = str(error) or type(error).__name__
            if self._on_change is not None:
                self._on_change(set())
        self._ready.set()
        atexit.unregister(self._end)
