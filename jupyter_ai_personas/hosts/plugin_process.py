"""The server's side of the plug-in process, which ends after a while without requests."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Collection
from itertools import count
from typing import Any

from jupyter_ai_personas.discovery import Broken, Entry
from jupyter_ai_personas.errors import HostUnavailableError, RequestRefusedError
from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.frames import Logged, check_hello
from jupyter_ai_personas.hosts.plugin_frames import (
    CODEC,
    Ask,
    Began,
    Done,
    McpChanged,
    Order,
    Refused,
    Reply,
    Request,
    Setup,
    Withdraw,
)
from jupyter_ai_personas.hosts.process import ProcessConnection
from jupyter_ai_personas.hosts.workers import ConnectionLostError

__all__ = ["PluginProcess"]

REST_SECONDS = 30.0
"""Seconds without a request after which the process ends, unless it is kept."""

STOP_SECONDS = 3.0
"""Seconds that the process may take to end, with its MCP servers."""

_MODULE = "jupyter_ai_personas.hosts.plugin_worker"


class PluginProcess:
    """Answers requests in a process that imports plug-ins.

    ``environment`` gives its variables: without secrets, except for ``passed_on``.
    """

    def __init__(
        self, environment: HostEnvironment, *, log: logging.Logger, passed_on: Collection[str] = ()
    ) -> None:
        self._environment = environment
        self._log = log
        self._passed_on = tuple(passed_on)
        self._connection: ProcessConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._numbers = count(1)
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False
        self.kept: dict[Entry, Broken] = {}
        """The entry points whose code the next process must not run, and why."""
        self.keepers: set[int] = set()
        """Numbers of MCP servers, for which the process is kept."""
        self.began: Entry | None = None
        """The entry point whose code was started last."""
        self.held: list[Logged] | None = None
        """Lines of the log that are kept back until discovery ends; ``None``: log at once."""
        self.on_begin: Callable[[], None] = lambda: None
        """Called when the code of an entry point begins to run."""
        self.on_change: Callable[[McpChanged], None] = lambda change: None
        """Called when an MCP server has changed."""
        self.on_loss: Callable[[str], None] = lambda reason: None
        """Called with the reason when the process is gone."""

    async def ask(self, request: Request) -> Any:
        """Return the answer to a request. Cancelling this withdraws the request.

        Raises:
            RequestRefusedError: it cannot be answered; the message says why.
            ConnectionLostError: the process ended; what it was asked may have happened.
            HostUnavailableError: there can be no process; the message says what to do.
        """
        await self.open()
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        if self._resting is not None:
            self._resting.cancel()
        self._send(Ask(number, request))
        try:
            return await answer
        except asyncio.CancelledError:
            self._send(Withdraw(number))
            raise
        finally:
            self._asked.pop(number, None)
            self.rest()

    async def open(self) -> None:
        """Start the process, unless it runs.

        Raises:
            HostUnavailableError: there can be no process; the message says what to do.
        """
        async with self._opening:
            if self._connection is None:
                await self._open()

    def rest(self) -> None:
        """End the process after a while, unless it is asked or kept until then."""
        if self._resting is not None:
            self._resting.cancel()
        if self._connection is not None and not self._asked and not self.keepers:
            loop = asyncio.get_running_loop()
            self._resting = loop.call_later(REST_SECONDS, self.end)

    def end(self) -> None:
        """Begin to end the process; the next request starts another."""
        if self._listening is not None:
            self._listening.cancel()

    def kill(self) -> None:
        """End a process that does not respond."""
        if self._connection is not None:
            self._connection.kill()

    async def aclose(self) -> None:
        """End the process, within a bound."""
        self._closed = True
        if self._resting is not None:
            self._resting.cancel()
        if self._listening is not None:
            listening, connection = self._listening, self._connection
            listening.cancel()
            await asyncio.wait([listening], timeout=STOP_SECONDS)
            if connection is not None:
                connection.kill()
            await asyncio.wait([listening])

    async def _open(self) -> None:
        if self._closed:
            raise HostUnavailableError("The server stops.")
        connection = ProcessConnection(self._environment, self._passed_on, _MODULE)
        try:
            check_hello(await connection.open(), worker=connection.name, wanted=CODEC.schema)
        except BaseException:
            connection.kill()
            await connection.close()
            raise
        self._connection = connection
        self._send(Setup(self._log.getEffectiveLevel(), tuple(self.kept.items())))
        self._listening = asyncio.create_task(self._listen(connection), name="plug-in process")

    def _send(self, order: Order) -> None:
        if self._connection is not None:
            self._connection.send(pickle.dumps(order, protocol=5))

    async def _listen(self, connection: ProcessConnection) -> None:
        lost = ConnectionLostError("It rests.", blameless=True)
        try:
            async for frame in connection.frames():
                self._take(CODEC.unpack(frame))
        except ConnectionLostError as error:
            lost = error
        except pickle.UnpicklingError as error:
            self._log.error("The plug-in process sends what cannot be read: %s", error)
            connection.kill()
            lost = ConnectionLostError("it sent what the server cannot read.")
        finally:
            self._connection = self._listening = None
            self.keepers.clear()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(lost)
            self.on_loss(lost.reason)
            await asyncio.shield(connection.close())

    def _take(self, reply: Reply) -> None:
        match reply:
            case Done(number, value):
                self._settle(number, value)
            case Refused(number, reason):
                self._settle(number, RequestRefusedError(reason))
            case Began(entry):
                self.began = entry
                self.on_begin()
            case McpChanged():
                self.on_change(reply)
            case Logged() if reply.own and self.held is not None:
                self.held.append(reply)
            case Logged():
                self.log(reply)
            case _:
                raise pickle.UnpicklingError("This is no reply.")

    def log(self, line: Logged) -> None:
        """Write a line of the process into the server's log."""
        log = self._log if line.own else logging.getLogger(line.name)
        log = log.getChild(line.name) if line.own and line.name else log
        log.log(line.level, "%s", line.text)

    def _settle(self, number: int, value: Any) -> None:
        answer = self._asked.get(number)
        if answer is None or answer.done():
            return
        if isinstance(value, Exception):
            answer.set_exception(value)
        else:
            answer.set_result(value)
