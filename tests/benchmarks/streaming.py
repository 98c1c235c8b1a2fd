"""One reply: the floor, this project with strings and live text, the published alternative."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import mean, median
from typing import Any

import anyio
from support.server import JupyterServer

from .options import Goal, Options, Result, Table
from .packages import CHUNK_CHARS, LONG_CHARS
from .poller import StatusPoller
from .sides import Side, drained, make_sides, store_size
from .watcher import Growth, Watcher

SETTLE = 2.0
"""Seconds after a room opened: the alternative ignores messages before, and rooms are saved."""
IDLE = 3.0
"""Seconds over which a server at rest is measured."""
LEAST = 0.0005
"""Seconds, or milliseconds, that cannot be told from none."""
STALL = 50.0
"""Milliseconds up to which a request is not held up, as the project allows ten streams at once."""
LIVE_WIRE = {10_000: 2.6, 100_000: 2.2}
"""Bytes of sync messages for each byte of a live reply, by its characters."""
LIVE_CPU = 1.3
"""How many times what the floor costs a live reply may cost, with five clients."""
BETTER = 10.0
"""How many times better than the alternative the project promises to be."""


@dataclass(frozen=True)
class Cell:
    """One experiment: ``rate`` is chunks a second, 0 as fast as they can be made."""

    chunks: int
    rate: int
    clients: int

    @property
    def chars(self) -> int:
        return self.chunks * self.chunk_chars

    @property
    def chunk_chars(self) -> int:
        return CHUNK_CHARS


@dataclass(frozen=True)
class LongCell(Cell):
    """The same with long chunks."""

    @property
    def chunk_chars(self) -> int:
        return LONG_CHARS


LONG = LongCell(2000, 100, 1)
"""100 kB in 20 seconds: only of live text."""


def cells(options: Options) -> list[tuple[Cell, int]]:
    """What is measured, each with how often; servers are new for each number of chunks.

    Unpaced comes last: where the alternative leaves a room with a long backlog, the update store of
    all rooms may stay locked.
    """
    if options.quick:
        return [(Cell(200, 100, 2), 1), (Cell(200, 0, 1), 1)]
    return [
        (Cell(chunks, rate, clients), options.repeat)
        for chunks in (500, 2000, 5000)
        # 5,000 unpaced chunks take the alternative ten minutes, and show what 2,000 show.
        for rate in ((100,) if chunks == 5000 else (100, 0))
        for clients in (1, 5)
    ]


async def run(options: Options) -> Result:
    samples: list[dict[str, Any]] = []
    todo = cells(options)
    for number in range(max(times for _, times in todo)):
        for _, group in groupby(todo, key=lambda each: each[0].chunks):
            now = [cell for cell, times in group if number < times]
            if now:
                samples += await _run_cells(options, now, number)
    result = summary(samples)
    long = Table("Long replies", "Live text of long chunks, 100 a second, for one client.")
    long.rows.append(await _long(options))
    measured = float(str(long.rows[0]["sync_bytes_per_byte"]))
    bound = LIVE_WIRE[LONG.chars]
    result.goals.append(Goal("live text, wire, 100 kB at 100/s", bound, measured, "bytes a byte"))
    result.tables.append(long)
    return result


async def _long(options: Options) -> dict[str, object]:
    """What clients see of a long live reply."""
    with options.directory() as directory:
        side = next(each for each in make_sides(directory, options) if each.live)
        async with side.server:
            await _stream(side, Cell(1, 100, 1), "warm", idle=0.1)
            found = await _stream(side, LONG, "long", idle=IDLE)
    return {"characters": LONG.chars, **found}


async def _run_cells(options: Options, todo: list[Cell], number: int) -> list[dict[str, Any]]:
    samples = []
    emitting: dict[tuple[str, int], float] = {}
    with options.directory() as directory:
        sides = make_sides(directory, options)
        try:
            for side in sides:
                await side.server.start()
                await _stream(side, Cell(1, 100, 1), "warm", idle=0.1)
            for cell in todo:
                for side in sides:
                    name, idle = f"{number}-{cell}", 1.0 if options.quick else IDLE
                    # Twice: answering the poller costs more than a reply, and not always the same.
                    found = await _stream(side, cell, f"{name}-polled", idle=idle)
                    found |= await _cost(side, cell, f"{name}-alone", idle=idle)
                    key = side.name, cell.rate
                    if cell.rate and key not in emitting:
                        emitting[key] = await _emitting(side, cell, f"{name}-unheard", idle=idle)
                    own = emitting[key] * cell.chunks if cell.rate else 0.0  # a millisecond
                    found["cpu_persona_s"] = own
                    found["cpu_writing_s"] = found["cpu_drained_s"] - own
                    samples.append({"side": side.name, **vars(cell), **found})
                    print(_line(samples[-1]), flush=True)
        finally:
            for side in sides:
                await side.server.close()
    return samples


@asynccontextmanager
async def _room(side: Side, cell: Cell, name: str) -> AsyncIterator[list[Watcher]]:
    name = "".join(c if c.isalnum() else "-" for c in name)
    async with AsyncExitStack() as stack:
        watchers = [
            await stack.enter_async_context(
                Watcher(side.server, f"{name}.chat", user=f"Person {n}", live=side.live)
            )
            for n in range(cell.clients)
        ]
        await anyio.sleep(SETTLE)
        yield watchers


async def _answer(side: Side, cell: Cell, watchers: list[Watcher]) -> None:
    kind = "long" if cell.chunk_chars > CHUNK_CHARS else ""
    await side.ask(watchers[0], cell.chunks, cell.rate, kind=kind)
    for watcher in watchers:
        await watcher.wait_for(lambda me: _complete(me, cell), timeout=240)


async def _processor(server: JupyterServer, idle: float) -> Callable[[], float]:
    """What tells the processor seconds from now on, beyond those of the server at rest."""
    resting, cpu_resting = time.time(), server.cpu_seconds()
    await anyio.sleep(idle)
    began, cpu = time.time(), server.cpu_seconds()
    at_rest = (cpu - cpu_resting) / (began - resting)
    return lambda: server.cpu_seconds() - cpu - at_rest * (time.time() - began)


async def _cost(side: Side, cell: Cell, name: str, *, idle: float) -> dict[str, float]:
    """Processor seconds of a reply."""
    async with _room(side, cell, name) as watchers:
        used = await _processor(side.server, idle)
        await _answer(side, cell, watchers)
        shown = used()
        await drained(side.server)
        return {"cpu_s": shown, "cpu_drained_s": used()}


async def _emitting(side: Side, cell: Cell, name: str, *, idle: float) -> float:
    """Processor seconds a chunk of the same turn, when the persona throws its chunks away."""
    count = min(cell.chunks, 2000)
    async with _room(side, cell, name) as watchers:
        used = await _processor(side.server, idle)
        await side.ask(watchers[0], count, cell.rate, kind="unheard")
        await anyio.sleep(count / cell.rate + SETTLE)
        return used() / count


async def _stream(side: Side, cell: Cell, name: str, *, idle: float) -> dict[str, float]:
    """What clients see of a reply, and what the others of the server notice."""
    server = side.server
    async with _room(side, cell, name) as watchers:
        poller = StatusPoller(server)
        async with poller:
            resting = time.time()
            await anyio.sleep(idle)
            began = time.time()
            rows, size = store_size(server)
            wire = [watcher.bytes_received for watcher in watchers]
            sync = [watcher.sync_bytes_received for watcher in watchers]
            await _answer(side, cell, watchers)
            ended = time.time()
            await drained(server)
        growths = [_reply(watcher) for watcher in watchers]
        for growth in growths:
            _check(growth, cell)
        more_rows, more = store_size(server)
        got = [w.bytes_received - before for w, before in zip(watchers, wire, strict=True)]
        synced = [w.sync_bytes_received - before for w, before in zip(watchers, sync, strict=True)]
    # A second more: what a quick reply leaves behind, others notice as well.
    delays = poller.delays(began, ended + 1.0)
    idle_delays = poller.delays(resting, began)
    return {
        "wire_bytes_per_byte": mean(got) / cell.chars,
        "sync_bytes_per_byte": mean(synced) / cell.chars,
        "store_bytes_per_byte": (more - size) / cell.chars,
        "store_rows": more_rows - rows,
        "first_char_s": max(growth.seen[0][0] for growth in growths) - began,
        "last_char_s": max(growth.seen[-1][0] for growth in growths) - began,
        "last_char_first_client_s": min(growth.seen[-1][0] for growth in growths) - began,
        "largest_gap_s": max(_largest_gap(growth) for growth in growths),
        "status_p99_ms": 1000 * quantile(delays, 0.99),
        "status_worst_ms": 1000 * max(delays, default=0.0),
        "status_idle_p99_ms": 1000 * quantile(idle_delays, 0.99),
    }


def _reply(watcher: Watcher) -> Growth:
    return next(iter(watcher.replies_seen.values()))


def _complete(watcher: Watcher, cell: Cell) -> bool:
    return any(g.seen and g.seen[-1][1] >= cell.chars for g in watcher.replies_seen.values())


def _check(growth: Growth, cell: Cell) -> None:
    width = cell.chunk_chars // CHUNK_CHARS
    expected = "".join(f"{number:04d} " * width for number in range(cell.chunks))
    assert str(growth.body) == expected, "Chunks were lost or changed their order."


def _largest_gap(growth: Growth) -> float:
    times = [at for at, _ in growth.seen]
    return max((b - a for a, b in pairwise(times)), default=0.0)


def quantile(values: Iterable[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def _line(sample: dict[str, Any]) -> str:
    shown = {k: round(v, 2) if isinstance(v, float) else v for k, v in sample.items()}
    return "  " + " ".join(f"{key}={value}" for key, value in shown.items())


def summary(samples: list[dict[str, Any]]) -> Result:
    """Medians for each cell and side, with the alternative's as multiples of ours."""
    keys = ("chunks", "rate", "clients")
    measures = [key for key in samples[0] if key not in ("side", *keys)]

    def cell_of(sample: dict[str, Any]) -> tuple[int, ...]:
        return tuple(sample[key] for key in keys)

    table = Table(
        "Streaming",
        "Medians. `rate` is chunks a second (0: as fast as they can be made, never suspending); "
        "processor seconds are beyond what the same server uses at rest, and of a second reply "
        "during which nobody asks for the status. `cpu persona` is the same turn whose persona "
        "throws its chunks away, and `cpu writing` what remains of `cpu drained` without it: to "
        "wait 2,000 times for a hundredth of a second is no cheaper, whoever writes what comes of "
        "it. `ours` writes strings, for clients of the stock front end; `live` are the same "
        "replies for clients that show live text. A row `peer / ours` holds ratios.",
    )
    goals: list[Goal] = []
    for cell, group in groupby(sorted(samples, key=cell_of), key=cell_of):
        found = list(group)
        rows: dict[str, dict[str, float]] = {}
        head = dict(zip(keys, cell, strict=True))
        for side in ("floor", "ours", "live", "peer"):
            mine = [sample for sample in found if sample["side"] == side]
            if not mine:
                continue
            rows[side] = {key: median(sample[key] for sample in mine) for key in measures}
            table.rows.append({**head, "side": side, "runs": len(mine), **rows[side]})
        goals += _live_goals(cell, rows)
        if "peer" not in rows:
            continue
        ratios = {
            # What costs too little to be told from nothing is no number to divide by.
            key: rows["peer"][key] / ours if (ours := rows["ours"][key]) > LEAST else None
            for key in measures
        }
        table.rows.append({**head, "side": "peer / ours", "runs": "", **ratios})
        if rows["peer"]["status_worst_ms"] <= STALL:
            ratios["status_worst_ms"] = None  # it stalls nobody either: nothing to be better than
        goals += _goals(cell, rows["ours"], ratios)
    return Result("streaming", [table], goals)


def _live_goals(cell: tuple[int, ...], rows: dict[str, dict[str, float]]) -> list[Goal]:
    chunks, rate, clients = cell
    if not rate or "live" not in rows:
        return []
    where = f"{chunks:,} chunks at 100/s, {clients} client(s)"
    live, goals = rows["live"], []
    if (bound := LIVE_WIRE.get(chunks * CHUNK_CHARS)) is not None:
        measured = live["sync_bytes_per_byte"]
        goals.append(Goal(f"live text, wire, {where}", bound, measured, "bytes a byte"))
    if chunks == 2000 and clients == 5 and "floor" in rows:
        times = live["cpu_drained_s"] / max(rows["floor"]["cpu_drained_s"], LEAST)
        goals.append(Goal(f"live text, server CPU, {where}", LIVE_CPU, times, "times the floor"))
    return goals


def _goals(
    cell: tuple[int, ...], ours: dict[str, float], ratios: dict[str, float | None]
) -> list[Goal]:
    chunks, rate, clients = cell
    bound = 45.0 if rate else 6.0
    where = f"{chunks:,} chunks {'at 100/s' if rate else 'unpaced'}, {clients} client(s)"
    goals = []
    if chunks == 2000:
        goals += [
            Goal(f"wire, {where}", bound, ours["wire_bytes_per_byte"], "bytes per byte"),
            Goal(f"update store, {where}", bound, ours["store_bytes_per_byte"], "bytes per byte"),
            Goal(f"server CPU, {where}", 1.5, ours["cpu_drained_s"], "s"),
        ]
    if rate:
        goals.append(Goal(f"largest gap, {where}", 0.3, ours["largest_gap_s"], "s"))
    against = [
        ("wire", "wire_bytes_per_byte"),
        ("update store", "store_bytes_per_byte"),
        ("rows in the update store", "store_rows"),
        ("server CPU", "cpu_drained_s"),
    ]
    if rate:
        against.append(("server CPU without the persona's own", "cpu_writing_s"))
    else:
        against += [("last character", "last_char_s"), ("longest stall", "status_worst_ms")]
    for what, key in against:
        if (better := ratios[key]) is not None:
            what = f"{what} against the peer, {where}"
            goals.append(Goal(what, BETTER, better, "times less", at_least=True))
    return goals
