"""The default host: a thread with its own event loop.

A persona that blocks, spins or hangs blocks this thread. The server's loop never waits for it: it
stops a turn by forgetting it, and abandons a host that does not respond.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio

from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.executor import DaemonExecutor
from jupyter_ai_personas.hosts.failures import traceback_of
from jupyter_ai_personas.hosts.outbox import Outbox
from jupyter_ai_personas.hosts.protocol import HostHealth
from jupyter_ai_personas.hosts.runner import SHUTDOWN_SECONDS, TurnRunner
from jupyter_ai_personas.hosts.switching import quick_switching
from jupyter_ai_personas.personas.wire import (
    HostEvent,
    TurnAnswer,
    TurnEnd,
    TurnFinished,
    TurnLost,
    TurnSpec,
)

__all__ = ["ThreadHost"]

INTERRUPT_SECONDS = 0.2
"""How long an abandoned thread may take to end, before its code is interrupted."""


class HostAbandoned(BaseException):
    """Raised in an abandoned thread, to stop code that uses the processor."""


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise ``error`` in a thread, asynchronously.

    ``PyThreadState_SetAsyncExc``: Python/C API, "Thread State and the Global Interpreter Lock".
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _keep_for_ever(task: asyncio.Task[Any]) -> None:
    """Protect an unfinished task from the garbage collector, also at the interpreter's exit.

    Collecting it would run its code in the collecting thread, perhaps the server's. Code that
    swallows its cancellation, in a loop around a bare ``except``, would never return.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))


class ThreadHost:
    """A :class:`~jupyter_ai_personas.hosts.Host` that is a daemon thread."""

    def __init__(self, name: str, environment: HostEnvironment) -> None:
        self.name = name
        self._environment = environment
        self._log = environment.log
        self._running: set[str] = set()
        self._pinged_at: float | None = None
        self._closing = False
        self._abandoned = False
        self._interrupting = threading.RLock()
        self._ending = False

    async def open(self) -> None:
        """See :meth:`Host.open`."""
        self._end_quick_switching = quick_switching()
        self._server_loop = asyncio.get_running_loop()
        self._outbox = Outbox()
        self._opened = asyncio.Event()
        self._closed = asyncio.Event()
        self._runner = TurnRunner(self._environment, self._outbox.put)
        self._loop = asyncio.new_event_loop()
        # A daemon: a persona that never returns must not keep the server from ending.
        self._thread = threading.Thread(target=self._main, name=f"persona {self.name}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._loop.close()
            raise
        try:
            await self._opened.wait()
        except BaseException:
            # Nobody else closes a host that has not opened.
            self.abandon()
            raise

    # -- below the wall ---------------------------------------------------------------------

    def _main(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        loop.set_default_executor(DaemonExecutor())
        loop.set_exception_handler(self._on_stray_error)
        try:
            self._run(loop)
            if self._abandoned:
                self._end_what_is_left(loop)
            self._begin_to_end()
        except HostAbandoned:
            # The exception arrives once, at any line.
            self._begin_to_end()
        finally:
            for task in asyncio.all_tasks(loop):
                _keep_for_ever(task)
            self._to_server(self._closed.set)
            loop.close()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        life = loop.create_task(self._live())
        while not life.done() and not self._abandoned:
            try:
                loop.run_until_complete(life)
            except BaseException as error:
                # A leftover task of foreign code may raise SystemExit out of the loop.
                if not self._abandoned:
                    self._log.error(
                        "Host of %s: a stray task failed\n%s", self.name, traceback_of(error)
                    )

    def _end_what_is_left(self, loop: asyncio.AbstractEventLoop) -> None:
        # End tasks here, or the garbage collector would run their code in any thread.
        for turn_id in list(self._runner.turns):
            self._runner.cancel(turn_id)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            with suppress(Exception, SystemExit, KeyboardInterrupt):
                loop.run_until_complete(asyncio.wait(left, timeout=SHUTDOWN_SECONDS))

    def _begin_to_end(self) -> None:
        """Allow no interrupt after this: the loop is about to be closed."""
        with self._interrupting:
            self._ending = True
        # Let a pending exception arrive here. Withdrawing it is no option: CPython 3.11 would hang
        # at the next function that is called under trace.
        for _ in range(3):
            time.sleep(0)

    def _on_stray_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # asyncio's handler does not name the persona, and may log secrets.
        error = context.get("exception")
        told = traceback_of(error) if isinstance(error, BaseException) else ""
        self._log.error("Host of %s: %s\n%s", self.name, context.get("message"), told)

    async def _live(self) -> None:
        self._stop = asyncio.Event()
        self._to_server(self._opened.set)
        await self._stop.wait()
        await self._runner.close()
        me = asyncio.current_task()
        stray = [task for task in asyncio.all_tasks() if task is not me]
        for task in stray:
            task.cancel()
        if stray:
            await asyncio.wait(stray, timeout=SHUTDOWN_SECONDS)

    def _to_server(self, callback: Callable[[], None]) -> None:
        try:
            self._server_loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the server's loop is closed: nobody waits
            return

    def _to_host(self, callback: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the host's loop is closed: nothing runs there
            return

    # -- above the wall ---------------------------------------------------------------------

    def start(self, spec: TurnSpec) -> None:
        """See :meth:`Host.start`."""
        self._running.add(spec.turn_id)
        self._to_host(self._start, spec)
        if len(self._running) == 1:
            # Hand the interpreter to the thread, or it begins half a millisecond later.
            time.sleep(0)

    def _start(self, spec: TurnSpec) -> None:
        # A turn cancelled before its start, as while the host was blocked, never starts.
        if spec.turn_id in self._running:
            self._runner.start(spec)
        else:
            self._outbox.put(TurnFinished(spec.turn_id))

    def cancel(self, turn_id: str) -> None:
        """See :meth:`Host.cancel`."""
        self._running.discard(turn_id)
        self._to_host(self._cancel, turn_id)

    def _cancel(self, turn_id: str) -> None:
        self._runner.cancel(turn_id)

    def answer(self, turn_id: str, answer: TurnAnswer) -> None:
        """See :meth:`Host.answer`."""
        self._to_host(lambda: self._runner.answer(turn_id, answer))

    def release(self, chat_id: str) -> None:
        """See :meth:`Host.release`."""
        self._to_host(lambda: self._runner.release(chat_id))

    async def events(self) -> AsyncIterator[list[HostEvent]]:
        """See :meth:`Host.events`."""
        async for batch in self._outbox.batches():
            for event in batch:
                if isinstance(event, TurnEnd):
                    self._running.discard(event.turn_id)
            yield batch

    async def close(self) -> None:
        """See :meth:`Host.close`."""
        if not self._closing and not self._abandoned:
            self._closing = True
            self._to_host(lambda: self._stop.set())
            with anyio.move_on_after(3 * SHUTDOWN_SECONDS):
                await self._closed.wait()
            if not self._closed.is_set():
                self._log.warning("Persona %s did not end; it runs %s", self.name, self._location())
                self.abandon()
        self._outbox.close()
        self._end_quick_switching()

    def abandon(self) -> None:
        """See :meth:`Host.abandon`."""
        if self._abandoned:
            return
        for turn_id in self._running:
            self._outbox.put(TurnLost(turn_id))
        self._running.clear()
        self._abandoned = True
        self._outbox.close()
        self._end_quick_switching()
        self._to_host(self._loop.stop)
        # A timer thread: the server's loop may end before, and the code would never stop.
        timer = threading.Timer(INTERRUPT_SECONDS, self._interrupt)
        timer.daemon = True
        timer.start()

    def _interrupt(self) -> None:
        # This ends a loop in Python; a call in C ends first when it returns.
        with self._interrupting:
            if not self._ending and self._thread.ident is not None:
                _raise_in(self._thread.ident, HostAbandoned)

    def health(self, now: float) -> HostHealth:
        """See :meth:`Host.health`: a callback on the thread's event loop is the sign of life."""
        pinged_at = self._pinged_at
        if pinged_at is None:
            self._pinged_at = now
            self._to_host(self._pong)
            return HostHealth()
        return HostHealth(now - pinged_at, self._location())

    def _pong(self) -> None:
        self._pinged_at = None

    def _location(self) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is None:
            return "nothing"
        stack = traceback.extract_stack(frame)
        # The innermost foreign line is informative; frames of ours, asyncio and libraries are not.
        library = Path(asyncio.__file__).parent.parent
        ours = Path(__file__).parent.parent
        foreign = [
            entry
            for entry in stack
            if not Path(entry.filename).is_relative_to(ours)
            and (
                not Path(entry.filename).is_relative_to(library)
                or "site-packages" in entry.filename
            )
        ]
        entry = foreign[-1] if foreign else stack[-1]
        return f"{Path(entry.filename).name}:{entry.lineno} ({entry.name})"
