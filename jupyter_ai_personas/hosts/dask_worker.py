"""Runs in a Dask worker: one actor for each server, which holds a :class:`Worker`.

A server calls :meth:`Runner.send` and :meth:`Runner.receive` again and again; turns are no tasks of
Dask. The actor ends when its server has been silent for ``LEASE_SECONDS``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_ai_personas.hosts.frames import Report, hello, pack_reports, unpack_commands
from jupyter_ai_personas.hosts.worker import Worker

__all__ = ["BEAT_SECONDS", "Runner"]

BEAT_SECONDS = 0.5
"""Seconds after which :meth:`Runner.receive` returns although there is nothing to report."""

LEASE_SECONDS = 10.0
"""Seconds without a call of the server after which its turns are ended."""

MOST_WAITING = 1000
"""Reports that wait to be fetched, before the hosts of this worker are held up."""


class Runner:
    """The actor. All methods run on the event loop of the Dask worker."""

    def __init__(self) -> None:
        self._waiting: list[Report] = []
        self._worker: Worker | None = None

    def __reduce__(self) -> Any:
        """Make a new one where it is unpickled."""
        return Runner, ()

    async def hello(self) -> bytes:
        """Begin, and return the first frame of a worker."""
        loop = asyncio.get_running_loop()
        self._any, self._taken = asyncio.Event(), asyncio.Event()
        self._heard_at = loop.time()
        self._worker = Worker(self._put, self._room, alone=False)
        self._lease = loop.create_task(self._watch_lease())
        return hello()

    def _put(self, report: Report) -> None:
        self._waiting.append(report)
        self._any.set()

    async def _room(self) -> None:
        while len(self._waiting) >= MOST_WAITING:
            self._taken.clear()
            await self._taken.wait()

    async def send(self, frames: list[bytes]) -> None:
        """Carry out the commands in ``frames``, in order."""
        assert self._worker is not None
        for frame in frames:
            for command in unpack_commands(frame):
                await self._worker.do(command)

    async def receive(self) -> bytes:
        """Return the waiting reports as one frame; wait up to ``BEAT_SECONDS`` for the first."""
        self._heard_at = asyncio.get_running_loop().time()
        if not self._waiting:
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._any.wait()
            except TimeoutError:
                pass
        self._any.clear()
        reports, self._waiting = self._waiting, []
        self._taken.set()
        return pack_reports(reports)

    async def _watch_lease(self) -> None:
        loop = asyncio.get_running_loop()
        while (rest := self._heard_at + LEASE_SECONDS - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(rest)
        await self._end()

    async def close(self) -> None:
        """End the server's turns here."""
        self._lease.cancel()
        await self._end()

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        self._waiting.clear()
        self._taken.set()
        if worker is not None:
            ending = asyncio.ensure_future(worker.close())
            while not ending.done():
                # Discard reports: no server fetches them, and hosts wait until there is room.
                self._waiting.clear()
                self._taken.set()
                await asyncio.wait([ending], timeout=BEAT_SECONDS)
