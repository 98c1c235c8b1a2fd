"""AnyIO's worker threads, given to a task that lasts.

AnyIO looks for the task at the root of an event loop whenever something is done in a worker thread,
which for a room of the chat is with every change of its document; the thread ends with that task.
It finds the root where ``run_until_complete`` runs the loop. Jupyter's loop is run by
``run_forever``: so AnyIO goes through all tasks each time, in vain, and makes do with the task that
asks. Measured with a hundred chats open, that is a third of what the server does when another is
opened. And a thread that belongs to the handler of a WebSocket that stays open outlives the loop,
and keeps the process from ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from anyio._backends import _asyncio as backend
from anyio.lowlevel import RunVar

__all__ = ["own_worker_threads"]


@contextmanager
def own_worker_threads() -> Iterator[None]:
    """Make the current task the root of its event loop, unless AnyIO knows of one.

    AnyIO has no public way to say so. Where a release of it keeps the root elsewhere, this does
    nothing, and AnyIO goes on searching.
    """
    root = getattr(backend, "_root_task", None)
    if not isinstance(root, RunVar) or ((known := root.get(None)) and not known.done()):
        yield
        return
    token = root.set(asyncio.current_task())
    try:
        yield
    finally:
        root.reset(token)
