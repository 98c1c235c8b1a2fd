"""What turns cost on each engine, without a server or a chat."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Self

import anyio.lowlevel
import psutil
from support.dask_cluster import DaskCluster
from support.machines import Machines
from support.plugin import make_plugin

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import HostConfig, HostEnvironment
from jupyter_ai_personas.hosts.dask import DaskEngine
from jupyter_ai_personas.hosts.engines import Engine, ThreadEngine
from jupyter_ai_personas.hosts.process import ProcessEngine
from jupyter_ai_personas.personas.wire import ReplyOpened, TextDelta, TurnEnd, TurnSpec

from .options import Options
from .packages import CHUNK_CHARS
from .streaming import quantile

LOG = logging.getLogger("benchmarks")

_SOURCE = """
import asyncio, time
from jupyter_ai_personas import BasePersona, PersonaDefaults

class Stream(BasePersona):
    defaults = PersonaDefaults(name="Stream")

    async def process_message(self, message):
        count, rate = map(int, message.body.split())
        async def text():
            began = time.monotonic()
            for number in range(count):
                await asyncio.sleep(max(0, began + number / rate - time.monotonic()))
                yield f"{number:04d} "
        await self.stream_message(text())

class Compute(BasePersona):
    defaults = PersonaDefaults(name="Compute")

    async def process_message(self, message):
        until = time.thread_time() + float(message.body)
        while time.thread_time() < until:
            pass
        self.send_message("computed")
"""


@asynccontextmanager
async def engine_of(
    kind: str, workers: int, folder: Path, machines: Machines | None = None
) -> AsyncIterator[Engine]:
    """Run an engine with so many workers, on ``machines`` if there are some."""
    environment = HostEnvironment(HostConfig(models=False), log=LOG)
    async with AsyncExitStack() as stack:
        engine: Any = ThreadEngine()
        if kind == "processes":
            engine = ProcessEngine(environment, log=LOG, count=workers)
        elif kind == "dask":
            cluster = DaskCluster(
                folder, workers=workers, pythonpath=[folder], machines=machines or ()
            )
            await asyncio.to_thread(cluster.__enter__)
            stack.callback(cluster.__exit__, None, None, None)
            engine = DaskEngine(cluster.address, environment, log=LOG)
        stack.push_async_callback(engine.aclose)
        if workers:
            engine.start()
            while len(engine.workers.ready) < workers:
                await anyio.lowlevel.checkpoint()
        yield engine


@asynccontextmanager
async def host_on(
    kind: str, workers: int, persona: str, machines: Machines | None = None
) -> AsyncIterator[Turns]:
    """Run a persona of the benchmark on an engine of its own."""
    with Options().directory() as folder:
        make_plugin(folder, "bench_hosts", {"__init__.py": _SOURCE}, {})
        os.environ["PYTHONPATH"] = str(folder)
        sys.path.insert(0, str(folder))
        try:
            async with (
                engine_of(kind, workers, folder, machines) as engine,
                Turns(engine, persona) as turns,
            ):
                yield turns
        finally:
            sys.path.remove(str(folder))
            del os.environ["PYTHONPATH"]


class Turns:
    """Turns of one persona on an engine, and what they said when."""

    def __init__(self, engine: Engine, persona: str) -> None:
        environment = HostEnvironment(HostConfig(models=False), log=LOG)
        self._host = engine.host(persona, environment)
        self._persona = persona
        self._ended = 0
        self._awaited = 0
        self._done = asyncio.Event()
        self.seen: dict[str, list[float]] = {}
        self.texts: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        await self._host.open()
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._host.close()
        await self._listener

    async def _listen(self) -> None:
        async for batch in self._host.events():
            now = time.monotonic()
            for event in batch:
                if isinstance(event, ReplyOpened | TextDelta):
                    self.seen.setdefault(event.turn_id, []).append(now)
                    self.texts[event.turn_id] = self.texts.get(event.turn_id, "") + event.text
                self._ended += isinstance(event, TurnEnd)
            if self._ended >= self._awaited:
                self._done.set()

    async def run(self, bodies: Sequence[str], *, timeout: float) -> float:
        """Run a turn for each of ``bodies``, in chats of their own; return when they began."""
        self._ended, self._awaited = 0, len(bodies)
        self._done.clear(), self.seen.clear(), self.texts.clear()
        began = time.monotonic()
        for number, body in enumerate(bodies):
            name = f"turn-{number}"
            path, message = f"bench_hosts:{self._persona}", Message("m", "ada", body)
            self._host.start(
                TurnSpec(name, "p", path, self._persona, name, "c.chat", message, "Ada")
            )
        await asyncio.wait_for(self._done.wait(), timeout)
        return began


async def cost(
    kind: str, workers: int, turns: int, seconds: int, rate: int, machines: Machines | None = None
) -> dict[str, Any]:
    """Return what turns on an engine cost, and how evenly they flow."""
    async with host_on(kind, workers, "Stream", machines) as run:
        # Workers import the persona first: that happens before the first mention.
        await run.run(["1 1"] * 4 * max(workers, 1), timeout=120)
        chunks, cpu = rate * seconds, _processor_seconds()
        began = await run.run([f"{chunks} {rate}"] * turns, timeout=10 * seconds + 60)
        cpu = _processor_seconds() - cpu
    whole = "".join(f"{number:04d} " for number in range(chunks))
    gaps = [b - a for times in run.seen.values() for a, b in pairwise(times)]
    assert len(whole) == CHUNK_CHARS * chunks
    return {
        "complete and in order": sum(text == whole for text in run.texts.values()),
        "processor µs": 1e6 * cpu / (turns * chunks),
        "first text p50 ms": 1000 * median(times[0] - began for times in run.seen.values()),
        "gap p99 ms": 1000 * quantile(gaps, 0.99),
        "gap worst ms": 1000 * max(gaps),
    }


async def computed(kind: str, workers: int, turns: int, seconds: float) -> float:
    """Return how long ``turns`` take that compute for ``seconds`` each."""
    async with host_on(kind, workers, "Compute") as run:
        await run.run(["0"] * 4 * workers, timeout=120)
        began = await run.run([str(seconds)] * turns, timeout=20 * turns * seconds + 60)
        return time.monotonic() - began


def _processor_seconds() -> float:
    """Return the processor time of this process and of all that it has begun and that run."""
    me = psutil.Process()
    times = [one.cpu_times() for one in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in times)
