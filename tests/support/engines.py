"""Hosts of every kind, as the suites of the protocol use them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jupyter_ai_personas.hosts import Host, HostConfig, HostEnvironment, InlineHost, ThreadHost
from jupyter_ai_personas.hosts.dask import DaskEngine
from jupyter_ai_personas.hosts.process import ProcessEngine
from support.bench import LOG, Bench, RemoteBench, bench_with
from support.dask_cluster import DaskCluster

MakeHost = Callable[[str, HostEnvironment], Host]

TESTS = Path(__file__).parents[1]


def importable_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that are started from here on import what supports the tests."""
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(TESTS), known])))


@asynccontextmanager
async def processes(count: int = 1) -> AsyncIterator[ProcessEngine]:
    environment = HostEnvironment(HostConfig(models=False), log=LOG)
    engine = ProcessEngine(environment, log=LOG, count=count)
    engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()


@asynccontextmanager
async def inline_bench() -> AsyncIterator[Bench]:
    async with bench_with(InlineHost) as bench:
        yield bench


@asynccontextmanager
async def thread_bench() -> AsyncIterator[Bench]:
    async with bench_with(ThreadHost) as bench:
        yield bench


@asynccontextmanager
async def process_bench() -> AsyncIterator[Bench]:
    async with processes() as engine, bench_with(engine.host, RemoteBench) as bench:
        yield bench


@asynccontextmanager
async def on_dask(address: str) -> AsyncIterator[DaskEngine]:
    environment = HostEnvironment(HostConfig(models=False), log=LOG)
    engine = DaskEngine(address, environment, log=LOG)
    engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()


at_end = ExitStack()
"""Closed when the tests of this process end: pytest-xdist leaves out what `atexit` knows."""


@cache
def shared_cluster() -> DaskCluster:
    """A scheduler and one worker for all tests of this process that leave them as they are."""
    folder = TemporaryDirectory(prefix="dask-")
    cluster = DaskCluster(Path(folder.name), pythonpath=[TESTS])
    cluster.__enter__()
    at_end.callback(folder.cleanup)
    at_end.push(cluster)
    return cluster


@asynccontextmanager
async def dask_bench() -> AsyncIterator[Bench]:
    cluster = await asyncio.to_thread(shared_cluster)
    async with on_dask(cluster.address) as engine, bench_with(engine.host, RemoteBench) as bench:
        yield bench


HOSTS = {
    "inline": inline_bench,
    "thread": thread_bench,
    "process": process_bench,
    "dask": dask_bench,
}
"""Every kind of host: the suite of the protocol runs over all of them."""
