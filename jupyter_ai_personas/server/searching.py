"""The index of the workspace, asked on the event loop by people and by turns."""

from __future__ import annotations

import anyio
import anyio.to_thread

from jupyter_ai_personas.context import Hit
from jupyter_ai_personas.context.access import SearchIndex
from jupyter_ai_personas.errors import SearchOffError

__all__ = ["search_index"]

AT_ONCE = 4

_limiter = anyio.CapacityLimiter(AT_ONCE)


async def search_index(index: SearchIndex | None, query: str, limit: int) -> list[Hit]:
    """Return the passages that answer a query best.

    Raises:
        SearchUnavailableError: nothing can be found; the message says why.
    """
    if index is None:
        raise SearchOffError
    return await anyio.to_thread.run_sync(index.search, query, limit, limiter=_limiter)
