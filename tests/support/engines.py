"""Hosts of every kind, as the suites of the protocol use them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_ai_personas.hosts import Host, HostConfig, HostEnvironment, InlineHost, ThreadHost
from jupyter_ai_personas.hosts.process import ProcessEngine
from support.bench import LOG, Bench, RemoteBench, bench_with

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


HOSTS = {"inline": inline_bench, "thread": thread_bench, "process": process_bench}
"""Every kind of host: the suite of the protocol runs over all of them."""
