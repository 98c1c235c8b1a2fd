"""What the server's loop gains, and gives, when it waits a moment for a turn's record."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from jupyter_ai_personas.hosts.switching import quick_switching
from jupyter_ai_personas.runtime.ledger import Ledger, TurnRecord, sqlite
from jupyter_ai_personas.runtime.ledger.failover import FileStore

LOG = logging.getLogger("benchmarks")

TIMES = 20
PAUSE = 0.06
"""Seconds between two messages; longer than ``ANSWER_INTERVAL``."""

SLICE = 0.0005
"""Seconds of what the loop does for each client of a chat, in one iteration."""

SLOW_DISK = 0.005
HASTE = 0.01


def row(number: int) -> TurnRecord:
    """Return the record of a turn."""
    message = {"id": f"m{number}", "body": "@A why?", "sender": "ann"}
    return TurnRecord(
        turn_id=f"t{number}",
        chat_id="chat",
        path="a.chat",
        message=message,
        persona_id="p",
        person="ann",
        accepted_at=time.time(),
        root=message["id"],
    )


@asynccontextmanager
async def _ledger() -> AsyncIterator[Ledger]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ledger = Ledger(Path(folder) / "turns.sqlite", log=LOG)
        await ledger.open()
        try:
            yield ledger
        finally:
            await ledger.aclose()


async def _write_to_clients() -> None:
    """Do what follows a message: pieces of work in the next iterations of the loop."""
    for _ in range(10):
        until = time.perf_counter() + SLICE
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


def record(tuned: bool) -> list[float]:
    """Return the seconds until each turn is recorded, while the loop writes to clients."""

    async def main() -> list[float]:
        taken = []
        async with _ledger() as ledger:
            for number in range(TIMES):
                await asyncio.sleep(PAUSE)
                writing = asyncio.create_task(_write_to_clients())
                began = time.perf_counter()
                await ledger.accept([row(number)])
                taken.append(time.perf_counter() - began)
                await writing
        return taken

    end = quick_switching()
    try:
        with patch.object(sqlite, "ANSWER_SECONDS", sqlite.ANSWER_SECONDS if tuned else 0.0):
            return asyncio.run(main())
    finally:
        end()


def slow_disk(tuned: bool) -> list[float]:
    """Return the seconds for which the loop stands still in a second of messages."""
    run = FileStore.transact

    def run_slowly(self: FileStore, steps: list[sqlite.Step]) -> list[object]:
        time.sleep(SLOW_DISK)
        return run(self, steps)

    async def main() -> list[float]:
        async with _ledger() as ledger:
            lost, recording = 0.0, []
            for number in range(round(1 / HASTE)):
                began = time.perf_counter()
                recording.append(asyncio.create_task(ledger.accept([row(number)])))
                await asyncio.sleep(0)
                lost += time.perf_counter() - began
                await asyncio.sleep(HASTE)
            await asyncio.gather(*recording)
        return [lost]

    interval = sqlite.ANSWER_INTERVAL if tuned else 0.0
    with (
        patch.object(FileStore, "transact", run_slowly),
        patch.object(sqlite, "ANSWER_INTERVAL", interval),
    ):
        return asyncio.run(main())
