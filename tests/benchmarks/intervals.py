"""What each tuned interval and size does: the same measurement with the value and with another.

An interval trades two things, so most rows come in pairs: what a longer one saves, and its price.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

from filelock import FileLock
from support.room import persona

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.context import IndexSettings, builder
from jupyter_ai_personas.context.builder import Builder
from jupyter_ai_personas.context.index_folder import IndexFolder
from jupyter_ai_personas.context.parsing import decode_base64
from jupyter_ai_personas.context.store import IndexWriter
from jupyter_ai_personas.context.watching import Watcher
from jupyter_ai_personas.hosts.outbox import Outbox
from jupyter_ai_personas.personas.local import LocalPersonas
from jupyter_ai_personas.personas.local.watching import LocalWatch
from jupyter_ai_personas.personas.wire import TextDelta
from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, ReplySnapshot
from jupyter_ai_personas.testing import FakeChat, in_virtual_time, make_runtime

from .handovers import row
from .options import Table
from .search import _generate

LOG = logging.getLogger("benchmarks")
ALL = sys.maxsize


@dataclass(frozen=True)
class Tuned:
    """A constant; the value beside its own; what ``measure`` returns with either."""

    constant: str
    other: float
    what: Sequence[str]
    measure: Callable[[bool], Sequence[float]]
    times: int = 1


def table(*, quick: bool) -> Table:
    """The table: medians of alternating measurements."""
    found = Table(
        "Tuned intervals and sizes",
        "Each constant with its value and with another one. Rows of `WINDOW` and "
        "`CHECKPOINT_SECONDS` are in virtual time.",
    )
    for tuned in TUNED:
        module_name, _, name = f"jupyter_ai_personas.{tuned.constant}".rpartition(".")
        module = import_module(module_name)
        value = getattr(module, name)
        taken: dict[float, list[Sequence[float]]] = {value: [], tuned.other: []}
        for _ in range(1 if quick else tuned.times):
            for one, measured in taken.items():
                with patch.object(module, name, one):
                    measured.append(tuned.measure(quick))
        with_it, with_other = (
            list(map(median, zip(*each, strict=True))) for each in taken.values()
        )
        for what, one, other in zip(tuned.what, with_it, with_other, strict=True):
            found.rows.append(
                {
                    "what": what,
                    "constant": tuned.constant,
                    "value": _shown(value),
                    "measured": one,
                    "other value": _shown(tuned.other),
                    "then": other,
                }
            )
    return found


def _shown(value: float) -> str:
    return "no limit" if value == ALL else f"{value:,}"


# -- events of hosts -------------------------------------------------------------------------------


def _slow_turns(quick: bool) -> Sequence[float]:
    """Return batches a second, and ms that a word waits."""
    batches, waits = 0, []

    @in_virtual_time
    async def main() -> None:
        loop, outbox, said = asyncio.get_running_loop(), Outbox(), dict[str, float]()

        async def speak(number: int) -> None:
            await asyncio.sleep(number / 200)
            for _ in range(10):
                said[str(number)] = loop.time()
                outbox.put(TextDelta(str(number), "reply", "word "))
                await asyncio.sleep(1)

        async def take() -> None:
            nonlocal batches
            async for batch in outbox.batches():
                batches += 1
                waits.extend(loop.time() - said[event.turn_id] for event in batch)

        async with asyncio.TaskGroup() as group:
            taking = group.create_task(take())
            await asyncio.gather(*map(speak, range(200)))
            outbox.close()
            await taking

    main()
    return batches / 11, 1000 * mean(waits)


def _many_events(quick: bool) -> Sequence[float]:
    """Return the longest ms that another task waits."""

    async def main() -> float:
        outbox = Outbox()
        for number in range(10_000 if quick else 200_000):
            outbox.put(TextDelta(str(number % 100), "reply", "word "))
        outbox.close()

        async def take() -> None:
            async for _ in outbox.batches():
                pass

        taking = asyncio.create_task(take())
        longest, before = 0.0, time.perf_counter()
        while not taking.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
        return longest

    return [1000 * asyncio.run(main())]


# -- records of turns ------------------------------------------------------------------------------


class Noting(MemoryLedger):
    """Notes what growing replies it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.chars: list[int] = []

    def checkpoint(self, turn_id: str, replies: Sequence[ReplySnapshot]) -> None:
        self.chars.append(sum(len(reply.body) for reply in replies))


def _growing_reply(quick: bool) -> Sequence[float]:
    """Return characters recorded for each one of the reply, and those that a crash loses."""
    ledger = Noting()

    async def stream(self: Any, message: Message) -> None:
        async def chunks() -> AsyncIterator[str]:
            for _ in range(2000):
                await asyncio.sleep(0.01)
                yield "word "

        await self.stream_message(chunks())

    @in_virtual_time
    async def main() -> None:
        chat = FakeChat()
        async with make_runtime([persona("Writer", stream)], ledger=ledger) as runtime:
            session = runtime.open_chat(chat)
            await session.ready.wait()
            asked = chat.say("@Writer write")
            await chat.replied(asked)

    main()
    return sum(ledger.chars) / 10_000, max(b - a for a, b in pairwise(ledger.chars))


def _many_replies(quick: bool) -> Sequence[float]:
    """Return processor ms a second while 100 replies are noted each second."""
    turns, seconds = 100, 1 if quick else 4

    async def main() -> float:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            ledger = Ledger(Path(folder) / "turns.sqlite", log=LOG)
            await ledger.open()
            await ledger.accept([row(number) for number in range(turns)])
            began = time.process_time()
            for number in range(seconds * turns):
                body = "word " * (500 * (1 + number // turns))
                ledger.checkpoint(f"t{number % turns}", [ReplySnapshot("r", body, "streaming")])
                await asyncio.sleep(1 / turns)
            used = time.process_time() - began
            await ledger.aclose()
            return used

    return [1000 * asyncio.run(main()) / seconds]


def _many_rows(quick: bool) -> Sequence[float]:
    """Return ms until all turns are recorded that are accepted at once."""

    async def main() -> float:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            ledger = Ledger(Path(folder) / "turns.sqlite", log=LOG)
            await ledger.open()
            began = time.perf_counter()
            await asyncio.gather(*(ledger.accept([row(number)]) for number in range(500)))
            took = time.perf_counter() - began
            await ledger.aclose()
            return took

    return [1000 * asyncio.run(main())]


# -- files that change -----------------------------------------------------------------------------


def _saves(quick: bool) -> Sequence[float]:
    """Return how often files are read for one save, and ms from its end to the last time."""
    reads: list[float] = []
    began = asyncio.Event()

    def read() -> None:
        reads.append(time.perf_counter())
        began.set()

    async def main() -> float:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            file = Path(folder) / ".jupyter/personas/one.md"
            file.parent.mkdir(parents=True)
            file.write_text("")
            watch = LocalWatch(
                LocalPersonas(Path(folder), reads_only=()),
                lambda: ["a.chat"],
                read,
                log=LOG,
            )
            watching = asyncio.create_task(watch.run())
            await began.wait()
            await asyncio.sleep(1)
            reads.clear()
            for number in range(4):
                await asyncio.sleep(0.2)
                await asyncio.to_thread(file.write_text, f"---\nname: A{number}\n---\n")
            saved = time.perf_counter()
            await asyncio.sleep(1.5)
            watching.cancel()
            return saved

    saved = asyncio.run(main())
    return len(reads), 1000 * (reads[-1] - saved)


def _bursts(quick: bool) -> Sequence[float]:
    """Return how many reports twenty changes make, and ms from the first one to its report."""
    reports: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        watcher = Watcher([Path(folder)], on_change=lambda _: reports.append(time.perf_counter()))
        began = time.perf_counter()
        for number in range(20):
            (Path(folder) / f"{number}.md").write_text("new")
            time.sleep(0.04)
        time.sleep(0.7)
        watcher.stop()
    return len(reports), 1000 * (reports[0] - began)


# -- the index -------------------------------------------------------------------------------------


class Counting(IndexWriter):
    """Counts what waits for the disk."""

    commits = 0

    def commit(self) -> None:
        Counting.commits += 1
        super().commit()


def _index(quick: bool) -> Sequence[float]:
    """Return seconds until some files can be found, and commits until all can."""
    count, Counting.commits = 100 if quick else 500, 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "root"
        _generate(root, count, 40_000 * count)
        place, stop = IndexFolder(root, Path(folder) / "data"), threading.Event()
        place.make()

        def build() -> None:
            with FileLock(place.lock), patch.object(builder, "IndexWriter", Counting):
                one = Builder(place, IndexSettings())
                try:
                    one.run(stop)
                finally:
                    one.close()

        thread = threading.Thread(target=build)
        began, first = time.perf_counter(), 0.0
        thread.start()
        while (status := place.read_status()) is None or status.files < count:
            if not first and status is not None and status.files:
                first = time.perf_counter() - began
            time.sleep(0.01)
        first = first or time.perf_counter() - began
        stop.set()
        thread.join()
    return first, Counting.commits


# -- threads ---------------------------------------------------------------------------------------


@contextmanager
def _longest_wait() -> Iterator[list[float]]:
    """Append the longest time in seconds that another thread waits for the interpreter."""
    stop, longest = threading.Event(), [0.0]

    def tick() -> None:
        before = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.0002)
            now = time.perf_counter()
            longest[0], before = max(longest[0], now - before), now

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield longest
    finally:
        stop.set()
        thread.join()


def _decoding(quick: bool) -> Sequence[float]:
    """Return ms that another thread waits at most."""
    text = base64.b64encode(bytes(range(256)) * 4 * 10_000).decode()
    with _longest_wait() as longest:
        decode_base64(text)
    return [1000 * longest[0]]


def _collections(quick: bool) -> Sequence[float]:
    """Return ms in which full collections stop all threads while a million objects come."""
    from jupyter_ai_personas.server import extension

    spent, began = 0.0, 0.0

    def note(phase: str, info: dict[str, int]) -> None:
        nonlocal spent, began
        if info["generation"] == 2:
            if phase == "start":
                began = time.perf_counter()
            else:
                spent += time.perf_counter() - began

    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*before[:2], extension.FULL_COLLECTION)
    gc.callbacks.append(note)
    try:
        kept = [{"message": [number]} for number in range(50_000 if quick else 500_000)]
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*before)
        gc.unfreeze()
    del kept
    return [1000 * spent]


TUNED = [
    Tuned(
        "hosts.outbox.WINDOW",
        0.0,
        ["batches a second, of 200 turns with a word a second", "ms that a word waits"],
        _slow_turns,
    ),
    Tuned(
        "hosts.outbox.WINDOW",
        0.25,
        ["batches a second, of 200 turns with a word a second", "ms that a word waits"],
        _slow_turns,
    ),
    Tuned(
        "runtime.execution.CHECKPOINT_SECONDS",
        0.1,
        ["bytes recorded for each byte of a reply, 10 kB in 20 s", "characters lost by a crash"],
        _growing_reply,
    ),
    Tuned(
        "runtime.execution.CHECKPOINT_SECONDS",
        5.0,
        ["bytes recorded for each byte of a reply, 10 kB in 20 s", "characters lost by a crash"],
        _growing_reply,
    ),
    Tuned(
        "runtime.ledger.sqlite._CHECKPOINT_S",
        0.01,
        ["CPU ms a second, 100 replies are noted once a second"],
        _many_replies,
        3,
    ),
    Tuned(
        "runtime.ledger.sqlite._MOST_AT_ONCE",
        1,
        ["ms until 500 turns are recorded"],
        _many_rows,
        3,
    ),
    Tuned("hosts.outbox.MOST", ALL, ["ms of the loop for 200,000 events"], _many_events, 3),
    Tuned(
        "personas.local.watching.SETTLE_SECONDS",
        0.0,
        ["readings for a save of four writes, 0.2 s apart", "ms from its end to the last"],
        _saves,
        3,
    ),
    Tuned(
        "context.watching._STEP_MS",
        20,
        ["reports of twenty changes, 40 ms apart", "ms from the first to its report"],
        _bursts,
        3,
    ),
    Tuned(
        "context.watching._GATHER_MS",
        2000,
        ["reports of twenty changes, 40 ms apart", "ms from the first to its report"],
        _bursts,
        3,
    ),
    Tuned(
        "context.builder._COMMIT_S",
        0.1,
        ["s until some of 500 files are found", "commits until all are"],
        _index,
        3,
    ),
    Tuned(
        "context.builder._SLICE_S",
        10.0,
        ["s until some of 500 files are found", "commits until all are"],
        _index,
        3,
    ),
    Tuned(
        "context.parsing._PIECE",
        ALL,
        ["ms that threads wait while 10 MB are decoded"],
        _decoding,
        5,
    ),
    Tuned(
        "server.extension.FULL_COLLECTION",
        10,
        ["ms of full collections while 1,000,000 objects come"],
        _collections,
        3,
    ),
]
