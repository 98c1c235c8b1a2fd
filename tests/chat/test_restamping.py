"""The server's time and position for new messages, and duplicates."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pycrdt import Map
from support.clock import is_linear
from support.documents import DONE, ECHO, STREAMING, bodies, in_document
from support.stages import LOG, DocumentStage, settle

from jupyter_ai_personas.chat import (
    Insert,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Restore,
    Update,
)
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.chat.messages import METADATA_KEY, RECENT


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


@pytest.mark.parametrize("decided_first", [True, False])
async def test_of_copies_of_what_people_were_asked_the_decided_one_stays(
    decided_first: bool,
) -> None:
    """A tab that missed the decision brings back the longer text that asks."""
    stage = DocumentStage()
    stage.subscribe()
    asked = "May I? Anyone here may decide.", {"approval": "a", "turn": "t"}
    decided = "Approved.", {**asked[1], "decision": "approved"}
    (ours, about), (theirs, about_theirs) = (decided, asked) if decided_first else (asked, decided)
    stage.chat.apply([Insert("a", ECHO, ours, about)])
    stage.other.post(
        theirs, sender=ECHO, id="a", raw_time=False, metadata={METADATA_KEY: about_theirs}
    )
    await settle()
    assert [(m.body, m.metadata) for m in stage.seen] == [decided]


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
