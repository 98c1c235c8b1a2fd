"""Replies as shared texts: for whom, what is written, and what becomes of it when that changes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pycrdt import Doc, Text
from support.live_stage import ECHO, LIVE, META, LiveStage
from support.stages import LOG

from jupyter_ai_personas.chat import Insert
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.chat.protocol import Update


@pytest.fixture
async def live() -> LiveStage:
    return LiveStage()


# -- for whom ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], True),
        ([LIVE], True),
        ([LIVE, LIVE], True),
        ([{"jupyter_ai_personas": {"live": 1, "notebook": "a.ipynb", "cell": "c"}}], True),
        ([{}], False),
        ([LIVE, {}], False),
        ([{"jupyter_ai_personas": {}}], False),
        ([{"jupyter_ai_personas": {"live": 0}}], False),
        ([{"jupyter_ai_personas": {"live": 2}}], False),
        ([{"jupyter_ai_personas": {"live": "1"}}], False),
        ([{"jupyter_ai_personas": "live"}], False),
        ([{"jupyter_ai_personas": None}], False),
    ],
)
async def test_bodies_are_live_while_every_client_announces_it(
    live: LiveStage, states: list[dict[str, Any]], expected: bool
) -> None:
    for state in states:
        live.join(state)
    live.open("r", "Hel")
    assert live.chat.shows_live is live.is_live() is expected


async def test_the_servers_own_state_counts_for_nobody(live: LiveStage) -> None:
    live.awareness.set_local_state({"writers": []})
    live.join()
    assert live.chat.shows_live


async def test_a_connection_without_a_state_does_not_show_live_bodies(live: LiveStage) -> None:
    live.join()
    live.connected = 1
    assert live.chat.shows_live
    live.connected = 2
    assert not live.chat.shows_live


async def test_a_chat_without_awareness_shows_no_live_bodies() -> None:
    from jupyterlab_chat.ychat import YChat

    chat = DocumentChat(YChat(Doc()), log=LOG)
    assert not chat.shows_live


# -- what is written --------------------------------------------------------------------------


async def test_a_live_reply_is_written_by_what_is_new_and_ends_as_a_string(live: LiveStage) -> None:
    ada = live.join()
    reply = live.open("r", "é" * 5_000, "🎉")
    assert live.is_live()
    live.sent.clear()
    live.clock.advance(1)
    live.writer.append(reply, "ü")
    live.clock.advance(1)
    assert len(live.sent) == 2
    assert max(live.sent) < 100
    live.writer.finish(reply, "done")
    body = "é" * 5_000 + "🎉ü"
    assert live.raw() == body
    assert [(m["body"], m["metadata"]) for m in ada.read()] == [
        (body, {"jupyter_ai_personas": {**META, "state": "done"}})
    ]
    assert len(live.sent) == 3


async def test_all_live_replies_of_a_chat_grow_in_one_transaction(live: LiveStage) -> None:
    live.join()
    replies = [live.open(id_, "x" * 300) for id_ in "abc"]
    live.clock.advance(1)
    live.sent.clear()
    for reply in replies:
        live.writer.append(reply, "y")
    live.clock.advance(1)
    assert len(live.sent) == 1
    assert [m["body"] for m in live.other.read()] == ["x" * 300 + "y"] * 3


async def test_the_length_of_a_live_reply_does_not_slow_it_down(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "x" * 400_000)
    live.clock.advance(2)
    live.sent.clear()
    for _ in range(10):
        live.writer.append(reply, "y")
        live.clock.advance(0.1)
    assert len(live.sent) == 4


async def test_a_reply_that_waits_for_a_person_stays_live(live: LiveStage) -> None:
    ada = live.join()
    reply = live.open("r", "May ")
    live.writer.append(reply, "I?")
    live.writer.wait(reply, True)
    assert live.is_live()
    [message] = ada.read()
    assert message["body"] == "May I?"
    assert message["metadata"]["jupyter_ai_personas"]["state"] == "waiting"
    live.writer.wait(reply, False)
    assert live.is_live()
    assert live.seen[0].state == "streaming"


async def test_a_reply_that_begins_anew_is_live_again(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one")
    live.writer.restart(reply)
    assert live.seen[0].body == ""
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.is_live()
    assert live.seen[0].body == "two"


@pytest.mark.parametrize("state", ["done", "stopped", "failed", "interrupted"])
async def test_a_final_state_leaves_a_plain_string(live: LiveStage, state: str) -> None:
    live.join()
    live.open("r", "so far")
    live.chat.apply([Update("r", metadata={**META, "state": state})])
    assert live.raw() == "so far"


# -- when clients come and go -----------------------------------------------------------------


async def test_a_reply_goes_on_as_strings_when_a_client_joins_that_shows_no_other(
    live: LiveStage,
) -> None:
    live.join()
    reply = live.open("r", "one ")
    live.clock.advance(1)
    stock = live.join(None)
    live.clock.advance(0)
    assert live.raw() == "one "  # without waiting for more text
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.raw() == "one two"
    assert stock.read()[0]["body"] == "one two"


async def test_a_reply_goes_on_as_strings_when_a_client_stops_announcing(live: LiveStage) -> None:
    ada = live.join()
    live.open("r", "one ")
    ada.announce({"user": {"username": "ada"}})
    live.clock.advance(0)
    assert live.raw() == "one "


async def test_a_reply_is_live_again_when_the_last_client_without_support_leaves(
    live: LiveStage,
) -> None:
    live.join()
    stock = live.join(None)
    reply = live.open("r", "one ")
    assert not live.is_live()
    stock.leave()
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.is_live()
    assert live.seen[0].body == "one two"


async def test_finished_replies_are_not_written_again_when_a_client_joins(live: LiveStage) -> None:
    live.join()
    live.writer.finish(live.open("r", "one"), "done")
    live.sent.clear()
    live.join(None)
    live.clock.advance(1)
    assert live.sent == []


# -- what others do meanwhile -----------------------------------------------------------------


async def test_what_others_type_into_a_live_body_goes_with_the_next_text(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    with live.other.writing():
        text = live.other.messages[0]["body"]
        text.insert(0, "zero ")
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.seen[0].body == "one two"
    live.writer.append(reply, " three")
    live.clock.advance(1)
    assert live.is_live()
    assert live.seen[0].body == "one two three"


async def test_an_edit_of_a_live_reply_goes_with_the_next_text(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    live.edit("r", "theirs")
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.seen[0].body == "one two"


async def test_a_live_reply_that_is_deleted_stays_deleted(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    live.delete("r")
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.gone == [reply]
    live.writer.finish(reply, "stopped")
    [message] = live.seen
    assert (message.body, message.deleted) == ("", True)


async def test_a_reload_of_the_file_keeps_a_live_reply_whole(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    saved = live.ychat.get()
    assert json.loads(saved)["messages"][0]["body"] == "one "
    live.writer.append(reply, "two ")
    live.clock.advance(1)
    live.ychat.set(saved)
    live.writer.append(reply, "three")
    live.clock.advance(1)
    assert live.seen[0].body == "one two three"


async def test_a_copy_that_a_browser_brings_back_makes_no_live_body_final(live: LiveStage) -> None:
    """A tab that stayed open while the server restarted brings its live body."""
    final = {**META, "state": "interrupted"}
    live.chat.apply([Insert("r", ECHO, "one two\n\nInterrupted.", final)])
    entry = live.other.entry(
        Text("one two three"),
        sender=ECHO,
        id="r",
        raw_time=False,
        metadata={"jupyter_ai_personas": {**META, "state": "streaming"}},
    )
    from pycrdt import Map

    with live.other.writing():
        live.other.messages.insert(0, Map(entry))
    await asyncio.sleep(0)
    [message] = live.seen
    assert message.state == "interrupted"
    assert live.raw() == "one two\n\nInterrupted."


# -- what it costs ----------------------------------------------------------------------------


async def test_a_flush_costs_its_text_and_what_the_protocol_adds_to_a_transaction(
    live: LiveStage,
) -> None:
    """Two ids of the document and two clocks: nothing of it grows with the reply or its readers."""
    for _ in range(5):
        live.join()
    reply = live.open("r", "x" * 20_000)
    for _ in range(100):
        before = len(live.sent)
        for _ in range(25):
            live.writer.append(reply, "1234 ")
        live.clock.advance(0.25)
        [size] = live.sent[before:]
        assert 125 < size <= 125 + 28
    live.writer.finish(reply, "done")
    assert live.sent[-1] < reply.chars + 300
