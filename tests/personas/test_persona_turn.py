"""A turn as its persona sees it: what it may write, how much, when, and from where."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.chat.history import HistoryEntry
from jupyter_ai_personas.errors import (
    AttachmentError,
    ModelError,
    NoModelError,
    NoTurnError,
    ReplyTooLongError,
    RequestRefusedError,
    TurnEndedError,
)
from jupyter_ai_personas.personas import PersonaContext, Turn, TurnSpec
from jupyter_ai_personas.personas.base import current_turn
from jupyter_ai_personas.personas.turn import MAX_MESSAGES, MAX_NOTES, chunk_text, reply_id
from jupyter_ai_personas.personas.wire import (
    MAX_OPEN_REQUESTS,
    MAX_REQUEST,
    HostEvent,
    MessageSent,
    ReplyClosed,
    ReplyOpened,
    ReplyRewritten,
    RequestWithdrawn,
    StatusChanged,
    TextDelta,
    TurnAnswer,
    TurnRequest,
    TurnRequested,
    plain_json,
)
from jupyter_ai_personas.text import Anew


def spec(**more: Any) -> TurnSpec:
    known: dict[str, Any] = {
        "turn_id": "t",
        "persona_id": "p",
        "persona_class": "m:C",
        "persona_name": "Echo",
        "chat_id": "c",
        "chat_path": "room.chat",
        "message": Message("m", "ada", "hi"),
        "speaker": "Ada",
    }
    return TurnSpec(**{**known, **more})


class Desk:
    """A turn, and what it said."""

    def __init__(self, **more: Any) -> None:
        self.said: list[HostEvent] = []
        self.turn = Turn(spec(**more), self.said.append)

    @property
    def types(self) -> list[type]:
        return [type(event) for event in self.said]

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.said if isinstance(e, ReplyOpened | TextDelta))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_complete_message_is_one_event_with_an_id_of_the_turn(desk: Desk) -> None:
    assert desk.turn.send("one") == reply_id("t", 1)
    assert desk.turn.send("two") == reply_id("t", 2)
    assert desk.said == [
        MessageSent("t", reply_id("t", 1), "one"),
        MessageSent("t", reply_id("t", 2), "two"),
    ]


def test_an_empty_message_is_not_posted(desk: Desk) -> None:
    desk.turn.send("")
    assert desk.said == []


@pytest.mark.parametrize("body", [None, 5, b"bytes", ["a"], AIMessageChunk(content="x")])
def test_only_strings_are_sent(desk: Desk, body: Any) -> None:
    with pytest.raises(TypeError, match=type(body).__name__):
        desk.turn.send(body)
    assert desk.said == []


# -- streams ----------------------------------------------------------------------------------


async def agen(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


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


# -- bounds -----------------------------------------------------------------------------------


async def test_a_turn_writes_so_many_characters_and_no_more() -> None:
    desk = Desk(max_reply_chars=10)
    desk.turn.send("12345")
    with pytest.raises(ReplyTooLongError, match="10 characters"):
        await desk.turn.stream(agen("67890", "1"))
    assert desk.text == "67890"
    with pytest.raises(ReplyTooLongError):
        desk.turn.send("x")


def test_a_turn_writes_so_many_messages_and_no_more(desk: Desk) -> None:
    for _ in range(MAX_MESSAGES):
        desk.turn.send("x")
    with pytest.raises(ReplyTooLongError) as caught:
        desk.turn.send("x")
    assert len(desk.said) == MAX_MESSAGES
    # Not the bound of characters, which the operator could raise.
    assert "wrote 50 messages, as many as one turn may" in str(caught.value)
    assert "max_reply_chars" not in str(caught.value)


def test_a_flood_of_statuses_and_usage_ends_somewhere(desk: Desk) -> None:
    for n in range(3 * MAX_NOTES):
        desk.turn.set_status(f"step {n}")
        desk.turn.record_usage({"n": n})
    assert len(desk.said) <= MAX_NOTES


def test_the_same_status_is_told_once(desk: Desk) -> None:
    for _ in range(3):
        desk.turn.set_status("reading")
    desk.turn.set_status(None)
    desk.turn.set_status("")
    assert desk.said == [StatusChanged("t", "reading"), StatusChanged("t", None)]


def test_a_status_is_one_short_line(desk: Desk) -> None:
    desk.turn.set_status("a\n\nb " + "x" * 1000)
    [event] = desk.said
    assert isinstance(event, StatusChanged)
    assert event.text is not None
    assert event.text.startswith("a b x")
    assert len(event.text) <= 200
    with pytest.raises(TypeError):
        desk.turn.set_status(5)  # type: ignore[arg-type]


# -- history ----------------------------------------------------------------------------------

LINES = tuple(HistoryEntry("Ada", False, f"line {n} " + "x" * 22) for n in range(6))


def lines(messages: list[Any]) -> list[str]:
    return [message.content[:6] for message in messages]


def test_a_persona_sees_the_operators_window_or_another_one() -> None:
    turn = Desk(history=LINES, history_messages=3).turn
    assert lines(turn.history()) == ["line 3", "line 4", "line 5"]
    assert lines(turn.history(max_messages=2)) == ["line 4", "line 5"]
    assert len(turn.history(max_messages=100)) == 6
    # A line has thirty bytes: ten tokens, and four for a message.
    assert lines(turn.history(max_tokens=20)) == ["line 4", "line 5"]
    assert lines(turn.history(max_tokens=0)) == ["line 5"]
    assert len(Desk(history=LINES, history_tokens=28).turn.history()) == 3
    assert len(Desk(history=LINES, history_tokens=28).turn.history(max_tokens=1000)) == 6


# -- the end ----------------------------------------------------------------------------------


async def test_nothing_is_written_after_the_end(desk: Desk) -> None:
    desk.turn.end()
    assert desk.turn.ended
    with pytest.raises(TurnEndedError):
        desk.turn.send("late")
    with pytest.raises(TurnEndedError):
        await desk.turn.stream(agen("late"))
    desk.turn.set_status("late")
    desk.turn.record_usage({"n": 1})
    assert desk.said == []


def test_a_thread_may_write(desk: Desk) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                desk.turn.send("x")
            desk.turn.set_status("busy")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    ids = [e.reply_id for e in desk.said if isinstance(e, MessageSent)]
    assert len(ids) == len(set(ids)) == 40


# -- asking the server ------------------------------------------------------------------------


async def begin(desk: Desk, waiting: Any) -> tuple[asyncio.Task[Any], TurnRequest]:
    """Begin to wait for a request and return it, with the task that waits."""
    before = len(desk.said)
    task = asyncio.ensure_future(waiting)
    await anyio.lowlevel.checkpoint()
    [event] = desk.said[before:]
    assert isinstance(event, TurnRequested)
    assert event.turn_id == "t"
    return task, event.request


async def test_a_request_is_plain_data_and_its_answer_is_returned(desk: Desk) -> None:
    arguments = {"path": "a.ipynb", "cells": ("x", "y")}
    task, request = await begin(desk, desk.turn.request("notebook.read", arguments))
    assert (request.kind, request.arguments) == (
        "notebook.read",
        {"path": "a.ipynb", "cells": ["x", "y"]},
    )
    desk.turn.answer(TurnAnswer(request.id, {"cells": []}))
    assert await task == {"cells": []}
    assert desk.types == [TurnRequested]


async def test_answers_find_their_requests_in_any_order(desk: Desk) -> None:
    begun = [await begin(desk, desk.turn.request(kind)) for kind in "abc"]
    for _, request in reversed(begun):
        desk.turn.answer(TurnAnswer(request.id, request.kind))
    assert [await task for task, _ in begun] == ["a", "b", "c"]


async def test_a_refusal_is_raised_with_its_text(desk: Desk) -> None:
    task, request = await begin(desk, desk.turn.request("notebook.read"))
    desk.turn.answer(TurnAnswer(request.id, error="Open it first."))
    with pytest.raises(RequestRefusedError, match=r"^Open it first\.$"):
        await task


async def test_a_late_or_second_answer_changes_nothing(desk: Desk) -> None:
    task, request = await begin(desk, desk.turn.request("x"))
    desk.turn.answer(TurnAnswer(request.id, 1))
    desk.turn.answer(TurnAnswer(request.id, 2))
    desk.turn.answer(TurnAnswer(request.id + 7, 3))
    assert await task == 1


async def test_the_end_of_the_turn_ends_its_requests(desk: Desk) -> None:
    task, request = await begin(desk, desk.turn.request("x"))
    desk.turn.end()
    with pytest.raises(TurnEndedError):
        await task
    with pytest.raises(TurnEndedError):
        await desk.turn.request("x")
    desk.turn.answer(TurnAnswer(request.id, "late"))
    assert desk.types == [TurnRequested]


async def test_a_request_that_nobody_waits_for_is_withdrawn(desk: Desk) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await desk.turn.request("x")
    [requested, withdrawn] = desk.said
    assert isinstance(requested, TurnRequested)
    assert withdrawn == RequestWithdrawn("t", requested.request.id)
    desk.turn.answer(TurnAnswer(requested.request.id, "late"))


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, float("nan"), b"x", Attachment("a", "b")], ids=lambda v: type(v)
)
async def test_arguments_are_json(desk: Desk, value: Any) -> None:
    with pytest.raises(TypeError, match="must be JSON"):
        await desk.turn.request("x", {"value": value})
    assert desk.said == []


async def test_arguments_have_a_bound(desk: Desk) -> None:
    with pytest.raises(RequestRefusedError, match="Ask for less"):
        await desk.turn.request("x", {"value": "x" * MAX_REQUEST})
    assert desk.said == []


async def test_so_many_requests_are_open_at_once_and_no_more(desk: Desk) -> None:
    begun = [await begin(desk, desk.turn.request("x")) for _ in range(MAX_OPEN_REQUESTS)]
    with pytest.raises(RequestRefusedError, match="Await some first"):
        await desk.turn.request("x")
    task, request = begun.pop()
    desk.turn.answer(TurnAnswer(request.id))
    await task
    begun.append(await begin(desk, desk.turn.request("x")))
    desk.turn.end()
    await asyncio.gather(*(task for task, _ in begun), return_exceptions=True)


async def test_a_loop_in_a_thread_may_ask(desk: Desk) -> None:
    thread = asyncio.ensure_future(asyncio.to_thread(asyncio.run, desk.turn.request("x")))
    with anyio.fail_after(60):
        while not desk.said:
            await anyio.lowlevel.checkpoint()
    [event] = desk.said
    assert isinstance(event, TurnRequested)
    desk.turn.answer(TurnAnswer(event.request.id, "answered"))
    assert await thread == "answered"


async def test_attachments_are_asked_for_before_the_persona_runs() -> None:
    message = Message("m", "ada", "see", attachments=("a",))
    desk = Desk(message=message)
    task, request = await begin(desk, desk.turn.load_attachments())
    assert request.kind == "attachments.list"
    book = Attachment("a", "book.ipynb", "notebook", cells=("c",))
    desk.turn.answer(TurnAnswer(request.id, plain_json([asdict(book)], most=1000)))
    await task
    assert desk.turn.attachments() == [book]
    assert await desk.turn.attachments() == [book]
    task, request = await begin(desk, desk.turn.load_attachments())
    desk.turn.answer(TurnAnswer(request.id, error="It lies elsewhere."))
    await task
    with pytest.raises(AttachmentError, match=r"It lies elsewhere\."):
        desk.turn.attachments()


async def test_a_message_without_attachments_asks_nobody(desk: Desk) -> None:
    await desk.turn.load_attachments()
    assert desk.turn.attachments() == []
    assert desk.said == []


# -- what a turn knows ------------------------------------------------------------------------


def test_a_turn_knows_its_message_and_its_chat() -> None:
    desk = Desk(model="fake:model", root_dir="/srv")
    turn = desk.turn
    assert (turn.id, turn.message.body, turn.speaker) == ("t", "hi", "Ada")
    assert (turn.chat_path, turn.model) == ("room.chat", "fake:model")
    assert str(turn.workspace_dir()) == "/srv"
    assert Desk().turn.workspace_dir() is None


def test_a_turn_without_a_model_says_why() -> None:
    with pytest.raises(NoModelError, match="`Echo` has no model"):
        _ = Desk().turn.model
    with pytest.raises(ModelError, match="unknown provider"):
        _ = Desk(model_problem="unknown provider").turn.model


def test_history_begins_with_the_system_prompt() -> None:
    history = (HistoryEntry("Ada", False, "hi"),)
    assert Desk(history=history, system_prompt="Be brief.").turn.history() == [
        SystemMessage("Be brief."),
        HumanMessage("hi"),
    ]


class Echo(BasePersona):
    defaults = PersonaDefaults(name="Echo")


def make_echo() -> Echo:
    return Echo(PersonaContext("p", logging.getLogger("tests")))


def test_a_persona_has_no_turn_outside_of_one() -> None:
    echo = make_echo()
    assert (echo.id, echo.name) == ("p", "Echo")
    with pytest.raises(NoTurnError):
        echo.send_message("x")


def test_a_persona_writes_to_the_turn_that_runs(desk: Desk) -> None:
    echo = make_echo()
    token = current_turn.set(desk.turn)
    try:
        echo.send_message("x")
        echo.set_status("busy")
    finally:
        current_turn.reset(token)
    assert desk.types == [MessageSent, StatusChanged]


def test_a_thread_of_its_own_finds_the_turn_if_there_is_but_one(desk: Desk) -> None:
    echo = make_echo()
    echo._turns.add(desk.turn)
    assert echo.turn is desk.turn
    echo._turns.add(Desk().turn)
    with pytest.raises(NoTurnError, match="thread"):
        _ = echo.turn


# -- chunks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x", "x"),
        ([], ""),
        (["a", {"type": "text", "text": "b"}], "ab"),
        ([{"type": "reasoning", "text": "hidden"}, {"type": "text", "text": "b"}], "b"),
        ([{"type": "text", "text": None}, {"type": "text"}, 5, None], ""),
    ],
)
def test_the_text_of_a_chunk_is_what_people_are_to_read(content: Any, text: str) -> None:
    class Chunk:
        def __init__(self) -> None:
            self.content = content

    assert chunk_text(Chunk()) == text


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)
    )
)
def test_a_chunk_is_text_or_a_type_error(content: Any) -> None:
    class Chunk:
        def __init__(self) -> None:
            self.content = content

    try:
        assert isinstance(chunk_text(Chunk()), str)
    except TypeError:
        assert not isinstance(content, str | list)
