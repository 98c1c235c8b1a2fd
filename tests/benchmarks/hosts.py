"""Where personas run: threads of the server, processes beside it, workers of a Dask cluster."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any

import anyio
from support.machines import Machines, why_not
from support.server import CHAT_EXTENSIONS, JupyterServer

from .engines import computed, cost
from .options import Goal, Options, Result, Table
from .packages import make_personas
from .poller import StatusPoller
from .sides import drained
from .streaming import quantile
from .throughput import BEGINNING, measure
from .watcher import Watcher

RATE = 20

_COMPUTE = """\
import time
until = time.thread_time() + float(message.body.split()[-1])
while time.thread_time() < until:
    pass
self.send_message("computed")"""


async def run(options: Options) -> Result:
    parts = [
        await engines(options),
        await machines(options),
        await scaling(options),
        await servers(options),
        await computing(options),
    ]
    tables = [table for table, _ in parts]
    return Result("hosts", tables, [goal for _, goals in parts for goal in goals])


async def engines(options: Options) -> tuple[Table, list[Goal]]:
    turns, seconds = (40, 2) if options.quick else (200, 8)
    cases = [("threads", 0), ("processes", 1), ("processes", 2), ("processes", 4), ("dask", 2)]
    if options.quick:
        cases = [("threads", 0), ("processes", 2), ("dask", 2)]
    table = Table(
        "What a chunk costs on each engine",
        f"Turns stream {RATE} chunks a second each, without a server or a chat. `processor` is "
        "of this process and of all workers together, for each chunk; `gap` the time between "
        "two batches of a turn.",
    )
    for kind, workers in cases:
        head = {"hosts": kind, "workers": workers, "turns": turns}
        table.rows.append({**head, **await cost(kind, workers, turns, seconds, RATE)})
    return table, []


async def machines(options: Options) -> tuple[Table, list[Goal]]:
    turns, seconds, rate = (40, 2, 4) if options.quick else (1000, 15, 4)
    table = Table(
        "Dask workers on two machines",
        f"As above, {rate} chunks a second. The machines are network namespaces, with a router "
        "between them and the server. `processor` is of the scheduler as well.",
    )
    head: dict[str, Any] = {"hosts": "dask", "machines": 2, "turns": turns}
    if reason := why_not():
        table.rows.append({**head, "skipped": reason})
        return table, []
    with Machines(2) as made:
        found = await cost("dask", 2, turns, seconds, rate, made)
    table.rows.append({**head, **found})
    lost = turns - found["complete and in order"]
    return table, [
        Goal(f"of {turns} turns on two machines, not complete or out of order", 0, lost, "turns"),
        Goal(f"a chunk of {turns} turns on two machines", 300, found["processor µs"], "µs"),
    ]


async def scaling(options: Options) -> tuple[Table, list[Goal]]:
    turns, seconds = (8, 0.02) if options.quick else (80, 0.1)
    table = Table(
        "Turns against workers",
        f"Turns that compute for {seconds:g} s each in Python, all begun at once. `times` compares "
        "with the first row. More workers than processors bring nothing.",
    )
    first = 0.0
    for kind, workers in (("processes", 1), ("processes", 2), ("processes", 4), ("dask", 2)):
        rate = turns / await computed(kind, workers, turns, seconds)
        first = first or rate
        head = {"hosts": kind, "workers": workers, "turns": turns}
        table.rows.append({**head, "turns a second": rate, "times": rate / first})
    return table, []


async def servers(options: Options) -> tuple[Table, list[Goal]]:
    chats, long = (5, 3) if options.quick else (150, 20)
    cases = [
        ("threads", "TempFileYStore", False),
        ("processes", "TempFileYStore", False),
        ("processes", "TempFileYStore", True),
        ("processes", "SQLiteYStore", False),
    ]
    table = Table(
        f"{4 * chats} replies at once, by where personas run",
        "As in [throughput](throughput.md), with two worker processes. `server CPU` is of the "
        "server's process alone, `clients CPU` of all clients, which run on the same processors. "
        "Clients with `live` text have the product's front end; others get whole strings. "
        "`SQLiteYStore` is the rooms' default, with one file for all. `no personas`: the same "
        "clients post as many messages at once on a server without this package; its columns are "
        "of the first five seconds after that.",
    )
    alone = await rooms_alone(options, chats)
    for place, store, live in cases[1:3] if options.quick else cases:
        config = {"AiExtension.hosts": place, "AiExtension.host_processes": 2}
        found = await measure(options, store, chats, long, config, live=live)
        text = "live" if live else "string"
        head = {"hosts": place, "update store": store, "text": text, "turns": 4 * chats}
        table.rows.append({**head, **found})
    rows: list[dict[str, Any]] = list(table.rows)
    table.rows.append({"hosts": "no personas", "update store": "TempFileYStore", **alone})
    lost = sum(2 * row["turns"] - row["complete and in order"] for row in rows)
    goals = [Goal("replies at clients not complete or out of order, of all", 0, lost, "replies")]
    for row in rows:
        if (row["hosts"], row["update store"]) == ("processes", "TempFileYStore"):
            what = f"{row['turns']} replies from processes, {row['text']}"
            goals += [
                Goal(f"worst gap of {what}", 2.0, row["gap worst s"], "s"),
                Goal(f"status p99 while {what} grow", 100, row["status p99 flowing ms"], "ms"),
                Goal(
                    f"status p99 when {what} begin, against the same messages without them",
                    1.0,
                    row["status p99 beginning ms"] / alone["status p99 beginning ms"],
                    "times",
                ),
            ]
    return table, goals


async def rooms_alone(options: Options, chats: int) -> dict[str, Any]:
    """Return what status requests take while messages arrive at once, without this package."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(options.directory())
        config = {"YDocExtension.ystore_class": "jupyter_server_ydoc.stores.TempFileYStore"}
        server = JupyterServer(directory / "server", config=config, extensions=CHAT_EXTENSIONS)
        await stack.enter_async_context(server)
        watchers = [
            await stack.enter_async_context(Watcher(server, f"{n}.chat", user=name))
            for n in range(chats)
            for name in ("Ada", "Bob")
        ]
        await drained(server)
        async with StatusPoller(server) as poller:
            began, cpu = time.time(), server.cpu_seconds()
            for watcher in watchers:
                watcher.post("Hello.")
            await anyio.sleep(BEGINNING)
            ended, cpu = time.time(), server.cpu_seconds() - cpu
    delays = poller.delays(began, ended)
    return {
        "server CPU s": cpu,
        "status p50 ms": 1000 * quantile(delays, 0.5),
        "status worst ms": 1000 * max(delays),
        "status p99 beginning ms": 1000 * quantile(delays, 0.99),
    }


async def computing(options: Options) -> tuple[Table, list[Goal]]:
    rounds, seconds = (1, 1) if options.quick else (4, 5)
    table = Table(
        "The server while a persona computes",
        f"Time of a status request while a persona computes for {seconds} s in Python, {rounds} "
        "times, and as long without it, in turns. Nothing else runs.",
    )
    for place in ("threads", "processes"):
        config = {"AiExtension.hosts": place, "AiExtension.host_processes": 2}
        found = await _while_computing(options, config, rounds, seconds)
        table.rows.append({"hosts": place, **found})
    more = float(str(table.rows[-1]["status p99 ms"])) - float(str(table.rows[-1]["without ms"]))
    what = "added to status p99 by a persona that computes in a process"
    return table, [Goal(what, 5.0, more, "ms")]


async def _while_computing(
    options: Options, config: dict[str, Any], rounds: int, seconds: int
) -> dict[str, Any]:
    periods: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(options.directory())
        packages = make_personas(directory / "personas", 1, _COMPUTE)
        server = JupyterServer(directory / "server", config=config, pythonpath=[packages])
        await stack.enter_async_context(server)
        ada = await stack.enter_async_context(Watcher(server, "a.chat", user="Ada"))
        await ada.wait_for_reply(ada.post("@P0 go 0"))
        async with StatusPoller(server) as poller:
            await ada.wait_for_reply(ada.post("@P0 go 1"))  # the poller starts meanwhile
            for _ in range(rounds):
                for computes in (False, True):
                    periods[computes].append(await _period(ada, seconds, computes=computes))
    found = {
        computes: sorted(delay for period in its for delay in poller.delays(*period))
        for computes, its in periods.items()
    }
    return {
        "without ms": 1000 * quantile(found[False], 0.99),
        "status p99 ms": 1000 * quantile(found[True], 0.99),
        "status worst ms": 1000 * found[True][-1],
    }


async def _period(ada: Watcher, seconds: int, *, computes: bool) -> tuple[float, float]:
    """Let so many seconds pass, while a persona computes or nothing; return when they were."""
    began = time.time()
    if computes:
        await ada.wait_for_reply(ada.post(f"@P0 go {seconds}"))
    else:
        await anyio.sleep(seconds)
    return began, time.time()
