"""The collaborative document: live bodies, reloads, people and size."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Awareness, Doc, Map
from support.documents import DONE, ECHO, STREAMING, bodies, in_document
from support.stages import LOG, DocumentStage, settle

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    Append,
    Insert,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    OpenTurn,
    Restore,
    Update,
    User,
    changes,
)
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.chat.messages import RECENT
from jupyter_ai_personas.chat.participants import MAX_ANNOUNCED

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


async def test_turns_are_announced_with_the_names_of_who_wrote_or_is_there(
    stage: DocumentStage,
) -> None:
    stage.subscribe()
    stage.join("ada", "Ada")
    other = Awareness(Doc())
    other.set_local_state({"user": {"username": "bob", "name": "b", "display_name": "Bob"}})
    update = other.encode_awareness_update([other.client_id])
    stage.awareness.apply_awareness_update(update, "client")
    turns = [OpenTurn("t", ECHO, "m", who) for who in ("ada", "bob", "cleo")]
    stage.chat.set_status(User(ECHO, "Echo"), "is thinking", turns)
    assert [turn.get("name") for turn in stage.turns] == ["Ada", "Bob", None]


async def test_a_status_and_the_open_turns_are_sent_as_one_update(stage: DocumentStage) -> None:
    stage.subscribe()
    sent = []
    stage.awareness.observe(lambda topic, change: sent.append(topic))
    echo, turns = User(ECHO, "Echo"), [OpenTurn("t", ECHO, "m", "ada")]
    stage.chat.set_status(echo, "is thinking", turns)
    stage.chat.set_status(echo, "is thinking", turns)  # nothing new
    assert sent.count("update") == 1
    assert (stage.writing, len(stage.turns)) == ({ECHO: "is thinking"}, 1)
    stage.chat.set_status(echo, None, [])
    assert sent.count("update") == 2
    assert (stage.writing, stage.turns) == ({}, [])


async def test_no_more_turns_are_announced_than_a_client_can_take(stage: DocumentStage) -> None:
    stage.subscribe()
    turns = [OpenTurn(f"t{n}", ECHO, "m", "ada") for n in range(MAX_ANNOUNCED + 1)]
    stage.chat.set_status(User(ECHO, "Echo"), "is thinking", turns)
    assert [turn["turn"] for turn in stage.turns] == [turn.turn for turn in turns[:-1]]


async def test_a_chat_without_a_room_shows_no_status() -> None:
    from jupyterlab_chat.ychat import YChat

    ychat = YChat()
    ychat.initial_path = "x.chat"
    chat = DocumentChat(ychat, log=LOG)
    chat.subscribe(lambda event: None)
    chat.set_status(User(ECHO, "Echo"), "is thinking", [OpenTurn("t", ECHO, "m", "ada")])
    assert chat.people() == set()


async def test_messages_are_put_back_where_their_time_says(stage: DocumentStage) -> None:
    for n in (1, 2, 4):
        stage.chat.apply([Restore({"id": str(n), "sender": "a", "body": str(n), "time": float(n)})])
    stage.chat.apply([Restore({"id": "3", "sender": "a", "body": "3", "time": 3.0})])
    assert bodies(stage) == in_document(stage) == ["1", "2", "3", "4"]
