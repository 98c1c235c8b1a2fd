"""A turn as its persona sees it: what it may write, how much, when, and from where."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from support.turns import Desk, agen

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat.history import HistoryEntry
from jupyter_ai_personas.errors import (
    ModelError,
    NoModelError,
    NoTurnError,
    ReplyTooLongError,
    TurnEndedError,
)
from jupyter_ai_personas.personas import PersonaContext
from jupyter_ai_personas.personas.base import current_turn
from jupyter_ai_personas.personas.chunks import chunk_text
from jupyter_ai_personas.personas.turn import MAX_MESSAGES, MAX_NOTES, reply_id
from jupyter_ai_personas.personas.wire import (
    MessageSent,
    StatusChanged,
)


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
        thread.join(10)
    assert errors == []
    ids = [e.reply_id for e in desk.said if isinstance(e, MessageSent)]
    assert len(ids) == len(set(ids)) == 40


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
