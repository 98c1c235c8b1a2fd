"""What each tuned constant brings: the same measurement with it and without it."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from typing import Any

import anyio.to_thread

from jupyter_ai_personas.context import worker
from jupyter_ai_personas.hosts.switching import quick_switching
from jupyter_ai_personas.runtime.turnstile import Turnstile
from jupyter_ai_personas.server.worker_threads import own_worker_threads
from jupyter_ai_personas.slices import Slices

from . import handovers, intervals
from .options import Options, Result, Table

TASKS = 1000
"""Tasks of a server with a hundred open chats."""

CALLS = 20
TURNS = 100
EVENTS = 100
WAIT = 0.0005


async def run(options: Options) -> Result:
    table = Table(
        "Tuned constants",
        "Medians in milliseconds, with each constant and without it.",
    )
    rounds = 1 if options.quick else 5 * options.repeat
    for what, name, measure in (
        ("a wait of 0.5 ms while a persona computes", "SWITCH_SECONDS", _wait),
        ("the same in the process of the index", "_SWITCH_S", _wait_for_index),
        (f"a call of a worker thread among {TASKS:,} tasks", "own_worker_threads", _call_thread),
        ("a full garbage collection after imports", "gc.freeze", _collect),
        (f"a request while {TURNS} turns begin, 2 ms each", "AT_ONCE", _begin_turns),
        ("a record while the loop writes to clients", "ANSWER_SECONDS", handovers.record),
        ("blocking in 1 s, 100 messages, slow disk", "ANSWER_INTERVAL", handovers.slow_disk),
        (f"a request while {EVENTS} events are handled, 1 ms each", "SLICE", _handle_events),
    ):
        found: dict[bool, list[float]] = {True: [], False: []}
        for number in range(2 * rounds):  # in turns: a machine that slows down favours neither
            tuned = number % 2 == 0
            found[tuned] += await asyncio.to_thread(measure, tuned)
        tuned_ms, untuned_ms = (1000 * median(found[tuned]) for tuned in (True, False))
        table.rows.append({"what": what, "constant": name, "with": tuned_ms, "without": untuned_ms})
    found = await asyncio.to_thread(intervals.table, quick=options.quick)
    return Result("tuning", [table, found])


def _wait(tuned: bool) -> list[float]:
    """Return the seconds of short waits, each of which releases the interpreter."""
    end = quick_switching() if tuned else None
    try:
        return _waits()
    finally:
        if end is not None:
            end()


def _wait_for_index(tuned: bool) -> list[float]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(worker._SWITCH_S if tuned else before)
    try:
        return _waits()
    finally:
        sys.setswitchinterval(before)


def _waits() -> list[float]:
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            pass

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        return list(_timed(CALLS, lambda: time.sleep(WAIT)))
    finally:
        stop.set()
        thread.join()


def _call_thread(tuned: bool) -> list[float]:
    """Return the seconds of each call, on a loop that runs as Jupyter's does: for ever."""
    taken: list[float] = []

    async def call() -> None:
        began = time.perf_counter()
        await anyio.to_thread.run_sync(time.perf_counter)
        taken.append(time.perf_counter() - began)

    async def main() -> None:
        idle = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(TASKS)]
        with own_worker_threads() if tuned else nullcontext():
            for _ in range(CALLS):
                await asyncio.create_task(call())
        for task in idle:
            task.cancel()

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    task.add_done_callback(lambda _: loop.stop())
    try:
        loop.run_forever()
        task.result()
    finally:
        loop.close()
    return taken


def _collect(tuned: bool) -> list[float]:
    """Return the seconds of full collections, each of which stops all threads."""
    import langchain_openai  # noqa: F401

    with _frozen() if tuned else nullcontext():
        return list(_timed(3, gc.collect))


@contextmanager
def _frozen() -> Iterator[None]:
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _begin_turns(tuned: bool) -> list[float]:
    """Return the longest time that another task waits."""

    async def begin(turnstile: Turnstile | None) -> None:
        if turnstile is not None:
            await turnstile.enter()
        _compute(0.002)

    async def main() -> float:
        turnstile = Turnstile() if tuned else None
        turns = [asyncio.create_task(begin(turnstile)) for _ in range(TURNS)]
        return await _longest_wait(asyncio.gather(*turns))

    return [asyncio.run(main())]


def _handle_events(tuned: bool) -> list[float]:
    """Return the longest time that another task waits."""

    async def handle() -> None:
        slices = Slices()
        for _ in range(EVENTS):
            _compute(0.001)
            if tuned and slices.is_over:
                await slices.hand_over()

    async def main() -> float:
        return await _longest_wait(asyncio.ensure_future(handle()))

    return [asyncio.run(main())]


async def _longest_wait(work: asyncio.Future[Any]) -> float:
    longest, before = 0.0, time.perf_counter()
    while not work.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    return longest


def _compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def _timed(times: int, call: Callable[[], object]) -> Iterator[float]:
    for _ in range(times):
        began = time.perf_counter()
        call()
        yield time.perf_counter() - began
