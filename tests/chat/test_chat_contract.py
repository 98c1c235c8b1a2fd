"""One suite over both chats: the collaborative document, and its twin in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.stages import DocumentStage, MemoryStage, Stage, settle

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    SYSTEM_ID,
    Append,
    Attachment,
    Insert,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    OpenTurn,
    Restore,
    Update,
    User,
)

ECHO = PERSONA_PREFIX + "acme::Echo"
STREAMING = {"reply_to": "q", "turn": "t", "state": "streaming"}
DONE = {"reply_to": "q", "turn": "t", "state": "done"}


@pytest.fixture(params=[DocumentStage, MemoryStage], ids=["document", "memory"])
async def stage(request: pytest.FixtureRequest) -> Stage:
    make: Callable[[], Stage] = request.param
    return make()


async def test_what_people_post_is_told_once_and_in_order(stage: Stage) -> None:
    stage.subscribe()
    first = stage.post("one", sender="ada")
    second = stage.post("two", sender="bob", mentions=[ECHO])
    await settle()
    assert [type(event) for event in stage.events] == [MessagePosted, MessagePosted]
    one, two = (event.message for event in stage.events)
    assert (one.id, one.body, one.sender, one.mentions) == (first, "one", "ada", ())
    assert (two.id, two.body, two.sender, two.mentions) == (second, "two", "bob", (ECHO,))
    assert one.by_person
    assert not one.by_persona
    assert one.time > 0


async def test_what_the_chat_holds_already_is_history(stage: Stage) -> None:
    before = stage.post("before")
    await settle()
    stage.subscribe()
    assert stage.events == []
    message = stage.chat.get(before)
    assert message is not None
    assert message.body == "before"


async def test_history_that_changes_is_told_as_changed(stage: Stage) -> None:
    old = stage.post("before")
    await settle()
    stage.subscribe()
    stage.edit(old, "changed")
    [event] = stage.events
    assert isinstance(event, MessageEdited)
    assert (event.message.id, event.message.body) == (old, "changed")


async def test_an_edit_is_told_with_the_new_text(stage: Stage) -> None:
    stage.subscribe()
    id_ = stage.post("@Echo one")
    await settle()
    stage.events.clear()
    stage.edit(id_, "@Echo two", mentions=[ECHO])
    [event] = stage.events
    assert isinstance(event, MessageEdited)
    assert (event.message.body, event.message.mentions) == ("@Echo two", (ECHO,))
    assert event.message.edited
    assert stage.chat.get(id_) == event.message


async def test_an_edit_that_changes_nothing_is_not_told(stage: Stage) -> None:
    stage.subscribe()
    id_ = stage.post("same")
    await settle()
    stage.events.clear()
    stage.edit(id_, "same")
    assert stage.events == []


async def test_a_deletion_is_told_once_with_what_was_deleted(stage: Stage) -> None:
    stage.subscribe()
    id_ = stage.post("gone")
    await settle()
    stage.events.clear()
    stage.delete(id_)
    stage.delete(id_)
    [event] = stage.events
    assert isinstance(event, MessageDeleted)
    assert (event.message.id, event.message.body) == (id_, "gone")
    message = stage.chat.get(id_)
    assert message is not None
    assert message.deleted


async def test_own_writes_cause_no_events(stage: Stage) -> None:
    stage.subscribe()
    stage.chat.apply([Insert("r", ECHO, "Hel", STREAMING)])
    stage.chat.apply([Update("r", "Hello", DONE)])
    stage.chat.apply([Restore({"id": "m", "sender": "ada", "body": "lost", "time": 1.0})])
    stage.chat.register([User(ECHO, "Echo")], owned_prefix=PERSONA_PREFIX)
    stage.chat.set_setting("models", {"a": "b"})
    await settle()
    assert stage.events == []


async def test_a_reply_grows_and_ends_for_everybody(stage: Stage) -> None:
    stage.subscribe()
    assert stage.chat.apply([Insert("r", ECHO, "Hel", STREAMING)]) == []
    [seen] = stage.seen
    assert (seen.id, seen.sender, seen.body, seen.state) == ("r", ECHO, "Hel", "streaming")
    assert stage.chat.apply([Update("r", "Hello")]) == []
    assert [m.body for m in stage.seen] == ["Hello"]
    assert stage.chat.apply([Update("r", "Hello!", DONE)]) == []
    await settle()
    [seen] = stage.seen
    assert (seen.body, seen.state, seen.reply_to) == ("Hello!", "done", "q")
    assert seen.by_persona
    assert replace(seen, time=0.0) == replace(stage.chat.get("r") or seen, time=0.0)


@pytest.mark.parametrize("live", [False, True])
async def test_a_reply_grows_by_what_is_appended(stage: Stage, live: bool) -> None:
    stage.subscribe()
    assert stage.chat.apply([Insert("r", ECHO, "", STREAMING, live=live)]) == []
    for text in ("Hé", "llo 🤖", "", " there"):
        assert stage.chat.apply([Append("r", text)]) == []
    [seen] = stage.seen
    assert (seen.body, seen.state) == ("Héllo 🤖 there", "streaming")
    assert (stage.chat.get("r") or seen).body == seen.body
    raw = stage.chat.raw("r")
    assert raw is not None
    assert raw["body"] == seen.body
    assert stage.chat.apply([Update("r", "Héllo!", DONE)]) == []
    assert stage.chat.apply([Append("r", "!")]) == []
    await settle()
    [seen] = stage.seen
    assert (seen.body, seen.state) == ("Héllo!!", "done")
    assert stage.events == []


@pytest.mark.parametrize("live", [False, True])
async def test_what_is_appended_sees_the_writes_before_it(stage: Stage, live: bool) -> None:
    stage.subscribe()
    insert = Insert("r", ECHO, "a", STREAMING, live=live)
    assert stage.chat.apply([insert, Append("r", "b"), Append("r", "c"), Append("no", "c")]) == [
        "no"
    ]
    assert [m.body for m in stage.seen] == ["abc"]
    assert stage.chat.apply([Update("r", "x"), Append("r", "y")]) == []
    assert [m.body for m in stage.seen] == ["xy"]


@pytest.mark.parametrize("live", [False, True])
async def test_nothing_is_appended_to_a_deleted_message(stage: Stage, live: bool) -> None:
    stage.subscribe()
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING, live=live)])
    stage.delete("r")
    assert stage.chat.apply([Append("r", "b")]) == ["r"]
    assert stage.chat.apply([Update("r", "ab", DONE)]) == ["r"]
    assert [(m.body, m.deleted) for m in stage.seen] == [("", True)]


async def test_text_can_be_appended_to_any_message(stage: Stage) -> None:
    stage.subscribe()
    id_ = stage.post("question")
    await settle()
    assert stage.chat.apply([Append(id_, "?")]) == []
    assert [m.body for m in stage.seen] == ["question?"]


async def test_a_reply_can_be_written_again_after_its_end(stage: Stage) -> None:
    stage.subscribe()
    stage.chat.apply([Insert("r", ECHO, "failed", {**DONE, "state": "failed"})])
    assert stage.chat.apply([Update("r", "", STREAMING), Update("r", "better", DONE)]) == []
    assert [(m.body, m.state) for m in stage.seen] == [("better", "done")]


async def test_writes_of_one_call_see_each_other(stage: Stage) -> None:
    stage.subscribe()
    gone = stage.chat.apply([Insert("r", ECHO, "a", STREAMING), Update("r", "ab", DONE)])
    assert gone == []
    assert [(m.body, m.state) for m in stage.seen] == [("ab", "done")]


async def test_what_a_person_deleted_stays_deleted(stage: Stage) -> None:
    stage.subscribe()
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING), Insert("s", ECHO, "b", STREAMING)])
    stage.delete("r")
    assert stage.chat.apply([Update("r", "ab"), Update("s", "bc")]) == ["r"]
    assert stage.chat.apply([Update("r", "abc", DONE)]) == ["r"]
    await settle()
    assert [(m.body, m.deleted) for m in stage.seen] == [("", True), ("bc", False)]


async def test_what_never_was_is_gone(stage: Stage) -> None:
    stage.subscribe()
    assert stage.chat.apply([Update("nothing", "x")]) == ["nothing"]
    assert stage.chat.get("nothing") is None
    assert stage.seen == []


async def test_a_message_is_put_back_with_its_fields(stage: Stage) -> None:
    stage.subscribe()
    stage.chat.apply(
        [Restore({"id": "m", "sender": "ada", "body": "hi", "time": 5.0, "mentions": [ECHO]})]
    )
    [seen] = stage.seen
    assert (seen.id, seen.sender, seen.body, seen.time) == ("m", "ada", "hi", 5.0)
    assert seen.mentions == (ECHO,)
    raw = stage.chat.raw("m")
    assert raw is not None
    assert (raw["id"], raw["body"]) == ("m", "hi")
    assert stage.chat.raw("unknown") is None


async def test_the_messages_before_one_are_read_in_order(stage: Stage) -> None:
    ids = [stage.post(str(n)) for n in range(6)]
    await settle()
    stage.subscribe()
    ids += [stage.post(str(n)) for n in range(6, 10)]
    await settle()
    assert [m.id for m in stage.chat.before(None, 3)] == ids[-3:]
    assert [m.id for m in stage.chat.before(ids[5], 3)] == ids[2:5]
    assert [m.id for m in stage.chat.before(ids[1], 3)] == ids[:1]
    assert stage.chat.before(ids[0], 3) == []
    assert stage.chat.before("unknown", 3) == []
    assert [m.id for m in stage.chat.before(None, 99)] == ids


@pytest.mark.parametrize("limit", [0, -1])
async def test_no_messages_are_read_where_none_are_wanted(stage: Stage, limit: int) -> None:
    stage.subscribe()
    id_ = stage.post("one")
    stage.post("two")
    await settle()
    assert stage.chat.before(None, limit) == []
    assert stage.chat.before(id_, limit) == []


async def test_personas_are_registered_and_stale_ones_no_longer_offered(stage: Stage) -> None:
    stage.subscribe()
    echo = User(ECHO, "Echo", "Echo", "Echo", "E", avatar_url="/avatar")
    data = User(PERSONA_PREFIX + "acme::Data", "Data", "Data", "Data", "D")
    system = User(SYSTEM_ID, "Personas", "Personas", "Personas", "i", offered=False)
    stage.join("ada", "Ada")
    stage.chat.register([echo, data, system], owned_prefix=PERSONA_PREFIX)
    assert stage.chat.user(ECHO) == echo
    assert stage.chat.user(SYSTEM_ID) == system
    stage.chat.register([echo], owned_prefix=PERSONA_PREFIX)
    stale = stage.chat.user(data.username)
    # Its name stays beside what it wrote.
    assert stale == replace(data, offered=False)
    ada = stage.chat.user("ada")
    assert ada is not None
    assert ada.shown_name == "Ada"
    assert ada.offered
    assert stage.chat.user("nobody") is None


async def test_people_are_those_who_are_neither_personas_nor_the_system(stage: Stage) -> None:
    stage.subscribe()
    assert stage.chat.people() == set()
    stage.join("ada", "Ada")
    stage.join("bob")
    stage.chat.register([User(ECHO, "Echo"), User(SYSTEM_ID, "P")], owned_prefix=PERSONA_PREFIX)
    assert stage.chat.people() == {"ada", "bob"}


async def test_a_writing_status_is_shown_changed_and_cleared(stage: Stage) -> None:
    stage.subscribe()
    echo, data = User(ECHO, "Echo"), User(PERSONA_PREFIX + "acme::Data", "Data")
    stage.chat.set_status(echo, "is thinking")
    stage.chat.set_status(data, "is thinking")
    stage.chat.set_status(echo, "is reading")
    assert stage.writing == {ECHO: "is reading", data.username: "is thinking"}
    stage.chat.set_status(echo, None)
    stage.chat.set_status(echo, None)
    assert stage.writing == {data.username: "is thinking"}


async def test_open_turns_are_announced(stage: Stage) -> None:
    stage.subscribe()
    echo = User(ECHO, "Echo")
    one, two = (OpenTurn(f"t{n}", ECHO, f"m{n}", "ada") for n in (1, 2))
    stage.chat.set_status(echo, "is thinking", [one, two])
    assert stage.turns == [
        {"turn": "t1", "persona": ECHO, "message": "m1", "person": "ada"},
        {"turn": "t2", "persona": ECHO, "message": "m2", "person": "ada"},
    ]
    stage.chat.set_status(echo, "is thinking", [])
    assert stage.turns == []
    assert stage.writing == {ECHO: "is thinking"}


async def test_settings_of_ours_are_kept_and_removed(stage: Stage) -> None:
    stage.subscribe()
    assert stage.chat.setting("models") is None
    stage.chat.set_setting("models", {"a": "b:c"})
    stage.chat.set_setting("other", [1])
    assert stage.chat.setting("models") == {"a": "b:c"}
    stage.chat.set_setting("models", None)
    assert stage.chat.setting("models") is None
    assert stage.chat.setting("other") == [1]
    stage.chat.set_setting("models", None)


async def test_attachments_are_read_and_unknown_ones_left_out(stage: Stage) -> None:
    stage.subscribe()
    plot = Attachment("a", "plots/p.png", "file", "image/png")
    book = Attachment("b", "work.ipynb", "notebook")
    stage.post("look", attachments=[plot, book])
    await settle()
    [event] = stage.events
    assert event.message.attachments == ("a", "b")
    assert stage.chat.attachments(["b", "unknown", "a"]) == [book, plot]


async def test_after_its_close_nothing_is_told_and_writing_still_works(stage: Stage) -> None:
    stage.subscribe()
    stage.chat.apply([Insert("r", ECHO, "a", STREAMING)])
    stage.chat.close()
    stage.chat.close()
    stage.post("unheard")
    await settle()
    assert stage.events == []
    assert stage.chat.apply([Update("r", "ab", DONE)]) == []
    assert stage.seen[0].body == "ab"


async def test_identity_and_place_are_known(stage: Stage) -> None:
    stage.subscribe()
    assert stage.chat.path == "room.chat"
    assert stage.chat.id
    assert stage.chat.id == stage.chat.id
