"""What the collaborative document adds: clients that move, re-stamp, reload, and write anything."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Awareness, Doc, Map, Text
from support.clock import is_linear
from support.stages import LOG, DocumentStage, settle

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    Append,
    Insert,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Restore,
    Update,
    User,
    changes,
    decode_message,
)
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.chat.messages import RECENT, decode_attachment, decode_user

ECHO = PERSONA_PREFIX + "acme::Echo"
STREAMING = {"reply_to": "q", "turn": "t", "state": "streaming"}
DONE = {"reply_to": "q", "turn": "t", "state": "done"}


@pytest.fixture
async def stage() -> DocumentStage:
    stage = DocumentStage()
    stage.subscribe()
    return stage


def bodies(stage: DocumentStage) -> list[str]:
    return [m.body for m in stage.chat.before(None, 1000)]


def in_document(stage: DocumentStage) -> list[str]:
    return [m["body"] for m in stage.ychat.ymessages.to_py() or []]


# -- clocks and re-stamping -------------------------------------------------------------------


async def test_a_message_that_is_restamped_and_moved_is_told_once(stage: DocumentStage) -> None:
    stage.post("first")
    await settle()
    stage.other.post("from the past", at=0, time=time.time() - 3600)
    await settle()
    assert [type(e) for e in stage.events] == [MessagePosted, MessagePosted]
    assert bodies(stage) == in_document(stage) == ["first", "from the past"]


async def test_the_library_converts_no_messages_to_stamp_one(
    stage: DocumentStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.other.post("old", time=1.0, raw_time=False)
    converted: list[None] = []
    monkeypatch.setattr(stage.ychat, "_get_messages", lambda: converted.append(None))
    stage.other.post("new", time=2.0)
    await settle()
    _, new = stage.ychat.ymessages.to_py()
    assert not converted
    assert new["raw_time"] is False
    assert new["time"] > time.time() - 60


async def test_two_offline_messages_with_skewed_clocks_both_survive(stage: DocumentStage) -> None:
    stage.post("shared", sender="bob")
    await settle()
    with stage.other.writing():
        one = stage.other.post("one", at=0, time=time.time() - 3600)
        two = stage.other.post("two", at=1, time=time.time() + 3600)
    await settle()
    assert bodies(stage) == in_document(stage) == ["shared", "one", "two"]
    assert [m.id for m in stage.seen].count(one) == [m.id for m in stage.seen].count(two) == 1
    assert [type(e) for e in stage.events] == [MessagePosted] * 3
    assert {e.message.body for e in stage.events} == {"one", "two", "shared"}
    stage.edit(one, "one, edited")  # it is still a map, which the library does not leave
    assert bodies(stage) == in_document(stage) == ["shared", "one, edited", "two"]


async def test_a_message_is_not_moved_before_one_that_claims_to_be_of_the_future(
    stage: DocumentStage,
) -> None:
    stage.other.post("of tomorrow", time=time.time() + 86_400, raw_time=False)
    stage.post("now")
    await settle()
    assert in_document(stage) == ["of tomorrow", "now"]


async def test_many_messages_at_once_are_stamped_in_one_transaction(stage: DocumentStage) -> None:
    stage.post("before")
    await settle()
    with stage.other.writing(), stage.other.doc.transaction():
        for number in range(500):
            stage.other.post(f"{number}", at=number, time=1.0)
    written: list[object] = []
    subscription = stage.ychat.ydoc.observe(written.append)
    await settle()
    stage.ychat.ydoc.unobserve(subscription)
    assert len(written) == 1
    assert in_document(stage) == bodies(stage) == ["before", *map(str, range(500))]
    assert all(m["raw_time"] is False and m["time"] > 1 for m in stage.other.read())


async def test_what_a_client_brings_back_keeps_its_time_and_its_place() -> None:
    stage = DocumentStage()
    stage.subscribe()
    stage.other.post("one", id="one", time=5.0, raw_time=False)
    stage.other.post("two", time=6.0, raw_time=False)
    await settle()
    with stage.other.writing(), stage.other.doc.transaction():
        del stage.other.messages[0]
        stage.other.post("one", at=0, id="one", time=1e9)
    await settle()
    assert [(m["body"], m["time"], m["raw_time"]) for m in stage.other.read()] == [
        ("one", 5.0, False),
        ("two", 6.0, False),
    ]
    assert [type(e) for e in stage.events] == [MessagePosted] * 2


async def test_what_is_dropped_of_what_came_before_the_chat_was_observed_is_put_back() -> None:
    stage = DocumentStage()
    stage.post("shared", sender="bob")
    await settle()
    with stage.other.writing():
        for number in range(3):
            stage.other.post(f"offline {number}", at=number, time=time.time() - 3600)
    stage.subscribe()  # the library has not re-stamped them yet
    await settle()
    await settle()
    assert sorted(in_document(stage)) == ["offline 0", "offline 1", "offline 2", "shared"]
    assert sorted(bodies(stage)) == sorted(in_document(stage))
    assert stage.events == []


async def test_copies_that_a_crash_left_are_made_one() -> None:
    stage = DocumentStage()
    raw = {"id": "m", "sender": "ada", "body": "once", "time": 1.0, "raw_time": False}
    stage.ychat.ymessages.extend([Map(raw), Map({**raw, "id": "n"}), Map(raw)])
    stage.subscribe()
    await settle()
    assert [m["id"] for m in stage.other.read()] == [m.id for m in stage.seen] == ["m", "n"]


async def test_a_message_is_given_as_it_is_now(stage: DocumentStage) -> None:
    id_ = stage.post("one")
    await settle()
    stage.edit(id_, "two")
    raw = stage.chat.raw(id_)
    assert raw is not None
    assert raw["body"] == "two"
    assert raw["raw_time"] is False


async def test_stamping_hits_who_was_posted_however_many_are_put_back_before_it() -> None:
    stage = DocumentStage()
    with stage.other.writing():
        for number in range(2 * RECENT):
            stage.other.post(f"old {number}", raw_time=False, time=float(number))
    old = in_document(stage)
    stage.subscribe()
    await settle()
    with stage.other.writing():
        for number in range(2):
            stage.other.post(f"new {number}", time=5e3 + number)
    # Put back before them: at their old places are now messages that are not kept decoded, since
    # more were put back than are.
    lost = [
        {"id": f"lost {number}", "sender": "ada", "body": f"lost {number}", "time": time_}
        for number, time_ in enumerate([300.5] * 150 + [450.5] * 150)
    ]
    stage.chat.apply([Restore(raw) for raw in lost])
    await settle()
    there = in_document(stage)
    assert len(there) == len(set(there))
    assert set(there) == {*old, "new 0", "new 1", *(str(raw["body"]) for raw in lost)}
    assert there[-2:] == ["new 0", "new 1"]
    assert all(m["raw_time"] is False for m in stage.other.read()[-2:])
    stage.chat.close()
    assert "_schedule_callback" not in vars(stage.ychat)


async def test_a_change_of_a_replys_state_is_told(stage: DocumentStage) -> None:
    stage.subscribe()
    reply = Insert("r", "jupyter-ai-personas::p::P", "so far", {"state": "interrupted"})
    stage.chat.apply([reply])
    stage.other.change("r", metadata={"jupyter_ai_personas": {"state": "streaming"}})
    [event] = stage.events
    assert isinstance(event, MessageEdited)
    assert event.message.state == "streaming"


async def test_more_messages_than_are_kept_decoded_survive_their_restamping() -> None:
    stage = DocumentStage()
    with stage.other.writing():
        for number in range(RECENT + 44):
            stage.other.post(f"old {number}", raw_time=False, time=float(number))
    stage.subscribe()
    with stage.other.writing():
        new = [stage.other.post(f"new {number}", time=5e3 + number) for number in range(3)]
    await settle()
    there = [raw["id"] for raw in stage.other.read()]
    assert set(new) <= set(there)
    assert len(there) == len(set(there)) == RECENT + 47


async def test_what_somebody_removes_is_removed(stage: DocumentStage) -> None:
    id_ = stage.post("kept")
    await settle()
    del stage.ychat.ymessages[0]
    await settle()
    assert in_document(stage) == []
    assert stage.chat.get(id_) is None
    assert isinstance(stage.events[-1], MessageDeleted)
    assert stage.events[-1].message.body == "kept"


async def test_a_copy_of_a_message_is_no_second_message(stage: DocumentStage) -> None:
    id_ = stage.post("once")
    await settle()
    stage.other.post("once", id=id_)
    await settle()
    assert [type(e) for e in stage.events] == [MessagePosted]
    assert in_document(stage) == ["once"]
    assert stage.chat.get(id_) is not None


async def test_a_copy_from_before_or_after_an_edit_is_no_second_message(
    stage: DocumentStage,
) -> None:
    stage.post("first")
    id_ = stage.post("asked")
    stage.post("last")
    await settle()
    stage.events.clear()
    raw = next(m for m in stage.other.read() if m["id"] == id_)
    edited = Map({**raw, "body": "asked, please", "edited": True})
    with stage.other.writing():
        stage.other.messages.insert(0, edited)
    await settle()
    assert bodies(stage) == in_document(stage) == ["first", "asked, please", "last"]
    [event] = stage.events
    assert isinstance(event, MessageEdited)
    assert event.message.body == "asked, please"
    with stage.other.writing():
        stage.other.messages.append(Map(raw))  # another tab still has it as it was
    await settle()
    assert bodies(stage) == in_document(stage) == ["first", "asked, please", "last"]
    assert len(stage.events) == 1
    late = Map({**raw, "deleted": True, "body": ""})
    with stage.other.writing():
        stage.other.messages.append(late)
    await settle()
    assert in_document(stage) == ["first", "", "last"]
    assert isinstance(stage.events[-1], MessageDeleted)


@pytest.mark.parametrize("now", [{"body": "", "deleted": True}, {"body": "b", "edited": True}])
async def test_an_old_copy_does_not_undo_what_became_of_a_message(now: dict[str, Any]) -> None:
    stage = DocumentStage()
    raw = {"id": "q", "sender": "ada", "body": "a", "time": 1.0, "raw_time": False}
    stage.ychat.ymessages.append(Map({**raw, **now}))
    stage.subscribe()
    await settle()
    with stage.other.writing():
        stage.other.messages.append(Map(raw))
    await settle()
    assert stage.events == []
    assert stage.other.read() == [{**raw, **now}]


async def test_different_messages_with_one_id_are_left_alone(stage: DocumentStage) -> None:
    stage.other.post("one", id="m", time=1.0)
    stage.other.post("other", id="m", time=2.0)
    stage.other.post("hers", id="m", time=2.0, sender="bob")
    stage.other.post("timeless", id="n", time=None)
    stage.other.post("another", id="n", time=None)
    await settle()
    assert in_document(stage) == ["one", "other", "hers", "timeless", "another"]
    assert [e.message.body for e in stage.events] == ["one", "timeless"]
    stage.other.post("one", id="m", time=1.0)  # a copy of the first, whatever else has its id
    await settle()
    assert in_document(stage) == ["one", "other", "hers", "timeless", "another"]


async def test_a_second_message_under_an_id_of_ones_own_stays_another() -> None:
    stage = DocumentStage()
    stage.subscribe()
    stage.other.post("one, which is long", id="m")
    await settle()
    stage.edit("m", "one, edited")
    stage.other.post("two", id="m")
    await settle()
    assert in_document(stage) == ["one, edited", "two"]
    first, second = stage.other.read()
    assert first["time"] != second["time"]
    stage.chat.close()
    again = DocumentChat(stage.ychat, log=LOG)
    again.subscribe(lambda event: None)  # looks for copies that a crash left
    await settle()
    assert in_document(stage) == ["one, edited", "two"]


async def test_what_grows_is_not_overwritten_by_a_copy_that_a_browser_holds(
    stage: DocumentStage,
) -> None:
    stage.chat.apply([Insert("r", ECHO, "anew", STREAMING)])
    old = {"id": "r", "sender": ECHO, "body": "much more than that", "time": 1.0}
    metadata = {"jupyter_ai_personas": {**STREAMING, "state": "interrupted"}}
    with stage.other.writing():
        stage.other.messages.insert(0, Map({**old, "raw_time": False, "metadata": metadata}))
    await settle()
    assert in_document(stage) == ["anew"]
    stage.chat.apply([Update("r", "anew, and done", DONE)])
    assert [(m.body, m.state) for m in stage.seen] == [("anew, and done", "done")]
    assert stage.other.read()[0]["metadata"]["jupyter_ai_personas"] == DONE


async def test_thousands_of_copies_cost_no_more_than_they_are() -> None:
    def work(count: int) -> None:
        stage = DocumentStage()
        stage.other.leave()
        stage.ychat.unobserve()
        stage.subscribe()
        scheduled: list[Any] = []
        stage.chat._schedule = lambda *call: scheduled.append(call)  # type: ignore[attr-defined]
        fields = {"sender": "ada", "body": "x", "time": 1.0, "raw_time": False}
        for _ in range(2):
            stage.ychat.ymessages.extend(Map({**fields, "id": f"{n}"}) for n in range(count))
        [(callback, *arguments)] = scheduled
        callback(*arguments)
        assert len(stage.ychat.ymessages) == count

    assert is_linear(work, 1_000)


async def test_own_replies_are_not_restamped(stage: DocumentStage) -> None:
    stage.other.post("later", time=time.time() + 3600, raw_time=False)
    await settle()
    stage.chat.apply([Insert("r", ECHO, "reply", STREAMING)])
    await settle()
    assert in_document(stage) == ["later", "reply"]
    assert stage.ychat.ymessages.to_py()[1]["raw_time"] is False


async def test_a_message_that_came_back_as_a_plain_dict_is_written_and_observed(
    stage: DocumentStage,
) -> None:
    stage.post("question")
    await settle()
    stage.ychat.ymessages.append(
        {"id": "r", "sender": ECHO, "body": "a", "time": 1.0, "raw_time": False}
    )
    await settle()
    assert stage.chat.get("r") is not None
    assert stage.chat.apply([Update("r", "ab", DONE)]) == []
    assert [m.body for m in stage.seen] == ["question", "ab"]
    assert stage.chat.apply([Update("r", "abc")]) == []
    assert bodies(stage) == ["question", "abc"]


# -- live bodies ------------------------------------------------------------------------------


def bytes_sent(stage: DocumentStage, work: Callable[[], object]) -> list[int]:
    """The size of each transaction that ``work`` makes."""
    sent: list[int] = []
    subscription = stage.ychat.ydoc.observe(lambda event: sent.append(len(event.update)))
    work()
    stage.ychat.ydoc.unobserve(subscription)
    return sent


@pytest.mark.parametrize("live", [False, True])
async def test_a_live_body_grows_by_what_is_new(stage: DocumentStage, live: bool) -> None:
    body = "x" * 10_000
    stage.chat.apply([Insert("r", ECHO, body, STREAMING, live=live)])
    [sent] = bytes_sent(stage, lambda: stage.chat.apply([Append("r", "y")]))
    assert (sent < 100) is live
    [sent] = bytes_sent(stage, lambda: stage.chat.apply([Update("r", body + "y!", DONE)]))
    assert sent > len(body)
    assert stage.ychat.ymessages[0]["body"] == body + "y!"  # a Text equals no string
    assert in_document(stage) == [body + "y!"]


async def test_a_live_body_is_saved_as_a_string(stage: DocumentStage) -> None:
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING, live=True), Append("r", "b")])
    assert json.loads(stage.ychat.get())["messages"][0]["body"] == "ab"


async def test_a_reply_grows_on_where_somebody_replaced_its_live_body(
    stage: DocumentStage,
) -> None:
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING, live=True)])
    stage.ychat.set(stage.ychat.get())  # the library loads strings
    assert stage.chat.apply([Append("r", "b")]) == []
    stage.other.change("r", body="theirs, ")
    assert stage.chat.apply([Append("r", "ours")]) == []
    assert in_document(stage) == bodies(stage) == ["theirs, ours"]


async def test_what_others_type_into_a_live_body_is_told(stage: DocumentStage) -> None:
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING, live=True)])
    with stage.other.writing():
        text = stage.other.messages[0]["body"]
        text += "b"
    assert [(type(e), e.message.body) for e in stage.events] == [(MessageEdited, "ab")]
    assert stage.chat.apply([Append("r", "c")]) == []
    assert in_document(stage) == bodies(stage) == ["abc"]


# -- reload -----------------------------------------------------------------------------------


async def test_a_reload_of_the_same_file_is_no_event(stage: DocumentStage) -> None:
    for n in range(3):
        stage.post(str(n))
    stage.chat.apply([Insert("r", ECHO, "reply", DONE)])
    await settle()
    stage.events.clear()
    stage.ychat.set(stage.ychat.get())
    await settle()
    assert stage.events == []
    assert bodies(stage) == in_document(stage) == ["0", "1", "2", "reply"]


async def test_a_reload_tells_what_the_file_changed_and_added(stage: DocumentStage) -> None:
    old = stage.post("old")
    await settle()
    stage.events.clear()
    content = json.loads(stage.ychat.get())
    content["messages"][0]["body"] = "changed"
    content["messages"].append({"id": "new", "sender": "bob", "body": "new", "time": 1.0})
    stage.ychat.set(json.dumps(content))
    await settle()
    told = {type(e): e.message.id for e in stage.events}
    assert told == {MessageEdited: old, MessagePosted: "new"}


async def test_a_reply_grows_on_after_a_reload(stage: DocumentStage) -> None:
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING)])
    stage.ychat.set(stage.ychat.get())
    await settle()
    assert stage.chat.apply([Update("r", "ab")]) == []
    assert [m.body for m in stage.seen] == ["ab"]


async def test_a_reply_that_a_reload_lost_is_told_as_deleted() -> None:
    stage = DocumentStage()
    saved = stage.ychat.get()
    stage.subscribe()
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING)])
    stage.ychat.set(saved)
    await settle()
    assert [type(e) for e in stage.events] == [MessageDeleted]
    assert stage.chat.apply([Update("r", "ab")]) == ["r"]
    assert in_document(stage) == []


# -- anything may be written ------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = [
    *("id", "sender", "body", "time", "raw_time", "type", "mentions", "attachments"),
    *("metadata", "deleted", "edited", "mime_model"),
]
messages = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, json_values)) | json_values


@given(messages)
def test_a_message_is_decoded_from_anything(raw: Any) -> None:
    message = decode_message(raw)
    if message is not None:
        assert message.id
        assert message.sender
        assert message.state is None or isinstance(message.state, str)
        assert hash(message)


@given(json_values, json_values)
def test_users_and_attachments_are_decoded_from_anything(raw: Any, fields: Any) -> None:
    assert decode_user("ada", raw).shown_name
    attachment = decode_attachment("a", {"value": "p", "cells": raw, "mimetype": fields})
    assert attachment is not None
    assert all(isinstance(cell, str) for cell in attachment.cells)
    assert decode_attachment("a", raw) is None or isinstance(raw, dict)


@settings(max_examples=50, deadline=None)
@given(st.lists(messages, max_size=6), messages)
async def test_a_chat_file_with_anything_in_it_is_read(history: list[Any], late: Any) -> None:
    stage = DocumentStage()
    stage.ychat.dirty = True  # the library itself refuses what has no id, once it is loaded
    stage.ychat.unobserve()
    for raw in [*history, {"id": "good", "sender": "ada", "body": "good"}]:
        stage.ychat.ymessages.append(Map(raw) if isinstance(raw, dict) else raw)
    stage.subscribe()
    assert bodies(stage)[-1] == "good"
    stage.ychat.ymessages.append(Map(late) if isinstance(late, dict) else late)
    stage.ychat.ymessages.append(Map({"id": "new", "sender": "ada", "body": "new"}))
    assert stage.events[-1].message.body == "new"
    decoded = [m for raw in stage.ychat.ymessages.to_py() if (m := decode_message(raw))]
    assert [m.id for m in stage.chat.before(None, 99)] == [m.id for m in decoded]


@pytest.mark.parametrize("item", [Text("text"), Array(["a"]), "string", 5, None, [1], {}])
async def test_an_entry_that_is_no_message_hinders_nothing(stage: DocumentStage, item: Any) -> None:
    stage.ychat.unobserve()
    stage.ychat.ymessages.append(item)
    stage.ychat.ymessages.append(Map({"id": "m", "sender": "ada", "body": "hi"}))
    assert [e.message.id for e in stage.events] == ["m"]
    assert bodies(stage) == ["hi"]
    assert [m.id for m in stage.chat.before("m", 5)] == []


async def test_a_body_that_is_a_shared_text_is_read(stage: DocumentStage) -> None:
    text = Text("he")
    stage.ychat.ymessages.append(
        Map({"id": "m", "sender": "bob", "body": text, "raw_time": False, "time": 1.0})
    )
    assert stage.events[-1].message.body == "he"
    text += "llo"
    assert isinstance(stage.events[-1], MessageEdited)
    assert bodies(stage) == ["hello"]


async def test_a_message_is_told_when_it_becomes_readable(stage: DocumentStage) -> None:
    map_: Map[Any] = Map({"id": "m", "sender": "bob", "time": 1.0, "raw_time": False})
    stage.ychat.ymessages.append(map_)
    assert stage.events == []
    map_["body"] = "hi"
    assert [type(e) for e in stage.events] == [MessagePosted]
    message = stage.chat.get("m")
    assert message is not None
    assert message.body == "hi"


@pytest.mark.parametrize(("field", "value"), [("body", None), ("body", 5), ("sender", [])])
async def test_a_message_that_becomes_unreadable_is_gone(
    stage: DocumentStage, field: str, value: Any
) -> None:
    id_ = stage.post("hi")
    await settle()
    stage.other.change(id_, **{field: value})
    assert stage.chat.get(id_) is None
    assert bodies(stage) == []
    assert isinstance(stage.events[-1], MessageDeleted)
    stage.other.change(id_, sender="ada", body="back")
    assert bodies(stage) == ["back"]


async def test_a_message_may_change_its_id(stage: DocumentStage) -> None:
    id_ = stage.post("hi")
    await settle()
    stage.other.change(id_, id="other")
    assert stage.chat.get(id_) is None
    message = stage.chat.get("other")
    assert message is not None
    assert message.body == "hi"
    assert stage.chat.apply([Update("other", "ho")]) == []
    assert [m.body for m in stage.seen] == ["ho"]


async def test_metadata_of_others_survives_our_writes(stage: DocumentStage) -> None:
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING)])
    metadata = stage.other.read()[0]["metadata"]
    stage.other.change("r", metadata={**metadata, "theirs": {"x": 1}})
    stage.chat.apply([Update("r", "ab", DONE)])
    assert stage.other.read()[0]["metadata"]["theirs"] == {"x": 1}
    assert stage.seen[0].state == "done"


# -- people -----------------------------------------------------------------------------------


async def test_who_is_present_counts_without_having_written(stage: DocumentStage) -> None:
    stage.awareness.set_local_state_field("user", {"username": "carol"})
    stage.join("ada")
    assert stage.chat.people() == {"ada", "carol"}


@pytest.mark.parametrize("user", [None, 5, "x", {}, {"username": 5}, {"username": None}])
async def test_awareness_may_hold_anything(stage: DocumentStage, user: Any) -> None:
    stage.awareness.set_local_state_field("user", user)
    assert stage.chat.people() == set()


async def test_bots_of_other_extensions_are_no_people(stage: DocumentStage) -> None:
    stage.join("ada")
    stage.join("some-bot", bot=True)
    assert stage.chat.people() == {"ada"}


async def test_registering_again_writes_nothing(stage: DocumentStage) -> None:
    users = [User(ECHO, "Echo", "Echo", "Echo")]
    stage.chat.register(users, owned_prefix=PERSONA_PREFIX)
    state = stage.ychat.ydoc.get_state()
    stage.chat.register(users, owned_prefix=PERSONA_PREFIX)
    assert stage.ychat.ydoc.get_state() == state


async def test_the_entry_of_a_persona_is_one_that_the_front_end_offers(
    stage: DocumentStage,
) -> None:
    stage.chat.register(
        [User(ECHO, "Data Analyst", "Data Analyst", "Data-Analyst", "DA")],
        owned_prefix=PERSONA_PREFIX,
    )
    entry = stage.other.users[ECHO]
    assert entry["bot"] is False
    assert entry["mention_name"] == "Data-Analyst"
    assert entry["username"] == ECHO


async def test_settings_leave_the_metadata_of_the_chat_alone(stage: DocumentStage) -> None:
    id_ = stage.chat.id
    stage.ychat.set_metadata("theirs", 1)
    stage.chat.set_setting("models", {"a": "b"})
    assert stage.ychat.get_metadata()["theirs"] == 1
    assert stage.chat.id == id_


@pytest.mark.parametrize("value", [None, 5, "x", [1]])
async def test_settings_that_somebody_spoiled_are_no_settings(
    stage: DocumentStage, value: Any
) -> None:
    stage.ychat.set_metadata("jupyter_ai_personas", value)
    assert stage.chat.setting("models") is None
    stage.chat.set_setting("models", 1)
    assert stage.chat.setting("models") == 1


# -- size -------------------------------------------------------------------------------------


async def test_messages_older_than_the_mirror_are_read_and_changed() -> None:
    stage = DocumentStage()
    stage.ychat.ymessages.extend(
        Map({"id": str(n), "sender": "ada", "body": f"b{n}", "time": 1.0, "raw_time": False})
        for n in range(3 * RECENT)
    )
    stage.subscribe()
    message = stage.chat.get("3")
    assert message is not None
    assert message.body == "b3"
    assert [m.id for m in stage.chat.before("5", 2)] == ["3", "4"]
    assert stage.chat.apply([Update("3", "new")]) == []
    message = stage.chat.get("3")
    assert message is not None
    assert message.body == "new"


async def test_only_the_end_of_a_long_chat_is_kept_decoded(stage: DocumentStage) -> None:
    for n in range(3 * RECENT):
        stage.chat.apply([Insert(str(n), ECHO, "x", DONE)])
    chat = stage.chat
    assert isinstance(chat, DocumentChat)
    assert len(chat._mirror.recent) <= 2 * RECENT
    assert len(chat._mirror.maps) == 0


def calls_of(work: Callable[[], object]) -> int:
    """Count the functions, of Python and of C, that ``work`` calls."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


async def test_a_growing_reply_costs_the_same_in_a_long_chat() -> None:
    def cost(length: int) -> int:
        stage = DocumentStage()
        stage.other.leave()
        stage.ychat.unobserve()  # the library's own share is linear
        stage.ychat.ymessages.extend(
            Map({"id": str(n), "sender": "ada", "body": "b", "time": 1.0, "raw_time": False})
            for n in range(length)
        )
        stage.subscribe()
        stage.chat.apply([Insert("r", ECHO, "", STREAMING)])

        def grow() -> None:
            for size in range(50):
                stage.chat.apply([Update("r", "x" * size)])
            stage.chat.before("r", 40)
            stage.chat.get("r")
            stage.chat.apply([Update("r", "end", DONE)])

        return calls_of(grow)

    assert cost(5_000) == cost(2 * RECENT)


async def test_an_error_of_a_listener_does_not_reach_who_writes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = DocumentStage()

    def fail(event: object) -> None:
        raise ValueError("listener")

    stage.chat.subscribe(fail)
    stage.post("hi")
    assert "could not be handled" in caplog.text
    assert bodies(stage) == ["hi"]


async def test_what_cannot_be_read_leaves_the_mirror_right_and_what_came_told(
    stage: DocumentStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.post("before")
    await settle()
    with monkeypatch.context() as patch:
        patch.setattr(changes, "_arrived", None)
        with stage.other.writing():
            stage.other.post("unread", at=0, raw_time=False)
            stage.other.post("neither", raw_time=False)
    assert bodies(stage) == in_document(stage) == ["unread", "before", "neither"]
    assert [e.message.body for e in stage.events] == ["before", "unread", "neither"]


async def test_who_comes_later_hears_who_is_writing(stage: DocumentStage) -> None:
    announced: list[Any] = []

    def note(topic: str, change: Any) -> None:
        what, origin = change
        if topic == "update" and origin == "local":
            announced.append([*what["added"], *what["updated"]])

    def come() -> None:
        newcomer = Awareness(Doc())
        newcomer.set_local_state({"user": {"username": "bob"}})
        update = newcomer.encode_awareness_update([newcomer.client_id])
        stage.awareness.apply_awareness_update(update, "bob's tab")

    persona = User(PERSONA_PREFIX + "acme::Echo", "Echo", "Echo")
    stage.awareness.observe(note)
    come()
    assert announced == []
    stage.chat.set_status(persona, "is thinking")
    come()
    assert announced == 2 * [[stage.awareness.client_id]]
    assert stage.writing == {persona.username: "is thinking"}
    stage.chat.close()
    come()
    assert len(announced) == 2


async def test_a_chat_without_a_room_shows_no_status() -> None:
    from jupyterlab_chat.ychat import YChat

    ychat = YChat()
    ychat.initial_path = "x.chat"
    chat = DocumentChat(ychat, log=LOG)
    chat.subscribe(lambda event: None)
    chat.set_status(User(ECHO, "Echo"), "is thinking")
    assert chat.people() == set()


async def test_messages_are_put_back_where_their_time_says(stage: DocumentStage) -> None:
    for n in (1, 2, 4):
        stage.chat.apply([Restore({"id": str(n), "sender": "a", "body": str(n), "time": float(n)})])
    stage.chat.apply([Restore({"id": "3", "sender": "a", "body": "3", "time": 3.0})])
    assert bodies(stage) == in_document(stage) == ["1", "2", "3", "4"]
