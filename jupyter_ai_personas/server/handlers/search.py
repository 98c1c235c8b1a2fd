"""``GET search``: passages of the workspace's files that answer a query."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.errors import SearchUnavailableError
from jupyter_ai_personas.server.handlers.base import BaseHandler

if TYPE_CHECKING:
    from jupyter_ai_personas.context import WorkspaceIndex

__all__ = ["SearchHandler"]

MAX_QUERY = 1_000
DEFAULT_LIMIT = 10


class SearchHandler(BaseHandler):
    """Searches the workspace."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"results": [{"path", "line", "cell", "heading", "text", "score"}]}``."""
        from jupyter_ai_personas.context import MAX_HITS
        from jupyter_ai_personas.server.searching import search_index

        query = self.get_query_argument("q", "").strip()
        if not query:
            raise HTTPError(400, "Say what to look for: `?q=` and a question or some words.")
        if len(query) > MAX_QUERY:
            raise HTTPError(400, f"The query `q` is longer than {MAX_QUERY:,} characters.")
        limit = self.get_query_argument("limit", str(DEFAULT_LIMIT))
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_HITS):
            raise HTTPError(400, f"`limit` must be a number from 1 to {MAX_HITS}.")
        index: WorkspaceIndex | None = self.settings.get("jupyter_ai_personas_search")
        try:
            hits = await search_index(index, query, int(limit))
        except SearchUnavailableError as error:
            raise HTTPError(503, "%s", error) from None
        self.finish(json.dumps({"results": [asdict(hit) for hit in hits]}))
