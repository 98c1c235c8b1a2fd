"""Waiting for what another process does, which needs the processor as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

T = TypeVar("T")

WAIT = 120.0
_POLL = 0.01


async def until(look: Callable[[], T], seconds: float = WAIT) -> T:
    """Look again and again; return what is found once it is true."""
    with anyio.fail_after(seconds):
        while True:
            if found := look():
                return found
            await anyio.sleep(_POLL)
