"""Where personas run: threads of the server, processes beside it, workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import anyio.lowlevel
import psutil
from support.dask_cluster import DaskCluster
from support.plugin import make_plugin

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import HostConfig, HostEnvironment
from jupyter_ai_personas.hosts.dask import DaskEngine
from jupyter_ai_personas.hosts.engines import Engine, ThreadEngine
from jupyter_ai_personas.hosts.process import ProcessEngine
from jupyter_ai_personas.personas.wire import ReplyOpened, TextDelta, TurnEnd, TurnSpec

from .options import Goal, Options, Result, Table
from .packages import CHUNK_CHARS
from .streaming import quantile
from .throughput import measure

RATE = 20
PERSONA = "bench_hosts:Stream"
LOG = logging.getLogger("benchmarks")

_SOURCE = f"""
import asyncio, time
from jupyter_ai_personas import BasePersona, PersonaDefaults

class Stream(BasePersona):
    defaults = PersonaDefaults(name="Stream")

    async def process_message(self, message):
        async def text():
            began = time.monotonic()
            for number in range(int(message.body)):
                await asyncio.sleep(max(0, began + number / {RATE} - time.monotonic()))
                yield f"{{number:04d}} "
        await self.stream_message(text())
"""


async def run(options: Options) -> Result:
    turns, seconds = (40, 2) if options.quick else (200, 10)
    cases = [("threads", 0), ("processes", 1), ("processes", 2), ("processes", 4), ("dask", 2)]
    if options.quick:
        cases = [("threads", 0), ("processes", 2), ("dask", 2)]
    engines = [
        {
            "hosts": kind,
            "workers": workers,
            "turns": turns,
            **await cost(kind, workers, turns, seconds),
        }
        for kind, workers in cases
    ]
    chats, long = (5, 3) if options.quick else (150, 20)
    servers = []
    for store in ("TempFileYStore",) if options.quick else ("TempFileYStore", "SQLiteYStore"):
        for place in ("threads", "processes"):
            config = {"AiExtension.hosts": place, "AiExtension.host_processes": 2}
            head = {"hosts": place, "update store": store, "turns": 4 * chats}
            servers.append({**head, **await measure(options, store, chats, long, config)})
    tables = [
        Table(
            "What a chunk costs on each engine",
            f"Turns stream {RATE} chunks a second each, without a server or a chat. `processor` is "
            "of this process and of all workers together, for each chunk; `gap` the time between "
            "two batches of a turn.",
            engines,
        ),
        Table(
            f"{4 * chats} replies at once, by where personas run",
            "As in [throughput](throughput.md), with two worker processes. `server CPU` is of the "
            "server's process alone.",
            servers,
        ),
    ]
    lost = sum(2 * row["turns"] - row["complete and in order"] for row in servers)
    gap = max(row["gap worst s"] for row in servers if row["hosts"] == "processes")
    goals = [
        Goal("replies at clients not complete or out of order, of all", 0, lost, "replies"),
        Goal(f"worst gap of {4 * chats} replies from processes", 2.0, gap, "s"),
    ]
    return Result("hosts", tables, goals)


@asynccontextmanager
async def engine_of(kind: str, workers: int, folder: Path) -> AsyncIterator[Engine]:
    environment = HostEnvironment(HostConfig(models=False), log=LOG)
    async with AsyncExitStack() as stack:
        engine: Any = ThreadEngine()
        if kind == "processes":
            engine = ProcessEngine(environment, log=LOG, count=workers)
        elif kind == "dask":
            cluster = await asyncio.to_thread(
                DaskCluster(folder, workers=workers, pythonpath=[folder]).__enter__
            )
            stack.callback(cluster.__exit__, None, None, None)
            engine = DaskEngine(cluster.address, environment, log=LOG)
        stack.push_async_callback(engine.aclose)
        if workers:
            engine.start()
            while len(engine.workers.ready) < workers:
                await anyio.lowlevel.checkpoint()
        yield engine


async def cost(kind: str, workers: int, turns: int, seconds: int) -> dict[str, Any]:
    """Return what turns on an engine cost, and how evenly they flow."""
    with Options().directory() as folder:
        make_plugin(folder, "bench_hosts", {"__init__.py": _SOURCE}, {})
        os.environ["PYTHONPATH"] = str(folder)
        sys.path.insert(0, str(folder))
        try:
            async with engine_of(kind, workers, folder) as engine:
                return await _cost(engine, turns, seconds)
        finally:
            sys.path.remove(str(folder))
            del os.environ["PYTHONPATH"]


async def _cost(engine: Engine, turns: int, seconds: int) -> dict[str, Any]:
    environment = HostEnvironment(HostConfig(models=False), log=LOG)
    host = engine.host("Stream", environment)
    await host.open()
    chunks = RATE * seconds
    seen: dict[str, list[float]] = {}
    texts: dict[str, str] = {}
    ended: set[str] = set()
    done = asyncio.Event()

    async def listen() -> None:
        async for batch in host.events():
            now = time.monotonic()
            for event in batch:
                if isinstance(event, ReplyOpened | TextDelta):
                    seen.setdefault(event.turn_id, []).append(now)
                    texts[event.turn_id] = texts.get(event.turn_id, "") + event.text
                elif isinstance(event, TurnEnd):
                    ended.add(event.turn_id)
            if len(ended) == turns:
                done.set()

    def start(name: str, many: int) -> None:
        message = Message("m", "ada", str(many))
        host.start(TurnSpec(name, "p", PERSONA, "Stream", name, "c.chat", message, "Ada"))

    listener = asyncio.create_task(listen())
    # Workers import the persona first: that happens before the first mention.
    for number in range(4 * len(os.sched_getaffinity(0))):
        start(f"first-{number}", 1)
    while len(ended) < number + 1:
        await anyio.lowlevel.checkpoint()
    ended.clear(), seen.clear(), texts.clear()
    began, cpu = time.monotonic(), _processor_seconds()
    for number in range(turns):
        start(f"turn-{number}", chunks)
    await asyncio.wait_for(done.wait(), 10 * seconds + 60)
    cpu = _processor_seconds() - cpu
    await host.close()
    await listener
    whole = "".join(f"{number:04d} " for number in range(chunks))
    gaps = [b - a for times in seen.values() for a, b in pairwise(times)]
    assert len(whole) == CHUNK_CHARS * chunks
    return {
        "complete and in order": sum(text == whole for text in texts.values()),
        "processor µs": 1e6 * cpu / (turns * chunks),
        "first text p50 ms": 1000 * median(times[0] - began for times in seen.values()),
        "gap p99 ms": 1000 * quantile(gaps, 0.99),
        "gap worst ms": 1000 * max(gaps),
    }


def _processor_seconds() -> float:
    """Return the processor time of this process and of all that it has begun and that run."""
    me = psutil.Process()
    times = [one.cpu_times() for one in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in times)
