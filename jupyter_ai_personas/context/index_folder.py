"""The folder of a root's index, and its status files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["IndexFolder", "IndexStatus"]

VERSION = 1
"""Increased when older indexes cannot be read any more."""


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Status of an index.

    ``state`` is ``off``, ``starting``, ``building``, ``ready`` or ``failed``; ``files`` are indexed
    and ``waiting`` are not yet. ``unwatched`` says why changes are found by a scan each minute, and
    ``problem`` why nothing can be found.
    """

    state: str
    files: int = 0
    waiting: int = 0
    unwatched: str = ""
    problem: str = ""

    def __str__(self) -> str:
        """One line for people."""
        if self.state == "off":
            return "Workspace search is turned off."
        if self.state == "starting":
            return "Workspace search is starting."
        if self.state == "failed":
            return f"Workspace search does not work: {self.problem}."
        if self.state == "building":
            said = f"Workspace search: {self.files:,} files indexed, {self.waiting:,} to do."
        else:
            said = f"Workspace search: {self.files:,} files indexed."
        if self.unwatched:
            said += f" Changes are found once a minute, because {self.unwatched}."
        return said


class IndexFolder:
    """The folder below ``data_dir`` that holds the index of ``root``."""

    def __init__(self, root: Path, data_dir: Path) -> None:
        self.root = Path(os.path.realpath(root))
        name = hashlib.blake2b(os.fsencode(self.root), digest_size=8).hexdigest()
        self.path = data_dir / "jupyter_ai_personas" / "search" / f"{name}-v{VERSION}"
        self.lock = self.path / "lock"
        self.damaged = self.path / "damaged"
        """Readers make this file when they cannot read the index; the builder then starts anew."""
        self.reading = self.path / "reading"
        """The file being read, and how often reading it ended the process."""
        self._status = self.path / "status.json"

    def make(self) -> None:
        """Make the folder, for this user only.

        Raises:
            OSError: it cannot be made.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_status(self, status: IndexStatus) -> None:
        """Publish the index's status to all servers; ignore a failed write."""
        fresh = self._status.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.write_text(json.dumps(asdict(status)), "utf-8")
            fresh.replace(self._status)

    def read_status(self) -> IndexStatus:
        """Return the builder's last status."""
        try:
            return IndexStatus(**json.loads(self._status.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return IndexStatus("starting")
