"""How long a message takes to its persona, and the model's first text to another client."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import anyio
from support.server import DEFAULT_EXTENSIONS, JupyterServer

from .options import Goal, Options, Result, Table
from .packages import HASTY, make_personas, make_probe
from .streaming import SETTLE, quantile
from .watcher import Watcher

# The first text says when `process_message` was entered and when that text left the model.
_CLOCK = """\
entered = time.time()
async def text():
    await asyncio.sleep(0.01)
    yield f"{entered!r} {time.time()!r} "
    yield "and more"
await self.stream_message(text())"""


async def run(options: Options) -> Result:
    times = 5 if options.quick else 60
    table = Table(
        "Latency",
        "Milliseconds on a server that does nothing else. `to process_message` is from a message's "
        "arrival in the document to its persona; `first chunk to client` from the model's first "
        "text to the document of a person who watches.",
    )
    goals = []
    for installed in (50,) if options.quick else (1, 50):
        with options.directory() as directory:
            entered, shown = await _measure(directory, installed, times)
        table.rows.append(
            {
                "personas installed": installed,
                "turns": times,
                "to process_message p50": 1000 * median(entered),
                "p95": 1000 * quantile(entered, 0.95),
                "first chunk to client p50": 1000 * median(shown),
                "p95 ": 1000 * quantile(shown, 0.95),
            }
        )
        where = f"{installed} persona{'s' if installed > 1 else ''} installed"
        goals += [
            Goal(f"message to process_message, {where}", 5.0, 1000 * median(entered), "ms"),
            Goal(f"first chunk to another client, {where}", 30.0, 1000 * median(shown), "ms"),
        ]
    return Result("latency", [table], goals)


async def _measure(directory: Path, installed: int, times: int) -> tuple[list[float], list[float]]:
    packages = [make_personas(directory / "personas", installed, _CLOCK)]
    server = JupyterServer(
        directory / "server",
        config=HASTY,
        extensions=(*DEFAULT_EXTENSIONS, "bench_probe"),
        pythonpath=[*packages, make_probe(directory / "probe")],
    )
    entered: list[float] = []
    shown: list[float] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server)
        ada = await stack.enter_async_context(Watcher(server, "a.chat", user="Ada"))
        bob = await stack.enter_async_context(Watcher(server, "a.chat", user="Bob"))
        for number in range(times + 3):
            asked = ada.post("@P0 what time is it?")
            await ada.wait_for_reply(asked, timeout=30)
            growth = await bob.wait_for(
                lambda me, asked=asked: [g for g in me.replies_seen.values() if g.reply_to == asked]
            )
            if number < 3:
                await anyio.sleep(SETTLE if number == 0 else 0)
                continue  # the host has been opened, everything is imported
            _, arrivals = await server.get("/bench/arrivals")
            began, yielded = map(float, growth[0].first_body.split()[:2])
            entered.append(began - arrivals[asked])
            shown.append(growth[0].seen[0][0] - yielded)
            # The next one comes when nothing is going on: a save takes place a second after.
            await anyio.sleep(0.1 + (time.time() % 0.05))
    return entered, shown
