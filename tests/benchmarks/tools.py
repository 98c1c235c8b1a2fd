"""What a call of a tool costs, how long reading a notebook holds the loop, what waiting costs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import anyio.lowlevel
import nbformat
from support.desk import Desk
from support.room import Room, persona, room

from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.tools import (
    CallContext,
    PackageToolsets,
    Policy,
    Preview,
    ToolExecutor,
    ToolInfo,
    ToolRegistry,
    ToolSettings,
)

from .options import Goal, Options, Result, Table
from .streaming import quantile

LOG = logging.getLogger("benchmarks")
CELLS, OUTPUTS = 500, 5_000_000
WAITING = 50


async def run(options: Options) -> Result:
    with options.directory() as directory:
        tables, goals = [], []
        for measure in (_calls, _reading, _waiting):
            table, found = await measure(directory, options)
            tables.append(table)
            goals += found
    return Result("tools", tables, goals)


# -- one call --------------------------------------------------------------------------------------


class Instant:
    """Runs a tool that does nothing."""

    info = None
    seconds = None

    async def run(self, context: CallContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"done": True}

    async def preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        return Preview()


class Box(ToolRegistry):
    """Two tools, for every persona; ``policy`` decides about both."""

    def __init__(self, policy: Policy) -> None:
        settings = ToolSettings(max_tool_calls=10_000)
        super().__init__(settings, PackageToolsets(log=LOG, entry_points=()))
        self._policy = policy
        self._executor = Instant()

    def granted(self, persona: Persona, chat_path: str) -> Sequence[ToolInfo]:
        return [ToolInfo("bench.read", effect="read"), ToolInfo("bench.write", effect="write")]

    def executor(self, tool: str) -> ToolExecutor | None:
        return self._executor

    def policy(self, tool: ToolInfo, persona: Persona | None = None) -> Policy:
        return self._policy


async def _calls(directory: Path, options: Options) -> tuple[Table, list[Goal]]:
    table = Table(
        "Calls of tools",
        "Milliseconds from a call in the persona's host to its result there, of a tool that does "
        "nothing: policy, record and both ways. The ledger is a file; what is not read-only is "
        "recorded before it runs.",
    )
    goals, times = [], 50 if options.quick else 500

    for effect in ("read", "write"):
        took = await _time_calls(directory, effect, times)
        row = {"p50": median(took), "p95": quantile(took, 0.95), "worst": max(took)}
        table.rows.append({"effect": effect, "calls": times, **row})
        goals.append(Goal(f"overhead of a call, {effect}, p50", 5.0, median(took), "ms"))
    return table, goals


async def _time_calls(directory: Path, effect: str, times: int) -> list[float]:
    took: list[float] = []

    async def act(me: Any, message: Any) -> None:
        caller = await me._caller()
        [found] = [one for one in caller.tools.values() if one.name == f"bench.{effect}"]
        for number in range(times):
            began = time.perf_counter()
            called = await caller.call(f"{number}-1", found, {})
            took.append(1000 * (time.perf_counter() - began))
            assert called.result == {"done": True}, called.result
        me.send_message("done")

    ledger = Ledger(directory / f"{effect}.sqlite", log=LOG)
    options_of = {"tools": Box("allow"), "ledger": ledger, "make_host": ThreadHost}
    async with room(persona("Bench", act), **options_of) as here:
        await here.reply(here.say("@Bench go"))
    return took


# -- an open notebook ------------------------------------------------------------------------------


async def _reading(directory: Path, options: Options) -> tuple[Table, list[Goal]]:
    table = Table(
        "Reading an open notebook",
        f"A notebook of {CELLS} cells and {OUTPUTS // 1_000_000} MB of outputs that is open: how "
        "long `notebook.read` takes in ms, and how long it holds the event loop at a time: the "
        "processor time of one iteration. *gap* is the time from one iteration to the next, in "
        "which other programs and threads run as well.",
    )
    desk = await Desk(directory).begin()
    notebook = nbformat.v4.new_notebook()
    text = "x" * (OUTPUTS // CELLS)
    for number in range(CELLS):
        output = nbformat.v4.new_output("stream", name="stdout", text=text)
        cell = nbformat.v4.new_code_cell(f"x = {number}", id=f"c{number}", outputs=[output])
        notebook.cells.append(cell)
    nbformat.write(notebook, directory / "a.ipynb")
    desk.rooms.open_notebook("a.ipynb", notebook)
    goals = []
    for what, arguments in (("everything", {}), ("a cell in the middle", {"cells": ["c250"]})):
        held: list[tuple[float, float]] = []
        took: list[float] = []
        for _ in range(3 if options.quick else 30):
            async with anyio.create_task_group() as group:
                group.start_soon(_watch, held)
                await anyio.lowlevel.checkpoint()
                began = time.perf_counter()
                result = await desk.call("notebook.read", path="a.ipynb", **arguments)
                took.append(1000 * (time.perf_counter() - began))
                assert "cells" in result, result
                group.cancel_scope.cancel()
        table.rows.append(
            {
                "read": what,
                "times": len(took),
                "took p50": median(took),
                "held p99": quantile([cpu for _, cpu in held], 0.99),
                "held at most": (most := max(cpu for _, cpu in held)),
                "gap p99": quantile([gap for gap, _ in held], 0.99),
                "gap at most": max(gap for gap, _ in held),
            }
        )
        goals.append(Goal(f"loop held by reading {what} of 500 cells and 5 MB", 10.0, most, "ms"))
    return table, goals


async def _watch(held: list[tuple[float, float]]) -> None:
    """Note the time and the processor time, in ms, of each iteration of the event loop."""
    last = time.perf_counter(), time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.perf_counter(), time.thread_time()
        held.append((1000 * (now[0] - last[0]), 1000 * (now[1] - last[1])))
        last = now


# -- turns that wait -------------------------------------------------------------------------------


async def _waiting(directory: Path, options: Options) -> tuple[Table, list[Goal]]:
    table = Table(
        "Turns that wait for approval",
        "Processor seconds a minute of a server at rest, and ms of somebody else's turn, with and "
        f"without {WAITING} turns that wait. Other programs disturb p10 least.",
    )
    seconds, turns = (1.0, 5) if options.quick else (20.0, 200)

    async def act(me: Any, message: Any) -> None:
        if "wait" in message.body:
            caller = await me._caller()
            [tool] = [one for one in caller.tools.values() if one.name == "bench.write"]
            await caller.call("1-1", tool, {})
        me.send_message("done")

    found = {}
    for waiting in (0, WAITING):
        # As many messages in both chats: what looks for a reply here looks through all of them.
        async with room(
            persona("Bench", act),
            tools=Box("ask"),
            ledger=Ledger(directory / f"{waiting}.sqlite", log=LOG),
            make_host=ThreadHost,
            max_messages_per_minute=100_000,
            max_concurrent_turns=4,
        ) as here:
            for number in range(WAITING):
                asked = here.say("@Bench wait" if waiting else "@Bench hi", by=f"Person {number}")
                if not waiting:
                    await here.reply(asked)
            await here.until(lambda: len(here.runtime.approvals.open()) == waiting)  # noqa: B023
            await here.until(lambda: sum(m.is_approval for m in here.messages) == waiting)  # noqa: B023
            found[waiting] = await _at_rest(here, seconds, turns)
    for waiting, (cpu, took) in found.items():
        fast, usual = quantile(took, 0.1), median(took)
        row = {"CPU s a minute": cpu, "a turn p10": fast, "a turn p50": usual}
        table.rows.append({"waiting": waiting, **row})
    (idle, alone), (busy, beside) = found[0], found[WAITING]
    return table, [
        Goal(f"CPU a minute of {WAITING} turns that wait", 0.05, busy - idle, "s"),
        Goal(
            f"somebody else's turn beside {WAITING} that wait, against alone",
            1.2,
            quantile(beside, 0.1) / quantile(alone, 0.1),
            "times",
        ),
    ]


async def _at_rest(here: Room, seconds: float, turns: int) -> tuple[float, list[float]]:
    took = []
    for _ in range(turns):
        began = time.perf_counter()
        await here.reply(here.say("@Bench hi", by="Ada"))
        took.append(1000 * (time.perf_counter() - began))
    await anyio.sleep(1)  # what the turns have left to write
    began = time.process_time()
    await anyio.sleep(seconds)
    return 60 * (time.process_time() - began) / seconds, took
