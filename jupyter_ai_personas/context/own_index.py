"""The index of a folder where no server keeps it: brought up to date by each query."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from jupyter_ai_personas.context.builder import Builder
from jupyter_ai_personas.context.index import Hit, hits
from jupyter_ai_personas.context.index_folder import IndexFolder, IndexStatus
from jupyter_ai_personas.context.reader import IndexReader, NoIndexError
from jupyter_ai_personas.context.settings import IndexSettings
from jupyter_ai_personas.context.store import DamagedError, remove_index
from jupyter_ai_personas.errors import SearchUnavailableError

__all__ = ["OwnIndex"]


class OwnIndex:
    """The index of the files below ``root``, stored below ``data_dir``, in this process.

    ``progress`` is called while files are read.
    """

    def __init__(
        self,
        root: Path,
        data_dir: Path,
        settings: IndexSettings,
        *,
        progress: Callable[[IndexStatus], None] = lambda status: None,
    ) -> None:
        self._folder = IndexFolder(root, data_dir)
        self._settings = settings
        self._progress = progress
        self._lock = threading.Lock()

    def search(self, query: str, limit: int = 10) -> list[Hit]:
        """Read what has changed and return the best passages. Blocking: call it in a thread.

        Raises:
            SearchUnavailableError: the index can be neither built nor read.
        """
        reader = IndexReader(self._folder)
        try:
            with self._lock:
                self._folder.make()
                # A server that holds the lock keeps the index up to date.
                with (
                    contextlib.suppress(Timeout),
                    FileLock(self._folder.lock, timeout=0, mode=0o600),
                ):
                    self._build()
            return hits(reader.search(query, limit))
        except (OSError, NotImplementedError, DamagedError, NoIndexError) as error:
            raise SearchUnavailableError(str(error)) from error
        finally:
            reader.close()

    def status(self) -> IndexStatus:
        """Return the status at the last query; reads a small file."""
        return self._folder.read_status()

    def _build(self) -> None:
        for attempt in (1, 2):
            try:
                builder = Builder(self._folder, self._settings)
                try:
                    builder.build(self._progress)
                finally:
                    builder.close()
                return
            except DamagedError:
                remove_index(self._folder.path)
                if attempt == 2:
                    raise
