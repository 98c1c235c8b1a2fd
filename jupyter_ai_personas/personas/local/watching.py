"""Watches the files of local personas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from jupyter_ai_personas.context.mounts import remote_file_system
from jupyter_ai_personas.personas.local.files import LocalPersonas

if TYPE_CHECKING:
    from jupyter_ai_personas.context.watching import Watcher

__all__ = ["LocalWatch"]

SETTLE_SECONDS = 0.3
"""How long after a change the files are read: a save may be several changes."""

RETRY_SECONDS = 10.0
"""How often files are read where the file system does not report changes."""


class _Watched:
    """The folders that are watched at present; ``tell`` is called with paths that change."""

    def __init__(self, tell: Callable[[set[str]], None]) -> None:
        self._tell = tell
        self._watcher: Watcher | None = None
        self._folders: list[tuple[Path, int]] = []
        self._has_ended = False

    def be(self, folders: list[Path]) -> tuple[str, bool]:
        """Watch these folders only. Blocking.

        Returns what is wrong, or nothing, and whether folders are watched that were not before.
        """
        # A folder that was made anew has another inode: what watched the old one hears nothing.
        wanted = [(folder, _inode(folder)) for folder in folders]
        if self._watcher is not None and (wanted != self._folders or self._watcher.problem):
            self._watcher.stop()
            self._watcher = None
        is_new = self._watcher is None and bool(folders)
        if is_new:
            from jupyter_ai_personas.context.watching import Watcher

            self._folders = wanted
            self._watcher = Watcher(folders, on_change=self._tell)
            if self._has_ended:  # while it was made
                self._watcher.stop()
        return self._watcher.problem if self._watcher is not None else "", is_new

    def stop(self) -> None:
        """Watch nothing any more."""
        self._has_ended = True
        if self._watcher is not None:
            self._watcher.stop()


def _inode(folder: Path) -> int:
    try:
        return folder.stat().st_ino
    except OSError:
        return 0


class LocalWatch:
    """Calls ``on_change`` when files change that may define personas; :meth:`run` is its task.

    ``paths`` returns the paths of the open chats. Files are also read before each message, so a
    change that is missed only delays what is offered for mentioning.
    """

    def __init__(
        self,
        local: LocalPersonas,
        paths: Callable[[], Iterable[str]],
        on_change: Callable[[], None],
        *,
        log: logging.Logger,
    ) -> None:
        self._local = local
        self._paths = paths
        self._on_change = on_change
        self._log = log
        self._changed = anyio.Event()
        self._files_changed = False
        self._has_warned = False

    def chats_changed(self) -> None:
        """Note that a chat was opened, closed or moved, so that other folders are watched."""
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        watched = _Watched(self._teller(asyncio.get_running_loop()))
        try:
            while True:
                self._changed = anyio.Event()
                # Here: the server knows paths by a database of this thread.
                paths = set(self._paths())
                changed, self._files_changed = self._files_changed, False
                problem, is_new = await asyncio.to_thread(self._watch, watched, paths)
                # New folders may have changed before they were watched.
                if changed or is_new or problem:
                    self._on_change()
                if problem:
                    self._warn(problem)
                with anyio.move_on_after(RETRY_SECONDS if problem else None):
                    await self._changed.wait()
                await anyio.sleep(SETTLE_SECONDS)
        finally:
            watched.stop()

    def _watch(self, watched: _Watched, paths: Iterable[str]) -> tuple[str, bool]:
        """Watch the folders of the chats at ``paths``; see :meth:`_Watched.be`."""
        if kind := remote_file_system(self._local.root):
            return f"others may change files on {kind} unseen", False
        # Chats in one folder have the same folders above them.
        one_of_each = {path.rpartition("/")[0]: path for path in paths}.values()
        folders = {folder for path in one_of_each for folder in self._local.watched(path)}
        return watched.be(sorted(folders))

    def _teller(self, loop: asyncio.AbstractEventLoop) -> Callable[[set[str]], None]:
        def tell(paths: set[str]) -> None:
            # None: what watched has failed.
            if not paths or any(".jupyter" in Path(path).parts for path in paths):
                try:
                    loop.call_soon_threadsafe(self._note_change)
                except RuntimeError:  # the loop is closed: the server has stopped
                    return

        return tell

    def _note_change(self) -> None:
        self._files_changed = True
        self._changed.set()

    def _warn(self, problem: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._log.warning(
                "Files of local personas cannot be watched (%s); they are read every %g s, and "
                "with each message.",
                problem,
                RETRY_SECONDS,
            )
