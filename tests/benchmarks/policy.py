"""What each constant of the flush policy does: the same streams with it and without it.

In virtual time, so nothing here depends on the machine. What a transaction costs a real server is
in the other suites; here each costs the event loop 4 ms where that matters.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import replace
from statistics import mean

from support.clock import FakeClock

from jupyter_ai_personas.chat import MemoryChat, Pacer, ReplyWriter
from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.chat.protocol import Restore, Write

from .options import Table

TRANSACTION = 0.004
"""Seconds of the event loop that a transaction costs."""

LATE = 0.4
"""Seconds by which a busy event loop is late."""


class Stream:
    """Replies that grow alike in ``chats`` chats, and what came of it."""

    def __init__(
        self,
        policy: Pacing,
        *,
        chars: int,
        rate: int,
        chunk: int = 5,
        chats: int = 1,
        late: float = 0.0,
    ) -> None:
        self.clock = FakeClock()
        self.began = self.clock.now
        self.times: list[float] = []
        self.chars = 0
        self.waits: list[float] = []
        self.total, self.chats = chars * chats, chats
        pacer = Pacer(self.clock, policy, processor_time=self._busy)
        log = logging.getLogger("bench")
        writers = [ReplyWriter(Written(self), pacer, log=log) for _ in range(chats)]
        replies = [writer.open("p", {}) for writer in writers]
        for _ in range(chars // chunk):
            for writer, reply in zip(writers, replies, strict=True):
                writer.append(reply, "x" * chunk)
            self.clock.advance(chunk / rate, late=late)
        for writer, reply in zip(writers, replies, strict=True):
            writer.finish(reply, "done")

    def _busy(self) -> float:
        return TRANSACTION * len(self.times)

    @property
    def seconds(self) -> float:
        return self.clock.now - self.began

    @property
    def bytes_for_each(self) -> float:
        return self.chars / self.total

    @property
    def load(self) -> float:
        return self._busy() / self.seconds

    @property
    def wait(self) -> float:
        """Milliseconds that a chunk waits to be written, on average."""
        return 1000 * mean(self.waits)

    @property
    def longest(self) -> float:
        """The longest pause in seconds between two writes of a chat."""
        return 2 * max(self.waits)

    @property
    def burst(self) -> int:
        """The most transactions within 20 ms, but for the first and last of each reply."""
        times = sorted(self.times)[self.chats : -self.chats]
        return max(sum(t <= other < t + 0.02 for other in times) for t in times)


class Written(MemoryChat):
    """Notes when it is written, how much, and how long the new text waited."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._last = stream.clock.now

    def apply(self, writes: Iterable[Write]) -> list[str]:
        writes, stream = list(writes), self._stream
        stream.times.append(stream.clock.now)
        stream.chars += sum(
            len(getattr(write, "body", None) or "")
            for write in writes
            if not isinstance(write, Restore)
        )
        # Text flows evenly, so it waited for half of the time since the last write.
        stream.waits.append((stream.clock.now - self._last) / 2)
        self._last = stream.clock.now
        return super().apply(writes)


class Impatient(Pacing):
    """Does not heed how late the event loop is."""

    def pause(self, *, chars: int, stretch: float = 1.0, lag: float = 0.0) -> float:
        return Pacing.pause(self, chars=chars, stretch=stretch)


def table() -> Table:
    """The table: a constant, what it is for, and that with it and without it."""
    policy = Pacing()
    twentieth = replace(policy, interval=0.05, eager_interval=0.05)
    rows: list[tuple[str, str, object, object]] = []

    def row(constant: str, what: str, with_it: float, without: float) -> None:
        rows.append((constant, what, round(with_it, 2), round(without, 2)))

    flow = {"chars": 10_000, "rate": 500}
    one, other = Stream(policy, **flow), Stream(twentieth, **flow)
    row(
        "`interval` 0.25 s (without: 0.05 s)",
        "bytes for each byte, 10 kB in 20 s",
        one.bytes_for_each,
        other.bytes_for_each,
    )
    row("", "share of the loop, at 4 ms a transaction", one.load, other.load)
    row("", "ms that a chunk waits, on average", one.wait, other.wait)
    short = {"chars": 150, "rate": 200}
    row(
        "`eager_chars` 200, `eager_interval` 0.1 s",
        "ms that a chunk of a short answer waits",
        Stream(policy, **short).wait,
        Stream(replace(policy, eager_chars=0), **short).wait,
    )
    long = {"chars": 400_000, "rate": 20_000, "chunk": 200}
    one = Stream(policy, **long)
    other = Stream(replace(policy, chars_per_second=math.inf), **long)
    row(
        "`chars_per_second` 400,000",
        "characters a second written, 400 kB in 20 s",
        one.chars / one.seconds,
        other.chars / other.seconds,
    )
    many = {"chars": 500, "rate": 25, "chats": 100}
    one = Stream(policy, **many)
    other = Stream(replace(policy, share=math.inf), **many)
    row("`share` 0.5", "share of the loop, 100 chats", one.load, other.load)
    heavy = {"chars": 500, "rate": 25, "chats": 400}
    one = Stream(policy, **heavy)
    other = Stream(replace(policy, longest=math.inf), **heavy)
    row(
        "`longest` 2 s",
        "longest wait for text in s, 400 chats",
        max(one.waits) * 2,
        max(other.waits) * 2,
    )
    slow = {"chars": 2_000, "rate": 100, "late": LATE}
    one, other = Stream(policy, **slow), Stream(Impatient(), **slow)
    row(
        "twice the lag",
        "transactions a second, the loop is 0.4 s late",
        len(one.times) / one.seconds,
        len(other.times) / other.seconds,
    )
    few = {"chars": 500, "rate": 50, "chats": 20}
    row(
        "`spacing` 8 ms",
        "most transactions within 20 ms, 20 chats",
        Stream(policy, **few).burst,
        Stream(replace(policy, spacing=0.0), **few).burst,
    )
    return Table(
        "The flush policy, one constant at a time",
        "In virtual time: what each constant changes, against the same streams without it.",
        [
            {"constant": constant, "what": what, "with it": one, "without": other}
            for constant, what, one, other in rows
        ],
    )
