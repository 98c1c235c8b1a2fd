"""Two hundred replies at a time: nothing lost, nothing out of order, evenly slow if slow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from itertools import pairwise
from statistics import median
from typing import Any

import anyio
from support.server import JupyterServer

from .options import Goal, Options, Result, Table
from .packages import CHUNK_CHARS, make_personas
from .poller import StatusPoller
from .sides import drained
from .streaming import quantile
from .watcher import Watcher

RATE = 20

# Replies of different lengths, which end at different times, as those of people do.
SHORTEST = 0.75

BEGINNING = 5.0
"""Seconds after the questions, in which the turns begin."""

_STREAM = """\
async def text():
    began = time.monotonic()
    for number in range(int(message.body.split()[-1])):
        wait = began + number / {rate} - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        yield f"{{number:04d}} "
await self.stream_message(text())"""


async def run(options: Options) -> Result:
    chats, seconds = (5, 3) if options.quick else (50, 20)
    rows = []
    cases = [("SQLiteYStore", chats)]
    if not options.quick:
        # The last is more than the server has the processor for.
        cases += [("TempFileYStore", chats), ("SQLiteYStore", 3 * chats)]
    for store, many in cases:
        head = {"update store": store, "turns": 4 * many}
        rows.append({**head, **await measure(options, store, many, seconds)})
    turns = 4 * chats
    table = Table(
        f"{turns} replies at once, and more",
        f"Turns stream {RATE} chunks a second each for {SHORTEST * seconds:g} to {seconds} "
        "s, four in each chat, with two clients each. `late` is how much longer than that it took "
        "from the question to the reply's end at a client; `gap` the time between two updates of "
        "it, `usual gap` its median, of the reply that flows best and the one that flows worst; "
        f"`status p99 beginning` is of the first {BEGINNING:g} s, `flowing` of the time in which "
        "all replies grow; "
        "`stretch` what the metric "
        "`jupyter_ai_personas_flush_stretch_ratio` said meanwhile, once a second. "
        "`SQLiteYStore` is the rooms' default: they share one file and wait for one another's "
        "locks, see [streaming](streaming.md).",
        rows,
    )
    goals = [
        Goal(
            "replies at clients not complete or out of order, of all",
            0,
            sum(2 * row["turns"] - row["complete and in order"] for row in rows),
            "replies",
        ),
        *(
            Goal(f"latest end of {turns} replies at once, {row['update store']}", 2.5, late, "s")
            for row in rows
            if row["turns"] == turns and (late := row["late worst s"]) is not None
        ),
        *(
            Goal(f"usual gap, worst reply against best, {row['turns']} at once", 2.0, even, "times")
            for row in rows
            if (even := row["usual gap worst s"] / row["usual gap best s"])
        ),
    ]
    return Result("throughput", [table], goals)


async def measure(
    options: Options,
    store: str,
    chats: int,
    seconds: int,
    config: Mapping[str, Any] | None = None,
    *,
    live: bool = False,
) -> dict[str, Any]:
    """Return a row: four turns in each chat, on a server with ``config``.

    ``live``: the clients show live bodies, as the product's front end does.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(options.directory())
        server = JupyterServer(
            directory / "server",
            config={
                "YDocExtension.ystore_class": f"jupyter_server_ydoc.stores.{store}",
                **(config or {}),
            },
            pythonpath=[make_personas(directory / "personas", 4, _STREAM.format(rate=RATE))],
        )
        await stack.enter_async_context(server)
        pairs = [
            [
                await stack.enter_async_context(Watcher(server, f"{n}.chat", user=name))
                for name in ("Ada", "Bob")
            ]
            for n in range(chats)
        ]
        if live:
            for pair in pairs:
                for watcher in pair:
                    watcher.announce_live(True)
                    await watcher.flush()
        await drained(server)
        lengths = {
            f"{n}.chat": [
                round(RATE * seconds * (1 - (1 - SHORTEST) * ((2 * n + who) * 0.618 % 1)))
                for who in (0, 1)
            ]
            for n in range(chats)
        }
        async with StatusPoller(server) as poller, anyio.create_task_group() as group:
            stretches: list[float] = []
            group.start_soon(_watch_stretch, server, stretches)
            began, cpu, ours = time.time(), server.cpu_seconds(), time.process_time()
            for ada, bob in pairs:
                ada.post(f"@P0 and @P1, go {lengths[ada.path][0]}")
                bob.post(f"@P2 and @P3, go {lengths[ada.path][1]}")
            watchers = [watcher for pair in pairs for watcher in pair]
            for watcher in watchers:
                wanted = sorted(2 * lengths[watcher.path])
                with suppress(AssertionError):
                    await watcher.wait_for(
                        lambda me, wanted=wanted: _lengths(me) == wanted, timeout=seconds + 60
                    )
            ended, cpu = time.time(), server.cpu_seconds() - cpu
            ours = time.process_time() - ours
            await anyio.sleep(1.5)
            group.cancel_scope.cancel()
        growths = [
            (growth, [_text(length) for length in lengths[watcher.path]])
            for watcher in watchers
            for growth in watcher.replies_seen.values()
        ]
    late = [g.seen[-1][0] - began - (len(str(g.body)) / CHUNK_CHARS - 1) / RATE for g, _ in growths]
    usual = [median(b - a for (a, _), (b, _) in pairwise(g.seen)) for g, _ in growths]
    gaps = [b - a for g, _ in growths for (a, _), (b, _) in pairwise(g.seen)]
    first = [g.seen[0][0] - began for g, _ in growths]
    delays = poller.delays(began, ended)
    all_begun = max(growth.seen[0][0] for growth, _ in growths)
    first_end = min(growth.seen[-1][0] for growth, _ in growths)
    flowing = poller.delays(all_begun, max(first_end, all_begun + 1.0))
    return {
        "replies at clients": len(growths),
        "complete and in order": sum(str(growth.body) in texts for growth, texts in growths),
        "server CPU s": cpu,
        "clients CPU s": ours,
        "first text p50 s": quantile(first, 0.5),
        "first text worst s": max(first),
        "late p50 s": quantile(late, 0.5),
        "late worst s": max(late),
        "usual gap best s": min(usual),
        "usual gap worst s": max(usual),
        "gap p50 s": quantile(gaps, 0.5),
        "gap p99 s": quantile(gaps, 0.99),
        "gap worst s": max(gaps),
        "stretch p50": quantile(stretches, 0.5),
        "stretch worst": max(stretches),
        "status p50 ms": 1000 * quantile(delays, 0.5),
        "status p99 ms": 1000 * quantile(delays, 0.99),
        "status worst ms": 1000 * max(delays),
        "status p99 beginning ms": 1000 * quantile(poller.delays(began, began + BEGINNING), 0.99),
        "status p99 flowing ms": 1000 * quantile(flowing, 0.99),
    }


async def _watch_stretch(server: JupyterServer, seen: list[float]) -> None:
    """Note once a second what `/metrics` says of saturation."""
    name = b"jupyter_ai_personas_flush_stretch_ratio "
    while True:
        _, page = await server.get("/metrics")
        seen += [
            float(line.removeprefix(name)) for line in page.splitlines() if line.startswith(name)
        ]
        await anyio.sleep(1.0)


def _text(chunks: int) -> str:
    return "".join(f"{number:04d} " for number in range(chunks))


def _lengths(watcher: Watcher) -> list[int]:
    seen = [g.seen[-1][1] // CHUNK_CHARS for g in watcher.replies_seen.values() if g.seen]
    return sorted(seen)
