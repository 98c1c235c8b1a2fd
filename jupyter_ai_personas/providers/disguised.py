"""Gives errors that a server sends with HTTP status 200 their real status.

A gateway's web page, or ``{"error": …}`` in place of a stream, is an empty stream for the vendors'
packages, and its message is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["unmask_errors"]

_BAD_REQUEST = 400
_MOST_BYTES = 1_000_000


def unmask_errors(clients: Iterable[Any]) -> None:
    """Let those of ``clients`` that are asynchronous ones of ``httpx`` see such errors."""
    for client in clients:
        hooks = getattr(client, "event_hooks", None)
        if isinstance(hooks, dict) and hasattr(client, "aclose"):
            responses = hooks.get("response", [])
            if _unmask not in responses:
                client.event_hooks = {**hooks, "response": [*responses, _unmask]}


async def _unmask(response: Any) -> None:
    """Change the status of ``response``, as a hook of ``httpx`` may, if it is an error."""
    if response.status_code != 200:
        return
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Without a length, it may well be a stream under a wrong name.
    size = int(response.headers.get("content-length") or _MOST_BYTES)
    if kind == "text/html" or (kind == "application/json" and size < _MOST_BYTES):
        await response.aread()
        if kind == "text/html" or _is_error(response.content):
            response.status_code = _BAD_REQUEST


def _is_error(content: bytes) -> bool:
    try:
        body = json.loads(content)
    except ValueError:
        return False
    if not isinstance(body, dict) or "choices" in body or "content" in body:
        return False
    return bool(body.get("error")) or body.get("object") == "error" or "detail" in body
