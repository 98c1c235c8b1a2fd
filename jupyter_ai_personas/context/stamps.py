"""Finds out without a thread whether files have changed since they were read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from jupyter_ai_personas.context.mounts import are_local

__all__ = ["Stamps"]

SETTLED_SECONDS = 2.0
"""Age of the last change from which on a further change shows in the times of a file."""


class Stamps:
    """What files and folders look like before they are read. Blocking: made in a thread.

    For a file on a file system that is not known to be local, and for one that has just changed,
    the stamps never :meth:`hold`: a look may block, or miss a change.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        settled = (time.time() - SETTLED_SECONDS) * 1e9
        self._found = tuple(map(_stamp, self._paths))
        is_settled = all(one is None or max(one[:2]) < settled for one in self._found)
        self._may_hold = is_settled and are_local({path.parent for path in self._paths})

    def hold(self) -> bool:
        """Return whether nothing has changed; takes microseconds."""
        return self._may_hold and self._found == tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):  # not there; a null byte
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev
