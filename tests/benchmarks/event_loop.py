"""Ten replies stream in ten chats while somebody asks for the server's status."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

import anyio
from support.server import JupyterServer

from .options import Goal, Options, Result, Table
from .packages import HASTY, make_stream
from .poller import StatusPoller
from .streaming import SETTLE, quantile
from .watcher import Watcher

CHATS = 10


def cases(options: Options) -> list[tuple[str, str, int, int]]:
    """What happens in each chat: a name, what is asked, the reply's length, and how often.

    What is over in a moment is repeated, one right after the other: a percentile needs samples.
    """
    if options.quick:
        return [("200 chunks at 100/s", "200 chunks at 100", 1000, 1)]
    return [
        ("2,000 chunks at 100/s", "2000 chunks at 100", 10_000, 1),
        ("2,000 chunks unpaced", "2000 chunks at 0", 10_000, 60),
        (FLOOD, "20000 chunks at 0", 100_000, 10),
        (SPINS, "1 chunks at 0, after half a second of spinning", 5, 1),
    ]


FLOOD = "20,000 chunks (100 kB) unpaced"
# What nobody promised anything about, shown all the same.
SPINS = "a chunk after 0.5 s of pure Python"


async def run(options: Options) -> Result:
    table = Table(
        "The event loop stays free",
        f"Delay in ms of a status request every 50 ms from another process, while {CHATS} replies "
        "come in as many chats. Where personas compute in Python, all threads share one "
        "interpreter lock, and what the server waits is for that. A second after the end the rooms "
        "save all ten chats: that is the library's.",
    )
    goals = []
    for what, body, chars, times in cases(options):
        idle, busy, saving, took, cpu = await _measure(options, body, chars, times)
        over = 1000 * (quantile(busy, 0.99) - quantile(idle, 0.99))
        table.rows.append(
            {
                "each reply": what,
                "times": times,
                "seconds": took,
                "server CPU s": cpu,
                "idle p99": 1000 * quantile(idle, 0.99),
                "p50": 1000 * quantile(busy, 0.5),
                "p99": 1000 * quantile(busy, 0.99),
                "worst": 1000 * max(busy),
                "p99 over idle": over,
                "worst while saved": 1000 * max(saving),
            }
        )
        if what != SPINS:
            goals.append(Goal(f"status request, p99 over idle, {CHATS} × {what}", 50.0, over, "ms"))
    return Result("event_loop", [table], goals)


async def _measure(
    options: Options, body: str, chars: int, times: int
) -> tuple[list[float], list[float], list[float], float, float]:
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(options.directory())
        server = JupyterServer(
            directory / "server",
            config=HASTY,
            pythonpath=[make_stream(directory / "packages", peer=False)],
        )
        await stack.enter_async_context(server)
        watchers = [
            await stack.enter_async_context(Watcher(server, f"{n}.chat", user=f"Person {n}"))
            for n in range(CHATS)
        ]
        asked = watchers[0].post("@Stream 1 chunks at 100")
        await watchers[0].wait_for_reply(asked, timeout=30)
        watchers[0].replies_seen.clear()
        await anyio.sleep(SETTLE)
        poller = StatusPoller(server)
        async with poller:
            resting = time.time()
            await anyio.sleep(2 if options.quick else 20)
            began, cpu = time.time(), server.cpu_seconds()
            for _ in range(times):
                for watcher in watchers:
                    watcher.replies_seen.clear()
                    watcher.post(f"@Stream {body}")
                for watcher in watchers:
                    await watcher.wait_for(
                        lambda me: any(
                            growth.seen and growth.seen[-1][1] >= chars
                            for growth in me.replies_seen.values()
                        ),
                        timeout=120,
                    )
            ended, cpu = time.time(), server.cpu_seconds() - cpu
            await anyio.sleep(2)  # the rooms save all chats a second after the last change
    return (
        poller.delays(resting, began),
        poller.delays(began, ended),
        poller.delays(ended),
        ended - began,
        cpu,
    )
