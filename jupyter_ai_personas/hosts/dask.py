"""Workers of a Dask cluster: one actor on each, and one stream of reports from it.

This is the only module that imports Dask.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import pickle
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from distributed import Client, Security

from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts.dask_worker import Runner
from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.remote import RemoteHost
from jupyter_ai_personas.hosts.runner import SHUTDOWN_SECONDS
from jupyter_ai_personas.hosts.workers import ConnectionLostError, Workers
from jupyter_ai_personas.version import __version__

__all__ = ["DaskEngine", "installed_versions"]

CONNECT_SECONDS = 5.0
"""How long the scheduler may take to answer at first."""

LOST_SECONDS = 2.0
"""How long a worker or the scheduler may be silent before it counts as lost: a worker without
reports answers every ``BEAT_SECONDS``."""

HELD_UP_SECONDS = 0.2
"""How late this event loop may be before a silence counts as its own fault."""

OPEN_SECONDS = 60.0
"""How long a worker may take to import what runs there."""

FOLLOW_SECONDS = 0.5
"""How often the scheduler is asked for its workers."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before another attempt to connect: doubled each time it fails."""


def _security(address: str) -> Any:
    """Return the certificates that Dask's own configuration names, for an address with TLS."""
    if not address.startswith("tls://"):
        return None
    make: Any = Security  # Dask has no types
    return make(require_encryption=True)


def _unreachable(address: str, error: BaseException) -> str:
    why = " ".join(str(error).split())[:200] or type(error).__name__
    fix = "Start it, or correct `c.AiExtension.hosts`."
    if address.startswith("tls://"):
        fix = f"{fix} Check the certificates that `distributed.comm.tls` names in Dask's files."
    return f"The Dask scheduler `{address}` cannot be reached ({why}). {fix}"


class DaskConnection:
    """A :class:`~jupyter_ai_personas.hosts.workers.Connection` to an actor on one worker."""

    def __init__(self, client: Any, address: str) -> None:
        self.name = address
        self._client = client
        self._outgoing: deque[bytes] = deque()
        self._any = asyncio.Event()
        self._lost: asyncio.Future[ConnectionLostError] = asyncio.Future()
        self._sending: asyncio.Task[None] | None = None
        self._actor: Any = None
        self._future: Any = None

    async def open(self) -> bytes:
        """See :meth:`Connection.open`."""
        # Only the worker reads the inner pickle: the scheduler needs none of our packages.
        self._future = self._client.submit(
            pickle.loads,
            pickle.dumps(Runner()),
            key=f"jupyter-ai-personas-{uuid4().hex}",
            workers=[self.name],
            allow_other_workers=False,
            actor=True,
            pure=False,
        )
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                self._actor = await self._future
                first: bytes = await self._method("hello")
        except ModuleNotFoundError as error:
            raise HostUnavailableError(
                f"The Dask worker `{self.name}` lacks the package `{error.name}`. Run `pip install "
                f"jupyter_ai_personas=={__version__}` where it runs, and restart it."
            ) from None
        except Exception as error:
            raise HostUnavailableError(
                f"The Dask worker `{self.name}` cannot run personas: {type(error).__name__}. Its "
                "log says more."
            ) from error
        self._sending = asyncio.create_task(self._send())
        return first

    def send(self, frame: bytes) -> None:
        """See :meth:`Connection.send`."""
        self._outgoing.append(frame)
        self._any.set()

    async def _send(self) -> None:
        # One call at a time keeps the order.
        while True:
            await self._any.wait()
            self._any.clear()
            frames = list(self._outgoing)
            self._outgoing.clear()
            await self._call("send", frames)

    async def frames(self) -> AsyncIterator[bytes]:
        """See :meth:`Connection.frames`."""
        while True:
            receiving = asyncio.ensure_future(self._call("receive"))
            await asyncio.wait([receiving, self._lost], return_when=asyncio.FIRST_COMPLETED)
            if self._lost.done():
                receiving.cancel()
                raise self._lost.result()
            yield receiving.result()

    async def _call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the actor; a worker that fails or is silent is lost."""
        try:
            return await _within(LOST_SECONDS, self._method(method, *arguments))
        except Exception as error:
            if self._client.status != "running":
                # Workers are lost with their scheduler.
                self.lose("the Dask scheduler cannot be reached.", blameless=True)
            silent = isinstance(error, TimeoutError)
            how = "does not answer" if silent else "has ended, or cannot be reached"
            self.lose(f"its Dask worker `{self.name}` {how}.")

    def _method(self, name: str, *arguments: Any) -> Awaitable[Any]:
        # An actor takes its client from the context.
        with self._client.as_current():
            answer: Awaitable[Any] = getattr(self._actor, name)(*arguments)
            return answer

    def lose(self, reason: str, *, blameless: bool = False) -> None:
        """Count the worker as lost, and ignore its further reports."""
        if not self._lost.done():
            self._lost.set_result(ConnectionLostError(reason, blameless=blameless))

    def kill(self) -> None:
        """See :meth:`Connection.kill`. Dask keeps the process; its actor ends by itself."""
        self.lose(f"its Dask worker `{self.name}` does not respond.")

    async def close(self) -> None:
        """See :meth:`Connection.close`."""
        if self._sending is not None:
            self._sending.cancel()
        if self._actor is not None and not self._lost.done():
            with suppress(Exception):
                async with asyncio.timeout(4 * SHUTDOWN_SECONDS):
                    await self._method("close")
        self.lose("The server stops.", blameless=True)
        if self._future is not None:
            with suppress(Exception):
                self._future.release()


class DaskEngine:
    """Runs personas on all workers of a cluster, also on those that join later."""

    def __init__(self, address: str, environment: HostEnvironment, *, log: logging.Logger) -> None:
        self.workers = Workers(environment, log=log)
        self._address = address
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._connections: dict[str, DaskConnection] = {}
        self._using: dict[str, asyncio.Task[None]] = {}

    def host(self, name: str, environment: HostEnvironment) -> RemoteHost:
        """See :meth:`Engine.host`."""
        self.start()
        return RemoteHost(name, environment, self.workers)

    def start(self) -> None:
        """Begin to connect; the second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_connected())

    def preload(self, class_paths: Iterable[str]) -> None:
        """See :meth:`Engine.preload`."""
        self.start()
        self.workers.preload(class_paths)

    def status(self) -> str:
        """See :meth:`Engine.status`."""
        return self.workers.status(f"workers of the Dask cluster `{self._address}`")

    async def aclose(self) -> None:
        """See :meth:`Engine.aclose`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_connected(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    client = await _connect(self._address)
            except Exception as error:
                self._tell(_unreachable(self._address, error))
            else:
                pause = FIRST_PAUSE
                try:
                    await self._follow(client)
                finally:
                    await self._end_all()
                    await asyncio.shield(_disconnect(client))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _tell(self, problem: str) -> None:
        self._log.error("%s The server tries again.", problem)
        self.workers.note(problem)

    async def _follow(self, client: Any) -> None:
        """Use the workers that the scheduler has, until the scheduler is lost."""
        while True:
            try:
                present = await _within(LOST_SECONDS, client.nthreads())
                if client.status != "running":
                    raise OSError("the connection was lost")
            except Exception as error:
                problem = _unreachable(self._address, error)
                # Report it before the workers are closed: their turns end with this reason.
                self._tell(problem)
                for connection in self._connections.values():
                    connection.lose(problem, blameless=True)
                return
            for address in present:
                if address not in self._using:
                    task = asyncio.create_task(self._use(client, address))
                    self._using[address] = task
            for address, task in list(self._using.items()):
                if task.done() and address not in present:
                    del self._using[address]
            if not present:
                self.workers.note(
                    f"The Dask cluster `{self._address}` has no workers. Start one: `dask worker "
                    f"{self._address}`."
                )
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _use(self, client: Any, address: str) -> None:
        pause = FIRST_PAUSE
        while client.status == "running":
            self._connections[address] = connection = DaskConnection(client, address)
            try:
                await self.workers.serve(connection)
            except HostUnavailableError as error:
                self._log.error("%s", error)
                if not self.workers.ready:
                    self.workers.note(str(error))
            except ConnectionLostError as error:
                if error.blameless:
                    return
                self._log.error("A worker of the personas is gone: %s", error)
            finally:
                del self._connections[address]
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if address not in await _present(client):
                return

    async def _end_all(self) -> None:
        tasks = list(self._using.values())
        self._using.clear()
        if tasks:
            # Tasks of a lost scheduler end by themselves, after they have ended their turns.
            _, left = await asyncio.wait(tasks, timeout=0 if self.workers.ready else LOST_SECONDS)
            for task in left:
                task.cancel()
            await asyncio.wait(tasks)


async def _within(seconds: float, answer: Awaitable[Any]) -> Any:
    """Await ``answer`` for ``seconds``; time in which this event loop is blocked does not count.

    Raises:
        TimeoutError: the answer did not come in time.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(answer)
    try:
        while True:
            deadline = loop.time() + seconds
            done, _ = await asyncio.wait([task], timeout=seconds)
            if done:
                return task.result()
            if loop.time() < deadline + HELD_UP_SECONDS:
                raise TimeoutError
    finally:
        task.cancel()


async def _present(client: Any) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(LOST_SECONDS):
            present: Mapping[str, Any] = await client.nthreads()
            return present
    except Exception:  # `_follow` reports it
        return {}


async def _connect(address: str) -> Any:
    make: Any = Client  # Dask has no types
    client = make(
        address,
        asynchronous=True,
        security=_security(address),
        set_as_default=False,
        timeout=CONNECT_SECONDS,
        name="jupyter-ai-personas",
    )
    try:
        await client
        # Bypass the scheduler if the network allows it; one worker is asked for all.
        if worker := next(iter(await client.nthreads()), None):
            with suppress(Exception):
                async with asyncio.timeout(LOST_SECONDS / 2):
                    await client.rpc(worker).identity()
                    client.direct_to_workers = True
    except BaseException:
        await _disconnect(client)
        raise
    return client


async def _disconnect(client: Any) -> None:
    # With an error, the client does not wait for a scheduler that may be gone.
    with suppress(Exception):
        await client.__aexit__(OSError, None, None)


async def installed_versions(
    address: str, distributions: Iterable[str]
) -> dict[str, dict[str, str | None]]:
    """Return what each worker of a cluster has installed: address → distribution → version.

    ``None``: it is not installed there.

    Raises:
        HostUnavailableError: the scheduler does not answer; the message says what to do.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await _connect(address)
    except Exception as error:
        raise HostUnavailableError(_unreachable(address, error)) from error
    try:
        found: dict[str, dict[str, str | None]] = {one: {} for one in await client.nthreads()}
        for distribution in distributions:
            answers = await client.run(importlib.metadata.version, distribution, on_error="return")
            for worker, version in answers.items():
                found[worker][distribution] = version if isinstance(version, str) else None
        return found
    finally:
        await _disconnect(client)
