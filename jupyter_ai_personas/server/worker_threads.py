"""Makes a lasting task the owner of AnyIO's worker threads.

AnyIO looks for the event loop's root task at each call of a worker thread; the thread ends with
this task. The collaboration server makes such a call with each change of a document. AnyIO finds
the root under ``run_until_complete``, but Jupyter uses ``run_forever``: AnyIO then searches all
tasks each time and uses the calling task. With a hundred chats open, the search is a third of the
cost of opening another. A thread owned by the handler of an open WebSocket outlives the loop and
keeps the process from ending.
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
    """Make the current task the root of its event loop, unless AnyIO knows one.

    AnyIO has no public function for this. If a release stores the root elsewhere, this does
    nothing, and AnyIO searches as before.
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
