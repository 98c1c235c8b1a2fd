"""Access to the workspace: through its server, or from the disk without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from jupyter_ai_personas.context.attached import Content
from jupyter_ai_personas.context.beside import Beside
from jupyter_ai_personas.context.index import Hit
from jupyter_ai_personas.context.index_folder import IndexStatus

__all__ = ["SearchIndex", "WorkspaceAccess"]

T = TypeVar("T")


class SearchIndex(Protocol):
    """An index of the workspace. Its methods block: they are called in a thread."""

    def search(self, query: str, limit: int = 10) -> list[Hit]:
        """Return the best passages for a query.

        Raises:
            SearchUnavailableError: the index cannot be queried; the message says why.
        """

    def status(self) -> IndexStatus:
        """Return the index's status."""


class WorkspaceAccess(Protocol):
    """Protocols for access to the workspace on behalf of a model or of people in a chat."""

    async def read(self, path: str, use: Callable[[Content], T]) -> T:
        """Read ``path`` and return the result of ``use``, which runs in a thread.

        The content's file is open until ``use`` returns.

        Raises:
            AttachmentError: it cannot be read; the message is the reason, without the path.
        """

    async def texts(self, paths: Sequence[str]) -> list[tuple[str, str]]:
        """Return those of ``paths`` that there are, with their text."""

    async def search(self, query: str, limit: int) -> list[Hit]:
        """Return up to ``limit`` passages that answer a query best.

        Raises:
            SearchUnavailableError: nothing can be found; the message says why.
        """

    async def search_status(self) -> str:
        """Return one line on what can be found at present."""

    async def beside(self, chat_path: str, person: str) -> Beside:
        """Return the notebook that ``person``, a username, has open beside the chat."""

    async def create(self, path: str, text: str) -> None:
        """Write a new file; of a notebook, ``text`` is its JSON.

        Raises:
            FileExistsError: there is something at ``path``; it is left as it is.
            AttachmentError: it cannot be written; the message is the reason, without the path.
        """
