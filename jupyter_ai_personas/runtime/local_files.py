"""Local personas in open chats: what people are told of faulty files, and when files change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.hosts import in_words
from jupyter_ai_personas.personas import LocalPersonas, LocalProblem, Personas
from jupyter_ai_personas.routing import NameIndex, find_mentions, may_mention, mention_name

if TYPE_CHECKING:
    from jupyter_ai_personas.context.watching import Watcher

__all__ = ["FileNotices", "LocalWatch", "describe"]

SETTLE_SECONDS = 0.3
"""How long after a change the files are read: a save may be several changes."""

RETRY_SECONDS = 10.0
"""How often files are looked at where the file system does not tell of changes."""


class FileNotices:
    """Decides which messages of a chat concern a faulty file."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def about(
        self,
        message: Message,
        personas: Personas,
        addressed: Sequence[str],
        people: Callable[[], Iterable[str]],
    ) -> str:
        """Return what to tell the author of ``message`` of faulty files, in Markdown.

        A file concerns who mentions what it is called. One whose earlier version is in use, or
        whose name cannot be read, is told of once in each version. ``people`` returns the names
        of people in the chat.
        """
        problems = personas.problems
        if not problems or not (addressed or may_mention(message.body)):
            return ""
        # A name that somebody has here means that one, and not the faulty file.
        names = [(one.file, name) for one in problems for name in (one.name, one.stem)]
        named = {
            file
            for file, name in names
            if name
            and personas.names.id_of(mention_name(name)) is None
            and find_mentions(message.body, NameIndex([(file, mention_name(name))]))
        }
        others = NameIndex([(name, name) for name in people()])
        is_unknown = not addressed and not find_mentions(message.body, others)
        told = []
        for one in problems:
            key = one.file, one.reason
            if one.persona_id is not None:
                concerns = one.persona_id in addressed and key not in self._told
            elif one.file in named:
                concerns = True
            else:
                concerns = is_unknown and not one.name and key not in self._told
            if concerns:
                self._told.add(key)
                told.append(describe(one))
        return "\n\n".join(told)


def describe(problem: LocalProblem) -> str:
    """Return what people are told of a faulty file, in Markdown."""
    what = "cannot be used" if problem.persona_id is None else "has a mistake"
    return f"The persona file {code(problem.file)} {what}: {in_words(problem.reason)}"


class _Chat(Protocol):
    """An open chat."""

    @property
    def path(self) -> str:
        """Its path."""


class _Open(Protocol):
    """The runtime's side of an open chat."""

    @property
    def chat(self) -> _Chat:
        """The chat."""

    def look_again(self) -> None:
        """Read the files that concern it."""


class _Watched:
    """The folders that are watched at present; ``tell`` is called with paths that change."""

    def __init__(self, tell: Callable[[set[str]], None]) -> None:
        self._tell = tell
        self._watcher: Watcher | None = None
        self._folders: list[tuple[Path, int]] = []
        self._has_ended = False

    def be(self, folders: list[Path]) -> str:
        """Watch these folders only; return what is wrong, or nothing. Blocking."""
        # A folder that was made anew has another inode: what watched the old one hears nothing.
        wanted = [(folder, _inode(folder)) for folder in folders]
        if self._watcher is not None and (wanted != self._folders or self._watcher.problem):
            self._watcher.stop()
            self._watcher = None
        if self._watcher is None and folders:
            from jupyter_ai_personas.context.watching import Watcher

            self._folders = wanted
            self._watcher = Watcher(folders, on_change=self._tell)
            if self._has_ended:  # while it was made
                self._watcher.stop()
        return self._watcher.problem if self._watcher is not None else ""

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
    """Has the open chats look at their files when these change; :meth:`run` is its task.

    Each message has them looked at as well, so what is watched only has to be offered early.
    """

    def __init__(
        self, local: LocalPersonas, sessions: Callable[[], Iterable[_Open]], *, log: logging.Logger
    ) -> None:
        self._local = local
        self._sessions = sessions
        self._log = log
        self._changed = anyio.Event()
        self._has_warned = False

    def chats_changed(self) -> None:
        """Note that a chat was opened, closed or moved."""
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        watched = _Watched(self._teller(asyncio.get_running_loop()))
        try:
            while True:
                self._changed = anyio.Event()
                # Here: the server knows paths by a database of this thread.
                paths = {session.chat.path for session in self._sessions()}
                problem = await asyncio.to_thread(self._watch, watched, paths)
                # Also for what changed before it was watched.
                self._look_again()
                if problem:
                    self._warn(problem)
                with anyio.move_on_after(RETRY_SECONDS if problem else None):
                    await self._changed.wait()
                await anyio.sleep(SETTLE_SECONDS)
        finally:
            watched.stop()

    def _watch(self, watched: _Watched, paths: Iterable[str]) -> str:
        """Watch what concerns the chats at ``paths``; return why that is impossible, or nothing."""
        from jupyter_ai_personas.context.watching import remote_file_system

        if kind := remote_file_system(self._local.root):
            return f"others may change files on {kind} unseen"
        folders = {folder for path in paths for folder in self._local.watched(path)}
        return watched.be(sorted(folders))

    def _teller(self, loop: asyncio.AbstractEventLoop) -> Callable[[set[str]], None]:
        def tell(paths: set[str]) -> None:
            # None: what watched has failed.
            if not paths or any(".jupyter" in Path(path).parts for path in paths):
                try:
                    loop.call_soon_threadsafe(self.chats_changed)
                except RuntimeError:  # the loop is closed: the server has stopped
                    return

        return tell

    def _look_again(self) -> None:
        for session in list(self._sessions()):
            session.look_again()

    def _warn(self, problem: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._log.warning(
                "Files of local personas cannot be watched (%s); they are read every %g s, and "
                "with each message.",
                problem,
                RETRY_SECONDS,
            )
