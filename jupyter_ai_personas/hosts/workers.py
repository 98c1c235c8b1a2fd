"""The server's side of its workers: connections, and the hosts that run there."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import suppress
from itertools import count
from typing import Protocol

from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.frames import (
    Command,
    Configure,
    HostClosed,
    HostEvents,
    Logged,
    OpenHost,
    Ping,
    Pong,
    Preload,
    Report,
    UseProviders,
    check_hello,
    pack_commands,
    unpack_reports,
)
from jupyter_ai_personas.hosts.protocol import HostHealth
from jupyter_ai_personas.personas.wire import HostEvent

__all__ = ["Connection", "ConnectionLostError", "Receiver", "Worker", "Workers"]


class ConnectionLostError(Exception):
    """The other side is gone; ``reason`` says why, as a sentence for people.

    ``how`` says how a process ended, such as ``ended with exit code 3``; it is empty if the process
    did not end by itself. ``blameless``: no persona can be the cause.
    """

    def __init__(self, reason: str, *, how: str = "", blameless: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.how = how
        self.blameless = blameless


class Connection(Protocol):
    """Carries frames of bytes to a worker and back, in order."""

    name: str
    """The name of the worker for people."""

    async def open(self) -> bytes:
        """Connect; return the worker's first frame.

        Raises:
            HostUnavailableError: that is not possible; the message says what to do.
        """

    def send(self, frame: bytes) -> None:
        """Send a frame; a connection that is lost drops it."""

    def frames(self) -> AsyncIterator[bytes]:
        """Yield the worker's frames until :meth:`close`.

        Raises:
            ConnectionLostError: the worker is gone.
        """

    def kill(self) -> None:
        """End a worker that does not respond; its frames end with an error."""

    async def close(self) -> None:
        """End the worker's work, within a bound."""


class Receiver(Protocol):
    """Receives reports of a worker for one host on the server's side."""

    def received(self, events: Iterable[HostEvent]) -> None:
        """Take a batch of events."""

    def ended(self, worker: Worker) -> None:
        """The host on that worker has ended."""

    def lost(self, worker: Worker, error: ConnectionLostError) -> None:
        """The worker is gone, and all that ran there."""


class Worker:
    """A worker that is connected. :meth:`serve` is the task that listens to it."""

    def __init__(
        self, connection: Connection, environment: HostEnvironment, *, log: logging.Logger
    ) -> None:
        self.name = connection.name
        self.turns = 0
        """How many turns run there."""
        self._connection = connection
        self._environment = environment
        self._log = log
        self._receivers: dict[int, Receiver] = {}
        self._health: dict[int, tuple[float, HostHealth]] = {}
        self._numbers = count(1)
        self._pinged_at: float | None = None
        self._providers: set[str] = set()

    async def open(self) -> None:
        """Connect, compare versions, and configure the worker.

        Raises:
            HostUnavailableError: the worker cannot be used; the message says what to do.
        """
        check_hello(await self._connection.open(), worker=self.name)
        self.name = self._connection.name
        config = self._environment.shared_config()
        self.send(Configure(config, self._log.getEffectiveLevel()))

    def send(self, *commands: Command) -> None:
        """Send commands, in order."""
        self._connection.send(pack_commands(list(commands)))

    def use_providers(self, provider_ids: Collection[str]) -> None:
        """Give the worker the secrets of these providers, unless it has them."""
        if not self._providers.issuperset(provider_ids):
            self._providers.update(provider_ids)
            settings = self._environment.shared_config(self._providers).providers
            self.send(UseProviders(settings))

    def open_host(self, name: str, receiver: Receiver) -> int:
        """Open a host for a persona; return its number on this worker."""
        number = next(self._numbers)
        self._receivers[number] = receiver
        self.send(OpenHost(number, name))
        return number

    async def serve(self) -> None:
        """Take reports until the connection is closed.

        Raises:
            ConnectionLostError: the worker is gone. All receivers have been told.
        """
        try:
            async for frame in self._connection.frames():
                for report in unpack_reports(frame):
                    self._take(report)
            raise ConnectionLostError("The server stops.", blameless=True)
        except pickle.UnpicklingError as error:
            self._log.error(
                "Worker %s sends what cannot be read, and is ended: %s", self.name, error
            )
            self._connection.kill()
            lost = ConnectionLostError("Its worker sent what the server cannot read.")
        except ConnectionLostError as error:
            lost = error
        for receiver in list(self._receivers.values()):
            receiver.lost(self, lost)
        self._receivers.clear()
        raise lost

    def _take(self, report: Report) -> None:
        match report:
            case HostEvents(number, events):
                if (receiver := self._receivers.get(number)) is not None:
                    receiver.received(events)
            case HostClosed(number):
                self._health.pop(number, None)
                if (receiver := self._receivers.pop(number, None)) is not None:
                    receiver.ended(self)
            case Pong(_, health):
                self._pinged_at = None
                now = asyncio.get_running_loop().time()
                self._health = {number: (now, one) for number, one in health.items()}
            case Logged(level, name, own, text):
                log = self._log.getChild(name) if name else self._log
                log = log if own else logging.getLogger(name)
                log.log(level, "%s", text)

    def health(self, number: int) -> HostHealth:
        """Return the health of a host there, and ask for a sign of life."""
        now = asyncio.get_running_loop().time()
        if self._pinged_at is None:
            self._pinged_at = now
            self.send(Ping(next(self._numbers)))
        elif now - self._pinged_at > UNRESPONSIVE_SECONDS:
            return HostHealth(now - self._pinged_at, f"worker {self.name}, which does not respond")
        then, known = self._health.get(number, (now, HostHealth()))
        if known.stuck_seconds == 0:
            return known
        return HostHealth(known.stuck_seconds + now - then, known.location)

    @property
    def is_responsive(self) -> bool:
        """Whether it has answered lately."""
        now = asyncio.get_running_loop().time()
        return self._pinged_at is None or now - self._pinged_at <= UNRESPONSIVE_SECONDS

    def kill(self) -> None:
        """End a worker that does not respond."""
        self._connection.kill()

    async def close(self) -> None:
        """End the connection and the worker's work."""
        await self._connection.close()


UNRESPONSIVE_SECONDS = 1.0
"""Seconds without an answer after which a whole worker counts as stuck."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a worker is connected again: doubled each time it fails at once."""

STEADY_SECONDS = 10.0
"""Seconds after which a connection counts as a success."""


class Workers:
    """The workers of one engine. :meth:`keep` opens a worker and replaces it when it is lost."""

    def __init__(self, environment: HostEnvironment, *, log: logging.Logger) -> None:
        self.environment = environment
        """What the server shares with the workers."""
        self._log = log
        self.ready: list[Worker] = []
        """The workers that turns can be given to."""
        self.problem = ""
        """Why there is no worker, and what to do; empty while the first one is awaited."""
        self._preload: Preload | None = None
        self._changed = asyncio.Event()
        self._watchers: list[Callable[[], None]] = []

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_change`` when workers come or go; return a function that ends this."""
        self._watchers.append(on_change)

        def end() -> None:
            with suppress(ValueError):
                self._watchers.remove(on_change)

        return end

    def note(self, problem: str) -> None:
        """Set :attr:`problem`, which may be empty, and notify the watchers."""
        self.problem = problem
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        for on_change in list(self._watchers):
            on_change()

    async def until_known(self) -> None:
        """Wait until there is a worker or a :attr:`problem`."""
        while not self.ready and not self.problem:
            await self._changed.wait()

    def preload(self, class_paths: Iterable[str]) -> None:
        """Let each worker, also later ones, import these classes before its first turn."""
        self._preload = Preload(tuple(class_paths))
        for worker in self.ready:
            worker.send(self._preload)

    def status(self, what: str, *, of: int = 0) -> str:
        """Return how many workers there are, and what is wrong, as a line for people."""
        turns = sum(worker.turns for worker in self.ready)
        wanted = f" of {of}" if of else ""
        running = f"{turns} {'turn' if turns == 1 else 'turns'}"
        text = f"{len(self.ready)}{wanted} {what} ready, which run {running}"
        return f"{text}. {self.problem}" if self.problem else text

    def pick(self) -> Worker | None:
        """Return the worker with the fewest turns, ``None`` if there is none."""
        return min(self.ready, key=lambda worker: worker.turns, default=None)

    async def keep(self, connect: Callable[[], Connection]) -> None:
        """Keep one worker: connect it, serve it, and replace it when it is lost."""
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self.serve(connect())
            except HostUnavailableError as error:
                self._log.error("%s", error)
                if not self.ready:
                    self.note(str(error))
            except ConnectionLostError as error:
                self._log.error("A persona worker is lost and is replaced: %s", error)
            steady = loop.time() - began > STEADY_SECONDS
            pause = FIRST_PAUSE if steady else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(0 if steady else pause)

    async def serve(self, connection: Connection) -> None:
        """Use one connection until it is lost.

        Raises:
            HostUnavailableError: the worker cannot be used.
            ConnectionLostError: it is gone.
        """
        worker = Worker(connection, self.environment, log=self._log)
        try:
            await worker.open()
            if self._preload is not None:
                worker.send(self._preload)
            self.ready.append(worker)
            self._log.info("Worker %s is ready for personas.", worker.name)
            self.note("")
            await worker.serve()
        finally:
            if worker in self.ready:
                self.ready.remove(worker)
                self._notify()
            await asyncio.shield(worker.close())
