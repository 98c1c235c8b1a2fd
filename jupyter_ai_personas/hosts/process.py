"""Worker processes on the server's machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress

from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.framing import read_frames, write_frame
from jupyter_ai_personas.hosts.remote import RemoteHost
from jupyter_ai_personas.hosts.runner import SHUTDOWN_SECONDS
from jupyter_ai_personas.hosts.workers import ConnectionLostError, Workers

__all__ = ["ProcessConnection", "ProcessEngine"]

WORKER = "jupyter_ai_personas.hosts.worker_process"
"""The module that a worker process runs."""

START_SECONDS = 60.0
"""How long a worker may take to send its first frame."""


class ProcessConnection:
    """A :class:`~jupyter_ai_personas.hosts.workers.Connection` to a process of our own."""

    def __init__(
        self, environment: HostEnvironment, passed_on: Collection[str], module: str = WORKER
    ) -> None:
        self.name = "the new worker process"
        self._module = module
        self._environment = environment
        self._passed_on = passed_on
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._closing = False

    async def open(self) -> bytes:
        """See :meth:`Connection.open`."""
        ours, theirs = socket.socketpair()
        try:
            # Nothing is awaited after the start, so a cancellation cannot lose the process.
            self._reader, self._writer = await asyncio.open_connection(sock=ours)
            # In the event loop's thread: Linux kills the process with the thread that started it.
            # A new session: processes that a persona starts end with the worker.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-m", self._module],
                stdin=theirs.fileno(),
                env=self._environment.public_variables(self._passed_on),
                start_new_session=True,
            )
        except OSError as error:
            raise HostUnavailableError(
                f"No worker process can be started: {error.strerror}. Free memory or processes, or "
                'set `c.AiExtension.hosts = "threads"`.'
            ) from error
        finally:
            theirs.close()
            if self._process is None:
                (ours if self._writer is None else self._writer).close()
        self.name = f"process {self._process.pid}"
        loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        waiter = threading.Thread(target=self._wait, args=(loop,), daemon=True, name=self.name)
        waiter.start()
        self._frames = read_frames(self._reader)
        try:
            async with asyncio.timeout(START_SECONDS):
                return await anext(self._frames)
        except (TimeoutError, StopAsyncIteration):
            self.kill()
            raise HostUnavailableError(
                "A worker process ended, or did not begin in time; the server's log or terminal "
                'has what it wrote. Correct that, or set `c.AiExtension.hosts = "threads"`.'
            ) from None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._process is not None
        self._process.wait()
        with suppress(RuntimeError):  # the server's loop is closed
            loop.call_soon_threadsafe(self._at_end)

    def _at_end(self) -> None:
        self._ended.set()
        # Its last frames can still be read.
        assert self._writer is not None
        with suppress(OSError):
            self._writer.get_extra_info("socket").shutdown(socket.SHUT_RD)

    def send(self, frame: bytes) -> None:
        """See :meth:`Connection.send`."""
        if self._writer is not None and not self._writer.is_closing():
            write_frame(self._writer, frame)

    async def frames(self) -> AsyncIterator[bytes]:
        """See :meth:`Connection.frames`."""
        async for frame in self._frames:
            yield frame
        if self._closing:
            return
        self.kill()
        await self._ended.wait()
        how = self._how()
        raise ConnectionLostError(f"its worker ({self.name}) {how}.", how=how)

    def _how(self) -> str:
        assert self._process is not None
        code = self._process.returncode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"

    def kill(self) -> None:
        """See :meth:`Connection.kill`."""
        if self._process is not None:
            # The group has the processes that the worker started.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """See :meth:`Connection.close`."""
        if self._process is None or self._writer is None:
            return
        self._closing = True
        with suppress(OSError, RuntimeError):
            self._writer.write_eof()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), 4 * SHUTDOWN_SECONDS)
        self.kill()
        await self._ended.wait()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class ProcessEngine:
    """Runs personas in ``count`` processes; by default one for each processor."""

    def __init__(
        self,
        environment: HostEnvironment,
        *,
        log: logging.Logger,
        count: int = 0,
        passed_on: Collection[str] = (),
    ) -> None:
        self.workers = Workers(environment, log=log)
        self._environment = environment
        self._count = count or os.cpu_count() or 1
        self._passed_on = tuple(passed_on)
        self._tasks: list[asyncio.Task[None]] = []

    def host(self, name: str, environment: HostEnvironment) -> RemoteHost:
        """See :meth:`Engine.host`."""
        self.start()
        return RemoteHost(name, environment, self.workers)

    def status(self) -> str:
        """See :meth:`Engine.status`."""
        return self.workers.status("worker processes", of=self._count)

    def start(self) -> None:
        """Begin to keep the processes; the second call does nothing."""
        if not self._tasks:
            keep = self.workers.keep
            self._tasks = [asyncio.create_task(keep(self._connect)) for _ in range(self._count)]

    def _connect(self) -> ProcessConnection:
        return ProcessConnection(self._environment, self._passed_on)

    def preload(self, class_paths: Iterable[str]) -> None:
        """See :meth:`Engine.preload`."""
        self.start()
        self.workers.preload(class_paths)

    async def aclose(self) -> None:
        """See :meth:`Engine.aclose`."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
