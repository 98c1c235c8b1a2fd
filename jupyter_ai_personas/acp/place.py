"""Where an agent works."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_ai_personas.acp.rpc import INVALID, RpcError

__all__ = ["Place"]


class Place:
    """The folder of the chat, in which the agent works, below the server's root."""

    def __init__(self, root: Path, chat_path: str) -> None:
        self._tops = (root, root.resolve())
        folder = (root / chat_path.removeprefix("RTC:").strip("/")).parent
        self.cwd = str(folder if folder.is_dir() else root)

    def relative(self, path: str) -> str:
        """Return a path relative to the root.

        Raises:
            RpcError: it lies elsewhere. Links are followed where the path is used.
        """
        plain = Path(os.path.normpath(Path(self.cwd, path)))
        for top in self._tops:
            if plain.is_relative_to(top):
                return plain.relative_to(top).as_posix()
        raise RpcError(INVALID, "That path lies outside of the workspace of this server.")

    def folder(self, path: str) -> str:
        """Return a folder for a command, relative to the root.

        Raises:
            RpcError: it lies elsewhere, also by a link.
        """
        folder = self.relative(path)
        if not Path(self.cwd, path).resolve().is_relative_to(self._tops[1]):
            raise RpcError(INVALID, "That path leads out of the workspace of this server.")
        return folder

    def shown(self, path: str) -> str:
        """Return a path as people are shown it: relative to the root, if it lies there."""
        try:
            return self.relative(path)
        except (RpcError, ValueError):
            return path
