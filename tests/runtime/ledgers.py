"""Ledgers for tests: both kinds, and processes that share a file."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from ledger_worker import LOG

from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger

AnyLedger = Ledger | MemoryLedger
WORKER = Path(__file__).with_name("ledger_worker.py")
WAIT = 180.0
"""Seconds that a process may take to start and to end."""


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(path, log=LOG)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.aclose()


@asynccontextmanager
async def server(what: str, path: Path) -> AsyncIterator[Process]:
    """Another process that has the ledger open; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, WORKER, what, path, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        with anyio.fail_after(WAIT):
            if await read_line(process) != "ready":
                pytest.fail((await process.communicate())[1].decode())
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def read_words(process: Process) -> list[list[str]]:
    """Return its lines, split, until it says ``end`` or ends."""
    lines = []
    while (line := await read_line(process)) not in ("", "end"):
        lines.append(line.split())
    return lines


def names(folder: Path | str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def tell(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
