"""Clients may write anything into a chat; the rest stays readable."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Map, Text
from support.documents import DONE, ECHO, STREAMING, bodies
from support.stages import DocumentStage, settle

from jupyter_ai_personas.chat import (
    Insert,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Update,
    decode_message,
)
from jupyter_ai_personas.chat.messages import decode_attachment, decode_user

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
