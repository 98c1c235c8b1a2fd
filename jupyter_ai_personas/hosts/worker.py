"""The worker's side: runs hosts of personas for a server in another process.

Each persona has its own thread and event loop, as in the server's process, so a persona that blocks
does not delay the others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.failures import traceback_of
from jupyter_ai_personas.hosts.frames import (
    AbandonHost,
    AnswerTurn,
    CancelTurn,
    CloseHost,
    Command,
    Configure,
    HostClosed,
    HostEvents,
    Logged,
    OpenHost,
    Ping,
    Pong,
    Preload,
    ReleaseChat,
    Report,
    StartTurn,
    UseProviders,
)
from jupyter_ai_personas.hosts.thread import ThreadHost
from jupyter_ai_personas.redaction import RedactingFilter

__all__ = ["ReportingHandler", "Worker"]

_OWN = "jupyter_ai_personas.worker"


class Worker:
    """Carries out the commands of a server.

    ``send`` sends a report up, and may be called on this event loop only; ``room`` returns once
    more can be sent. ``alone``: no other worker runs in this process, so the logs of libraries go
    to the server too. Call :meth:`do` in the order of the commands.
    """

    def __init__(
        self,
        send: Callable[[Report], None],
        room: Callable[[], Awaitable[None]],
        *,
        alone: bool,
    ) -> None:
        self._send = send
        self._room = room
        self._loop = asyncio.get_running_loop()
        # Workers of several servers may share a process; their logs stay separate.
        self._log = logging.getLogger(f"{_OWN}.{uuid4().hex[:8]}")
        self._log.propagate = False
        self._loggers = [self._log, logging.getLogger()] if alone else [self._log]
        self._handler = ReportingHandler(self._log.name, self._report_line)
        self._environment: HostEnvironment | None = None
        self._hosts: dict[int, ThreadHost] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: deque[Logged] = deque()

    async def do(self, command: Command) -> None:
        """Carry out a command. An unknown host is no error: it may have ended meanwhile."""
        if isinstance(command, Configure):
            self._configure(command)
        elif isinstance(command, Ping):
            now = time.monotonic()
            health = {number: host.health(now) for number, host in self._hosts.items()}
            self._send(Pong(command.number, health))
        elif isinstance(command, UseProviders):
            self.environment.use_providers(command.providers)
        elif isinstance(command, Preload):
            self._begin(self._preload(command))
        elif isinstance(command, OpenHost):
            host = self._hosts[command.host] = ThreadHost(command.name, self.environment)
            await host.open()
            self._begin(self._pump(command.host, host))
        elif (known := self._hosts.get(command.host)) is not None:
            self._tell(known, command)

    def _tell(self, host: ThreadHost, command: Command) -> None:
        match command:
            case StartTurn(_, spec):
                host.start(spec)
            case CancelTurn(_, turn_id):
                host.cancel(turn_id)
            case AnswerTurn(_, turn_id, answer):
                host.answer(turn_id, answer)
            case ReleaseChat(_, chat_id):
                host.release(chat_id)
            case CloseHost():
                self._begin(host.close())
            case AbandonHost():
                host.abandon()

    @property
    def environment(self) -> HostEnvironment:
        """The environment of its turns. It exists after :class:`Configure`."""
        assert self._environment is not None, "the worker is not configured"
        return self._environment

    def _configure(self, command: Configure) -> None:
        self._log.setLevel(command.log_level)
        for logger in self._loggers:
            logger.addHandler(self._handler)
        self._environment = HostEnvironment(command.config, log=self._log)

    async def close(self) -> None:
        """End all hosts, within their bound."""
        closing = [asyncio.ensure_future(host.close()) for host in self._hosts.values()]
        if closing:
            await asyncio.wait(closing)
        while self._tasks:
            await asyncio.wait(self._tasks)
        for logger in self._loggers:
            logger.removeHandler(self._handler)

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _preload(self, command: Preload) -> None:
        environment = self.environment
        for path in command.class_paths:
            try:
                await asyncio.to_thread(environment.persona_class, path)
            except BaseException as error:
                # Turns of this class fail with the same reason; other classes are not affected.
                self._log.error("Cannot import `%s`\n%s", path, traceback_of(error))
        await asyncio.to_thread(environment.preload)

    async def _pump(self, number: int, host: ThreadHost) -> None:
        async for batch in host.events():
            # Send the log of a failure before the failure.
            self._send_lines()
            self._send(HostEvents(number, tuple(batch)))
            await self._room()
        del self._hosts[number]
        self._send(HostClosed(number))

    def _report_line(self, report: Logged) -> None:
        self._lines.append(report)
        with suppress(RuntimeError):  # the worker ends
            self._loop.call_soon_threadsafe(self._send_lines)

    def _send_lines(self) -> None:
        while self._lines:
            self._send(self._lines.popleft())


class ReportingHandler(logging.Handler):
    """Sends log records to the server, as text without secrets."""

    def __init__(self, own: str, report: Callable[[Logged], None]) -> None:
        super().__init__()
        self._own = own
        self._report = report
        self.addFilter(RedactingFilter())
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record up."""
        try:
            own = f"{record.name}.".startswith(f"{self._own}.")
            name = record.name.removeprefix(self._own).removeprefix(".") if own else record.name
            self._report(Logged(record.levelno, name, own, self.format(record)))
        except Exception:
            self.handleError(record)
