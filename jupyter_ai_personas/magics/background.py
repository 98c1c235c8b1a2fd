"""An event loop in its own thread, for asynchronous code that a cell waits for.

A cell runs in the main thread. The kernel's event loop already runs there, so no other can. Ctrl-C
arrives there, so each wait of the main thread can be interrupted.
"""

from __future__ import annotations

import asyncio
import atexit
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from typing import Any, Generic, TypeVar

import anyio

__all__ = ["Background", "Emit"]

T = TypeVar("T")
Emit = Callable[[T], None]

_TICK = 0.05  # seconds
_CANCEL_SECONDS = 3.0
_CLOSE_SECONDS = 2.0


class Background:
    """The loop; its thread starts on first use and ends with :meth:`close` or at exit.

    A loop blocked by foreign code is abandoned: ``on_loss`` is called, and the next use starts
    another loop.
    """

    def __init__(self, *, on_loss: Callable[[], None] = lambda: None) -> None:
        self._on_loss = on_loss
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._jobs: asyncio.Queue[_Job[Any] | None]

    def iterate(
        self, function: Callable[[Emit[T]], Awaitable[object]]
    ) -> Generator[T | None, None, None]:
        """Await ``function(emit)`` in the loop and yield the emitted items.

        Yields ``None`` after each 50 ms without an item. Raises the function's exceptions. Closing
        this iterator or Ctrl-C cancels the function and waits up to three seconds for its end.
        """
        job = _Job(function)
        loop, jobs = self._running()
        loop.call_soon_threadsafe(jobs.put_nowait, job)
        try:
            while (item := job.next()) is not job.end:
                yield item
        finally:
            if not job.over:
                loop.call_soon_threadsafe(job.cancel)
                if not job.wait(_CANCEL_SECONDS):
                    self._abandon(loop)
        if job.error is not None:
            raise job.error

    def run(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await ``function()`` in the loop and return its result; Ctrl-C cancels it."""

        async def once(emit: Emit[list[T]]) -> None:
            emit([await function()])

        with closing(self.iterate(once)) as items:
            return next(item[0] for item in items if item is not None)

    def _running(self) -> tuple[asyncio.AbstractEventLoop, asyncio.Queue[_Job[Any] | None]]:
        with self._lock:
            if self._thread is None:
                started = threading.Event()
                self._thread = threading.Thread(
                    target=lambda: asyncio.run(self._main(started)), name="%ai", daemon=True
                )
                self._thread.start()
                started.wait()
                atexit.register(self.close)
            return self._loop, self._jobs

    async def _main(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs = asyncio.Queue()
        started.set()
        async with anyio.create_task_group() as group:
            while (job := await self._jobs.get()) is not None:
                group.start_soon(job.run)
            group.cancel_scope.cancel()

    def _abandon(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if self._thread is None or self._loop is not loop:
                return
            self._thread = None
            atexit.unregister(self.close)
        self._on_loss()

    def close(self) -> None:
        """Cancel running functions and end the thread within two seconds; the next use restarts."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                atexit.unregister(self.close)
                self._loop.call_soon_threadsafe(self._jobs.put_nowait, None)
                thread.join(_CLOSE_SECONDS)


class _Job(Generic[T]):
    """One function running in the loop, and its queue to the waiting thread."""

    end: Any = object()

    def __init__(self, function: Callable[[Emit[T]], Awaitable[object]]) -> None:
        self._function = function
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._scope: anyio.CancelScope | None = None
        self._cancelled = False
        self.error: Exception | None = None
        self.over = False

    async def run(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                if not self._cancelled:
                    await self._function(self._items.put)
        except Exception as error:
            self.error = error
        finally:
            self._items.put(self.end)

    def cancel(self) -> None:
        """Cancel the function; called in the loop."""
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    def next(self, timeout: float = _TICK) -> Any:
        """Return the next item, ``None`` after a time-out, or the end."""
        # Without a time-out, Windows would not notice Ctrl-C.
        try:
            item = self._items.get(timeout=timeout)
        except queue.Empty:
            return None
        self.over = self.over or item is self.end
        return item

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the end; return whether it came."""
        until = time.monotonic() + seconds
        while not self.over and (left := until - time.monotonic()) > 0:
            self.next(left)
        return self.over
