"""How replies are written: what is written at once, what is gathered, and what it costs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import FakeClock

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    GrowingReply,
    Insert,
    MemoryChat,
    Pacer,
    ReplyWriter,
    Update,
)
from jupyter_ai_personas.chat.markdown import closing_fence
from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.chat.protocol import Write
from jupyter_ai_personas.chat.writer import MAX_TRIES

ECHO = PERSONA_PREFIX + "acme::Echo"
META = {"reply_to": "q", "turn": "t"}


class WatchedChat(MemoryChat):
    """Notes when it was written, and what it was asked."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.written: list[tuple[float, list[Write]]] = []
        self.reads = 0
        self.refuse = 0

    def apply(self, writes: Iterable[Write]) -> list[str]:
        if self.refuse:
            self.refuse -= 1
            raise RuntimeError("Read-only transaction")
        writes = list(writes)
        self.written.append((self.clock.now, writes))
        return super().apply(writes)

    def get(self, message_id: str) -> Any:
        self.reads += 1
        return super().get(message_id)

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.written]

    @property
    def chars(self) -> int:
        return sum(
            len(write.body or "")
            for _, writes in self.written
            for write in writes
            if isinstance(write, Insert | Update)
        )


class Desk:
    """A writer, its chat, and the clock."""

    def __init__(self, *, chats: int = 1) -> None:
        self.clock = FakeClock()
        self.busy = 0.0
        self.pacer = Pacer(self.clock, processor_time=lambda: self.busy * self.clock.now)
        self.gone: list[GrowingReply] = []
        self.chats = [WatchedChat(self.clock) for _ in range(chats)]
        self.writers = [
            ReplyWriter(chat, self.pacer, log=logging.getLogger("tests"), on_gone=self.gone.append)
            for chat in self.chats
        ]
        self.chat, self.writer = self.chats[0], self.writers[0]

    def open(self, message_id: str = "r", *, rewrite: bool = False) -> GrowingReply:
        return self.writer.open(ECHO, META, message_id=message_id, rewrite=rewrite)

    def body(self, message_id: str = "r") -> str:
        message = MemoryChat.get(self.chat, message_id)
        assert message is not None
        return message.body


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_first_text_is_written_at_once(desk: Desk) -> None:
    reply = desk.open()
    assert desk.chat.written == []
    desk.writer.append(reply, "Hel")
    [(time, [write])] = desk.chat.written
    assert time == desk.clock.now
    assert write == Insert("r", ECHO, "Hel", {**META, "state": "streaming"})


def test_what_follows_is_gathered_into_one_write(desk: Desk) -> None:
    reply = desk.open()
    for chunk in ("a", "b", "c", "d"):
        desk.writer.append(reply, chunk)
    assert desk.body() == "a"
    desk.clock.advance(0.25)
    assert desk.body() == "abcd"
    assert len(desk.chat.written) == 2


def test_the_end_is_written_at_once_and_leaves_no_timer(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.append(reply, "a")
    desk.writer.append(reply, "b")
    desk.writer.finish(reply, "done", usage={"n": 1})
    [message] = desk.chat.messages
    assert (message.body, message.state) == ("ab", "done")
    assert message.metadata == {**META, "state": "done", "usage": {"n": 1}}
    assert desk.clock.pending == 0
    assert desk.writer not in desk.pacer.writing


def test_a_complete_message_is_one_write(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.append(reply, "all of it", more=True)
    desk.writer.finish(reply, "done")
    assert [len(writes) for _, writes in desk.chat.written] == [1]
    assert desk.body() == "all of it"


def test_nothing_is_written_after_the_end(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.finish(reply, "stopped", note="*Stopped.*")
    desk.writer.append(reply, "late")
    desk.writer.finish(reply, "done")
    desk.clock.advance(5)
    assert [(m.body, m.state) for m in desk.chat.messages] == [("*Stopped.*", "stopped")]


def test_a_silent_reply_costs_nothing(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.append(reply, "a")
    desk.clock.advance(60)
    desk.writer.append(reply, "")
    desk.clock.advance(60)
    assert len(desk.chat.written) == 1
    desk.writer.append(reply, "b")
    desk.clock.advance(0.01)
    assert desk.body() == "ab"


def test_all_replies_of_a_chat_grow_in_one_transaction(desk: Desk) -> None:
    replies = [desk.open(f"r{n}") for n in range(5)]
    for text in "ab":
        for reply in replies:
            desk.writer.append(reply, text)
    desk.clock.advance(0.3)
    assert [len(writes) for _, writes in desk.chat.written] == [1, 1, 1, 1, 1, 5]


def test_a_chunk_reads_nothing_of_the_chat(desk: Desk) -> None:
    reply = desk.open()
    for n in range(1000):
        desk.writer.append(reply, "x")
        desk.clock.advance(0.01)
        if n == 1:
            desk.chat.reads = 0
    desk.writer.finish(reply, "done")
    assert desk.chat.reads == 0


def test_a_deleted_reply_is_noticed_and_the_others_go_on(desk: Desk) -> None:
    one, two = desk.open("one"), desk.open("two")
    desk.writer.append(one, "a")
    desk.writer.append(two, "a")
    desk.chat.delete("one")
    desk.writer.append(one, "b")
    desk.writer.append(two, "b")
    desk.clock.advance(0.3)
    assert desk.gone == [one]
    desk.writer.finish(one, "stopped", note="*Stopped.*")
    desk.writer.finish(two, "done")
    assert (desk.body("one"), desk.body("two")) == ("", "ab")
    assert len(desk.gone) == 1


def test_a_retry_empties_the_reply_at_once_and_writes_into_it(desk: Desk) -> None:
    desk.chat.apply([Insert("r", ECHO, "failed", {**META, "state": "failed"})])
    reply = desk.open(rewrite=True)
    assert desk.body() == ""
    desk.writer.append(reply, "bet")
    desk.writer.append(reply, "ter")
    desk.clock.advance(0.3)
    assert desk.body() == "better"
    desk.writer.finish(reply, "done")
    assert [(m.id, m.state) for m in desk.chat.messages] == [("r", "done")]


def test_a_restart_forgets_what_was_written(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.append(reply, "old text")
    desk.writer.restart(reply)
    desk.writer.append(reply, "new")
    desk.clock.advance(0.3)
    assert desk.body() == "new"
    desk.writer.finish(reply, "done")
    assert desk.body() == "new"


def test_a_note_is_a_paragraph_of_its_own(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.append(reply, "half a sen")
    desk.writer.finish(reply, "stopped", note="*Stopped by Ada.*")
    assert desk.body() == "half a sen\n\n*Stopped by Ada.*"


@pytest.mark.parametrize(
    ("body", "closing"),
    [
        ("text", ""),
        ("```python\nprint(", "```"),
        ("```python\nprint()\n```\nmore", ""),
        ("~~~~\n```\n", "~~~~"),
        ("- item\n  ```\n  code", "  ```"),
        ("1. ```\n   code", "   ```"),
        ("```\na\n```\n\n````md\n```\n", "````"),
        ("inline ``` code", ""),
    ],
)
def test_a_note_does_not_end_up_in_a_code_block(desk: Desk, body: str, closing: str) -> None:
    assert closing_fence(body) == closing
    reply = desk.open()
    desk.writer.append(reply, body)
    desk.writer.finish(reply, "stopped", note="*Stopped.*")
    assert desk.body() == "\n".join([body, *([closing] if closing else []), "", "*Stopped.*"])


def test_a_document_that_refuses_a_write_is_written_again(desk: Desk) -> None:
    reply = desk.open()
    desk.chat.refuse = 1
    desk.writer.append(reply, "a")
    assert desk.chat.messages == []
    desk.writer.append(reply, "b")
    desk.clock.advance(0.3)
    desk.writer.finish(reply, "done")
    assert [(m.body, m.state) for m in desk.chat.messages] == [("ab", "done")]
    assert desk.gone == []


def test_a_refused_end_is_written_again_without_anybody_asking(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.append(reply, "a")
    desk.writer.append(reply, "b")
    desk.chat.refuse = 2
    desk.writer.finish(reply, "done")
    assert desk.body() == "a"
    desk.clock.advance(1)
    assert [(m.body, m.state) for m in desk.chat.messages] == [("ab", "done")]
    assert desk.writer not in desk.pacer.writing
    assert desk.clock.pending == 0


def test_a_refused_flush_is_repeated_though_no_more_text_comes(desk: Desk) -> None:
    reply = desk.open()
    desk.writer.append(reply, "a")
    desk.writer.append(reply, "b")
    desk.chat.refuse = 1
    desk.clock.advance(1)
    assert desk.body() == "ab"


def test_a_document_that_refuses_for_ever_is_given_up(desk: Desk) -> None:
    reply = desk.open()
    desk.chat.refuse = 10**6
    desk.writer.append(reply, "a")
    desk.writer.finish(reply, "done")
    desk.clock.advance(60)
    assert desk.chat.refuse >= 10**6 - MAX_TRIES
    assert desk.writer not in desk.pacer.writing
    assert desk.clock.pending == 0


def test_first_texts_on_a_loaded_server_share_a_transaction_soon(desk: Desk) -> None:
    desk.pacer.stretch = 2.0
    replies = [desk.open(f"r{number}") for number in range(4)]
    for reply in replies:
        desk.writer.append(reply, "first")
    assert desk.chat.written == []
    desk.clock.advance(desk.pacer.policy.eager_interval)
    [(_, writes)] = desk.chat.written
    assert [write.id for write in writes if isinstance(write, Insert)] == ["r0", "r1", "r2", "r3"]


def test_a_first_text_does_not_wait_for_a_pause_that_has_begun(desk: Desk) -> None:
    desk.pacer.stretch = 3.0
    grows = desk.open("grows")
    desk.writer.append(grows, "x" * 300)
    desk.clock.advance(0.2)
    desk.writer.append(grows, "y")
    desk.chat.written.clear()
    began = desk.clock.now
    desk.writer.append(desk.open("new"), "first")
    desk.clock.advance(1)
    assert desk.chat.times[0] - began <= desk.pacer.policy.eager_interval
    assert {write.id for write in desk.chat.written[0][1]} == {"grows", "new"}


def test_what_ends_takes_short_texts_along(desk: Desk) -> None:
    one, two = desk.open("one"), desk.open("two")
    for reply in (one, two):
        desk.writer.append(reply, "a")
    desk.writer.append(two, "b")
    desk.chat.written.clear()
    desk.writer.finish(one, "done")
    [(_, writes)] = desk.chat.written
    assert [write.id for write in writes] == ["one", "two"]
    desk.clock.advance(1)
    assert len(desk.chat.written) == 1


def test_what_ends_does_not_write_what_else_grows(desk: Desk) -> None:
    long = desk.open("long")
    desk.writer.append(long, "x" * 50_000)
    desk.clock.advance(1)
    desk.chat.written.clear()
    for number in range(20):
        desk.writer.append(long, "y")
        short = desk.open(f"short {number}")
        desk.writer.append(short, "one line", more=True)
        desk.writer.finish(short, "done")
    assert desk.chat.chars == 20 * len("one line")
    desk.clock.advance(1)
    assert desk.body("long").endswith("y" * 20)


def test_a_chat_that_was_opened_anew_gets_what_it_lacks(desk: Desk) -> None:
    one, two = desk.open("one"), desk.open("two")
    desk.writer.append(one, "1")
    desk.writer.append(two, "2")
    other = WatchedChat(desk.clock)
    other.apply([Insert("one", ECHO, "1", META)])
    desk.writer.move_to(other)
    desk.writer.append(one, "1")
    desk.writer.finish(one, "done")
    desk.writer.finish(two, "done")
    assert {m.id: m.body for m in other.messages} == {"one": "11", "two": "2"}


# -- pacing -----------------------------------------------------------------------------------


def stream(desk: Desk, *, chars: int, chunk: int, every: float) -> list[float]:
    """Let a reply grow; return the pauses between its writes, in seconds."""
    reply = desk.open()
    for _ in range(chars // chunk):
        desk.writer.append(reply, "x" * chunk)
        desk.clock.advance(every)
    desk.writer.finish(reply, "done")
    assert desk.body() == "x" * (chars // chunk * chunk)
    return [b - a for a, b in zip(desk.chat.times, desk.chat.times[1:], strict=False)]


@pytest.mark.parametrize(
    ("chars", "chunk", "every"),
    [(12_000, 6, 0.01), (90_000, 50, 0.01), (2_000, 40, 0.2), (95_000, 5_000, 0.05)],
)
def test_text_flows_to_the_eye(desk: Desk, chars: int, chunk: int, every: float) -> None:
    pauses = stream(desk, chars=chars, chunk=chunk, every=every)
    assert max(pauses) <= max(0.25, every) + 0.02


def test_a_short_answer_does_not_hesitate(desk: Desk) -> None:
    pauses = stream(desk, chars=150, chunk=3, every=0.02)
    assert max(pauses) <= 0.12


@given(st.integers(1_000, 30_000), st.integers(1, 400), st.sampled_from([0.001, 0.01, 0.05]))
@settings(max_examples=30, deadline=None)
def test_what_is_written_is_bounded_by_time_and_by_bytes(
    chars: int, chunk: int, every: float
) -> None:
    desk = Desk()
    began = desk.clock.now
    stream(desk, chars=chars, chunk=chunk, every=every)
    seconds = desk.clock.now - began
    # Four flushes a second, ten while the body is short, each at most the whole body.
    eager = min(seconds, 200 / chunk * every)
    flushes = (seconds - eager) / 0.25 + eager / 0.1 + 3
    assert len(desk.chat.written) <= flushes
    assert desk.chat.chars <= chars * (flushes / 2 + 3)


def test_a_quick_reply_is_written_a_few_times_over(desk: Desk) -> None:
    stream(desk, chars=20_000, chunk=100, every=0.01)  # two seconds
    assert desk.chat.chars < 8 * 20_000


def test_bytes_are_bounded_however_long_a_body_grows(desk: Desk) -> None:
    began = desk.clock.now
    stream(desk, chars=500_000, chunk=500, every=0.02)
    seconds = desk.clock.now - began
    assert desk.chat.chars / seconds < 420_000


def test_a_busy_server_writes_less_often(desk: Desk) -> None:
    desk.busy = 0.2
    calm = len(stream(desk, chars=12_000, chunk=6, every=0.01))
    desk = Desk()
    desk.busy = 0.95
    loaded = stream(desk, chars=12_000, chunk=6, every=0.01)
    assert len(loaded) < calm / 3
    assert max(loaded) <= 2.1


def test_a_late_event_loop_is_given_time(desk: Desk) -> None:
    reply = desk.open()
    for _ in range(40):
        desk.writer.append(reply, "x" * 200)
        desk.clock.advance(0.5, late=0.4)
    desk.chat.written.clear()
    for _ in range(100):
        desk.writer.append(reply, "x")
        desk.clock.advance(0.05)
    pauses = [b - a for a, b in zip(desk.chat.times, desk.chat.times[1:], strict=False)]
    assert pauses[0] > 0.4


def test_chats_take_turns_and_slow_down_together() -> None:
    desk = Desk(chats=20)
    replies = [writer.open(ECHO, META) for writer in desk.writers]
    for _ in range(200):
        for writer, reply in zip(desk.writers, replies, strict=True):
            writer.append(reply, "xxxxx")
        desk.clock.advance(0.01)
    for writer, reply in zip(desk.writers, replies, strict=True):
        writer.finish(reply, "done")
    counts = [len(chat.written) for chat in desk.chats]
    assert max(counts) - min(counts) <= 2
    times = sorted(t for chat in desk.chats for t in chat.times[2:-1])
    crowded = max(sum(t <= other < t + 0.1 for other in times) for t in times)
    assert crowded <= 20


@pytest.mark.parametrize("chats", [1, 50, 200])
def test_however_many_chats_there_are_text_flows_unless_the_server_is_busy(chats: int) -> None:
    desk = Desk(chats=chats)
    replies = [writer.open(ECHO, META) for writer in desk.writers]
    for _ in range(300):
        for writer, reply in zip(desk.writers, replies, strict=True):
            writer.append(reply, "xxxxx")
        desk.clock.advance(0.01)
    pauses = [
        b - a for chat in desk.chats for a, b in zip(chat.times, chat.times[1:], strict=False)
    ]
    assert max(pauses) <= 0.36
    assert desk.pacer.slowdown == 1.0
    for writer, reply in zip(desk.writers, replies, strict=True):
        writer.finish(reply, "done")
    assert len(desk.pacer.writing) == 0


def test_a_loop_that_is_late_shows_in_the_slowdown(desk: Desk) -> None:
    reply = desk.open()
    assert desk.pacer.slowdown == 1.0
    desk.pacer.flushed(late=4.0, size=0)
    assert desk.pacer.slowdown == pytest.approx(3.6)
    desk.writer.finish(reply, "done")
    assert desk.pacer.slowdown == 1.0


@given(st.integers(0, 10**7), st.floats(1, 8), st.floats(0, 10), st.floats(0, 1), st.floats(1, 8))
def test_a_pause_is_never_too_short_nor_too_long(
    chars: int, stretch: float, lag: float, busy: float, before: float
) -> None:
    policy = Pacing()
    pause = policy.pause(chars=chars, stretch=stretch, lag=lag)
    assert policy.eager_interval <= pause <= policy.longest
    assert 1.0 <= policy.adapt(before, busy) <= policy.longest / policy.interval
