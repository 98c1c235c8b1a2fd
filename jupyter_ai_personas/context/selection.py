"""Selects the files below the root to index, by a walk or for one path.

Links, hidden and secret-like names, Python environments, and matches of ``.gitignore``, ``.ignore``
or the operator's patterns are left out. All patterns are in the syntax of
``.gitignore``, and the rules of git hold: the deepest file decides, and nothing in an excluded
folder can be included again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from jupyter_ai_personas.context.privacy import is_secret

__all__ = ["IGNORE_FILES", "FileState", "Selection"]

IGNORE_FILES = (".gitignore", ".ignore")
"""Files whose patterns are respected, in any folder; the later one has the last word."""

_MAX_IGNORE = 100_000
_ENVIRONMENT = {"pyvenv.cfg", "conda-meta"}

_Rules = tuple[tuple[str, GitIgnoreSpec], ...]
"""Ignore files from the root down, each with the folder that its patterns start from."""


@dataclass(frozen=True, slots=True)
class FileState:
    """The data that show whether a file has changed."""

    mtime_ns: int
    size: int


class Selection:
    """The files of a root that may be indexed. Not safe to use from several threads."""

    def __init__(self, root: Path, exclude: Sequence[str], private: Sequence[Path] = ()) -> None:
        self._root = root
        self._exclude = GitIgnoreSpec.from_lines(exclude)
        self._private = {path.name: os.path.realpath(path) for path in private}
        self._rules: dict[str, _Rules] = {}

    @property
    def folders(self) -> list[Path]:
        """The folders that the last walk looked into."""
        return [self._root / folder for folder in self._rules]

    def has_folder(self, path: str) -> bool:
        """Return whether the last walk looked into a folder (relative to the root)."""
        return path in self._rules

    def walk(self) -> Iterator[tuple[str, FileState]]:
        """Yield path (relative to the root) and state of each file, those high up first.

        Files that cannot be read or have vanished are skipped.
        """
        self._rules = {}
        waiting: deque[tuple[str, _Rules]] = deque([("", ())])
        while waiting:
            folder, rules = waiting.popleft()
            try:
                with os.scandir(self._root / folder) as scanned:
                    entries = sorted(scanned, key=lambda entry: entry.name)
            except OSError:
                continue
            if folder and not _ENVIRONMENT.isdisjoint(entry.name for entry in entries):
                continue
            rules = (*rules, *self._rules_in(folder, [entry.name for entry in entries]))
            self._rules[folder] = rules
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                try:
                    if entry.is_dir(follow_symlinks=False):
                        if self._takes(path, rules, is_folder=True):
                            waiting.append((path, rules))
                    elif entry.is_file(follow_symlinks=False) and self._takes(path, rules):
                        found = entry.stat(follow_symlinks=False)
                        yield path, FileState(found.st_mtime_ns, found.st_size)
                except OSError:
                    continue

    def state(self, path: str) -> FileState | None:
        """Return the state of one file by the rules of the last walk, ``None`` if it is left out.

        Raises:
            OSError: other than that there is no such file.
        """
        rules = self._rules.get(path.rpartition("/")[0])
        if rules is None or not self._takes(path, rules):
            return None
        file = self._root / path
        try:
            found = file.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_file = os.path.isfile(file) and not os.path.islink(file)  # noqa: PTH113, PTH114
        return FileState(found.st_mtime_ns, found.st_size) if is_file else None

    def _takes(self, path: str, rules: _Rules, *, is_folder: bool = False) -> bool:
        name = path.rpartition("/")[2]
        # Names that are not Unicode cannot be told to a browser.
        if name.startswith(".") or is_secret(name) or not name.isprintable():
            return False
        if name in self._private and self._private[name] == os.path.realpath(self._root / path):
            return False
        end = "/" if is_folder else ""
        if self._exclude.match_file(path + end):
            return False
        for folder, spec in reversed(rules):
            verdict = spec.check_file(path[len(folder) :] + end).include
            if verdict is not None:
                return not verdict
        return True

    def _rules_in(self, folder: str, names: Sequence[str]) -> Iterator[tuple[str, GitIgnoreSpec]]:
        for name in IGNORE_FILES:
            if name in names:
                try:
                    with (self._root / folder / name).open("rb") as file:
                        lines = file.read(_MAX_IGNORE).decode("utf-8", "replace").splitlines()
                    yield (f"{folder}/" if folder else ""), GitIgnoreSpec.from_lines(lines)
                except (OSError, ValueError):
                    continue
