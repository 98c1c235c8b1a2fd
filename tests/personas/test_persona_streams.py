"""Streams that a persona writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from langchain_core.messages import AIMessageChunk
from support.turns import Desk, agen

from jupyter_ai_personas.errors import (
    TurnEndedError,
)
from jupyter_ai_personas.personas.turn import reply_id
from jupyter_ai_personas.personas.wire import (
    MessageSent,
    ReplyClosed,
    ReplyOpened,
    ReplyRewritten,
    StatusChanged,
    TextDelta,
)
from jupyter_ai_personas.text import Anew


def gen(*items: Any) -> Iterator[Any]:
    yield from items


async def awaited(value: Any) -> Any:
    return value


class AsyncOnly:
    """An asynchronous iterator that is no generator, and cannot be closed."""

    def __init__(self, *items: Any) -> None:
        self.items = list(items)

    def __aiter__(self) -> AsyncOnly:
        return self

    async def __anext__(self) -> Any:
        if not self.items:
            raise StopAsyncIteration
        return self.items.pop(0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: agen("Hel", "lo"),
        lambda: AsyncOnly("Hel", "lo"),
        lambda: gen("Hel", "lo"),
        lambda: iter(["Hel", "lo"]),
        lambda: ["Hel", "", "lo"],
        lambda: "Hello",
        lambda: awaited(agen("Hel", "lo")),
        lambda: awaited(["Hel", "lo"]),
        lambda: agen(AIMessageChunk(content="Hel"), AIMessageChunk(content=""), "lo"),
        lambda: agen(AIMessageChunk(content=[{"type": "text", "text": "Hello"}])),
    ],
)
async def test_a_stream_of_any_kind_is_written(desk: Desk, make: Callable[[], Any]) -> None:
    assert await desk.turn.stream(make()) == reply_id("t", 1)
    assert desk.text == "Hello"
    assert desk.types[0] is ReplyOpened
    assert desk.types[-1] is ReplyClosed
    assert set(desk.types[1:-1]) <= {TextDelta}


@pytest.mark.parametrize("make", [lambda: agen(), lambda: [], lambda: "", lambda: agen("", "")])
async def test_a_stream_of_nothing_writes_nothing(desk: Desk, make: Callable[[], Any]) -> None:
    assert await desk.turn.stream(make()) is None
    assert desk.said == []


@pytest.mark.parametrize("chunks", [None, 5, object(), 2.5])
async def test_what_is_no_stream_is_refused(desk: Desk, chunks: Any) -> None:
    with pytest.raises(TypeError, match=type(chunks).__name__):
        await desk.turn.stream(chunks)


@pytest.mark.parametrize("chunk", [None, 5, b"x", {"text": "x"}])
async def test_a_chunk_of_a_wrong_kind_ends_the_stream(desk: Desk, chunk: Any) -> None:
    with pytest.raises(TypeError, match=type(chunk).__name__):
        await desk.turn.stream(agen("Hel", chunk, "lo"))
    assert desk.text == "Hel"


async def test_a_stream_may_begin_anew(desk: Desk) -> None:
    await desk.turn.stream(agen("let me ", "see", Anew(""), "42"))
    reply = reply_id("t", 1)
    assert desk.said == [
        ReplyOpened("t", reply, "let me "),
        TextDelta("t", reply, "see"),
        ReplyRewritten("t", reply, ""),
        TextDelta("t", reply, "42"),
        ReplyClosed("t", reply),
    ]


async def test_a_stream_that_has_not_begun_has_nothing_to_take_back(desk: Desk) -> None:
    await desk.turn.stream(agen(Anew(""), Anew("4"), "2"))
    assert desk.types == [ReplyOpened, TextDelta, ReplyClosed]
    assert desk.text == "42"


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["\ud83d", "", "\ude00"], "😀"),
        (["caf\udce9"], "caf\ufffd"),
        (["a", "\ud83d"], "a\ufffd"),
        (["\ud83d"], "\ufffd"),
    ],
)
async def test_text_that_is_none_does_not_leave_the_turn(
    desk: Desk, chunks: list[str], text: str
) -> None:
    await desk.turn.stream(agen(*chunks))
    assert desk.text == text
    whole = Desk()
    whole.turn.send("".join(chunks))
    assert whole.said == [MessageSent("t", reply_id("t", 1), text)]
    whole.turn.set_status("".join(chunks))
    assert whole.said[-1] == StatusChanged("t", text)


async def test_the_source_is_closed_when_the_turn_ends_underneath(desk: Desk) -> None:
    closed = []

    async def source() -> AsyncIterator[str]:
        try:
            yield "one"
            desk.turn.end()
            yield "two"
        finally:
            await anyio.lowlevel.checkpoint()
            closed.append(True)

    with pytest.raises(TurnEndedError):
        await desk.turn.stream(source())
    assert closed == [True]
    assert desk.text == "one"


async def test_the_source_is_closed_when_the_turn_is_cancelled(desk: Desk) -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[str]:
        try:
            yield "one"
            await anyio.sleep_forever()
        finally:
            await anyio.lowlevel.checkpoint()
            closed.set()

    task = asyncio.get_running_loop().create_task(desk.turn.stream(source()))
    while not desk.said:
        await anyio.lowlevel.checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_an_error_of_the_source_reaches_the_persona(desk: Desk) -> None:
    async def source() -> AsyncIterator[str]:
        yield "one"
        raise ValueError("vendor")

    with pytest.raises(ValueError, match="vendor"):
        await desk.turn.stream(source())
    assert desk.types == [ReplyOpened]


def for_a_minute() -> Iterator[str]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        yield "x"


async def async_for_a_minute() -> AsyncIterator[str]:
    for text in for_a_minute():
        yield text


@pytest.mark.parametrize("endless", [for_a_minute, async_for_a_minute])
async def test_a_stream_that_never_suspends_lets_others_run(
    endless: Callable[[], Any],
) -> None:
    desk = Desk(max_reply_chars=10**9)
    ended = False

    async def stream() -> None:
        nonlocal ended
        await desk.turn.stream(endless())
        ended = True

    async with anyio.create_task_group() as group:
        group.start_soon(stream)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        assert not ended, "it held the loop for all its time"
        group.cancel_scope.cancel()
    assert desk.said
    assert not ended
