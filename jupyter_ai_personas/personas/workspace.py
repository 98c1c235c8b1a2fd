"""The workspace of a turn, read through the server, which confines paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jupyter_ai_personas.context import Hit
from jupyter_ai_personas.context.beside import Beside, means_notebook
from jupyter_ai_personas.context.rendered import Rendered

__all__ = ["TurnWorkspace"]


class TurnWorkspace:
    """Reads notebooks and files for a turn; get it as ``turn.workspace``.

    Everything is read as it is open in JupyterLab, if it is open, and below the server's root only.
    All methods raise :class:`RequestRefusedError`, whose message says why and what to do, and
    :class:`TurnEndedError`.
    """

    def __init__(
        self,
        request: Callable[[str, Mapping[str, Any]], Awaitable[Any]],
        *,
        body: str,
        has_attachments: bool,
        has_earlier: bool = False,
    ) -> None:
        self._request = request
        self._has_earlier = has_earlier
        self._has_own = has_attachments or means_notebook(body)

    @property
    def has_context(self) -> bool:
        """Whether :meth:`context` may have anything."""
        return self._has_own or self._has_earlier

    async def read(self, path: str) -> dict[str, Any]:
        """Return the file or folder at ``path``, relative to the server's root, as plain data.

        ``.`` is the root.
        The keys are ``path``, ``live`` (whether it is as it is open, and not as saved), ``cut``
        (how much there is of a longer file, else empty) and one of ``notebook`` (nbformat),
        ``text``, ``base64`` and ``names``.
        """
        found: dict[str, Any] = await self._request("workspace.read", {"path": path})
        return found

    async def search(self, query: str, *, limit: int = 10) -> list[Hit]:
        """Return up to ``limit`` passages, at most 50, that answer a question best."""
        found = await self._request("workspace.search", {"query": query, "limit": limit})
        return [Hit(**hit) for hit in found]

    async def beside(self) -> Beside:
        """Return which notebook, and which cell of it, the person has open beside the chat."""
        found = await self._request("workspace.beside", {})
        return Beside(**{**found, "candidates": tuple(found["candidates"])})

    async def context(
        self, *, max_chars: int | None = None, earlier: bool = True
    ) -> list[Rendered]:
        """Return what goes with the message, ready for a prompt: see :meth:`BasePersona.prompt`.

        These are its attachments, those of ``earlier`` messages in the history, and, if it speaks
        of one, the notebook beside the chat; at most ``max_chars`` characters, or as many as the
        operator allows.
        """
        earlier = earlier and self._has_earlier
        if not (self._has_own or earlier):
            return []
        arguments = {"chars": max_chars, "earlier": earlier}
        found = await self._request("context.message", arguments)
        return [Rendered.from_json(part) for part in found]
