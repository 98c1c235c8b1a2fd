"""Daemon threads for a persona's blocking calls, so that the server can end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

__all__ = ["DaemonExecutor"]

MOST_THREADS = 32
IDLE_SECONDS = 10.0

P = ParamSpec("P")
T = TypeVar("T")


class DaemonExecutor(ThreadPoolExecutor):
    """An executor with daemon threads that are not joined at the interpreter's exit.

    The standard executor joins its threads at exit: a persona that never returns from
    ``asyncio.to_thread`` would keep the server from ending. An event loop accepts only subclasses
    of ``ThreadPoolExecutor``.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=1)  # `submit` never starts its threads
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` in a thread; see :meth:`concurrent.futures.Executor.submit`."""
        future: Future[T] = Future()
        self._jobs.put((future, partial(fn, *args, **kwargs)))
        with self._lock:
            if self._count < MOST_THREADS:
                self._count += 1
                threading.Thread(target=self._work, daemon=True, name="persona worker").start()
        return future

    def _work(self) -> None:
        while True:
            try:
                future, job = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._count -= 1
                        return
                continue
            if future.set_running_or_notify_cancel():
                try:
                    result = job()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: idle threads end by themselves, and busy ones are not joined."""
