"""Queries an index that another process may write or remove."""

from __future__ import annotations

import contextlib
from typing import Any

from jupyter_ai_personas.context.index_folder import IndexFolder
from jupyter_ai_personas.context.ranking import search
from jupyter_ai_personas.context.store import DamagedError, OpenIndex, damages

__all__ = ["IndexReader", "NoIndexError"]


class NoIndexError(Exception):
    """Nothing can be found yet; the message says why."""


class IndexReader:
    """Reads one index. Used by one thread at a time."""

    def __init__(self, folder: IndexFolder) -> None:
        self._folder = folder
        self._index: OpenIndex | None = None

    def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Return up to ``limit`` passages, as `ranking.search` does, of the last commit.

        Raises:
            NoIndexError: there is no index, or none that can be read; it will be built.
        """
        status = self._folder.read_status()
        if not status.files and status.state == "ready":
            return []
        # Before the first commit, and while an index is removed, it is not damaged.
        if not status.files or self._folder.damaged.exists():
            self.close()
            raise NoIndexError("the first files are being indexed")
        try:
            return self._search(query, limit)
        except DamagedError:
            # The index may have been replaced by another one since it was opened.
            self.close()
        try:
            return self._search(query, limit)
        except DamagedError as error:
            self.close()
            with contextlib.suppress(OSError):
                self._folder.damaged.touch()
            raise NoIndexError("the index was damaged and is being built anew") from error

    def _search(self, query: str, limit: int) -> list[dict[str, Any]]:
        if self._index is None:
            self._index = OpenIndex(self._folder.path)
        self._index.refresh()
        with damages():
            return search(self._index, query, limit)

    def close(self) -> None:
        """Let go of the index, until the next query."""
        if self._index is not None:
            self._index.close()
            self._index = None
