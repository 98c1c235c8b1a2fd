"""Time that passes at once: tests of time limits and pauses without waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import wraps
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter

__all__ = ["VirtualTimeLoop", "in_virtual_time"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LOOK_S = 0.005


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an asynchronous test in an event loop whose time passes at once.

    Whenever nothing else is left to do, the loop's clock moves to the next moment for which
    something waits: ``asyncio.sleep(3600)`` and a time limit of an hour end immediately, in order.
    The clock stands still while a thread works. ``time.time()`` and ``time.sleep()`` are real.

    For example::

        @in_virtual_time
        async def test_it_gives_up_after_a_minute() -> None:
            [reply] = await ask(Slow, "hello", settings=RuntimeSettings(turn_timeout=60))
            assert reply.state == "failed"
    """

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        async def main() -> T:
            loop.limiter = current_default_thread_limiter()
            return await test(*args, **kwargs)

        loop = VirtualTimeLoop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(main())

    return run


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock skips the time in which it has nothing to do."""

    def __init__(self) -> None:
        self.skipped = 0.0
        """Seconds of virtual time that nobody had to wait."""
        self.working = 0
        """How many calls run in the loop's executors."""
        self.limiter: CapacityLimiter | None = None
        """What counts the threads of AnyIO."""
        super().__init__(_SkippingSelector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return super().time() + self.skipped

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """See :meth:`asyncio.loop.run_in_executor`."""
        future = super().run_in_executor(executor, func, *args)
        self.working += 1
        future.add_done_callback(self._worked)
        return future

    def _worked(self, future: Any) -> None:
        self.working -= 1

    @property
    def has_threads(self) -> bool:
        """Whether a thread works for a task of this loop."""
        return bool(self.working or (self.limiter and self.limiter.borrowed_tokens))


class _SkippingSelector(selectors.DefaultSelector):
    """Waits for files only while there are events or threads; else it moves the loop's clock."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready: list[Any] = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or super().select(timeout)
        if self._loop.has_threads:
            return super().select(min(timeout, _LOOK_S))
        self._loop.skipped += timeout
        return ready
