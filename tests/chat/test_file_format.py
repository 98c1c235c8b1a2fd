"""The `.chat` file format: what is read of a file, and what the chat library makes of ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyterlab_chat.ychat import YChat

from jupyter_ai_personas.chat.file_format import ChatFile, add_missing, format_chat, parse_chat

QUESTION = {"id": "q", "body": "hi", "sender": "ada", "time": 1.0}

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=3)
files = st.builds(
    ChatFile, messages=st.lists(values), users=objects, attachments=objects, metadata=objects
)


@given(files)
def test_what_is_written_is_read_again(chat: ChatFile) -> None:
    assert parse_chat(format_chat(chat)) == chat
    assert parse_chat(format_chat(chat).encode()) == chat


@given(st.text() | st.binary())
def test_any_content_is_read(content: str | bytes) -> None:
    chat = parse_chat(content)
    assert chat is None or chat.id is None or isinstance(chat.id, str)


@given(st.dictionaries(st.sampled_from(["messages", "users", "attachments", "metadata"]), values))
@settings(deadline=None)
def test_parts_of_a_wrong_type_count_as_absent(parts: dict[str, Any]) -> None:
    chat = parse_chat(format_chat(ChatFile(**parts)))
    assert chat is not None
    assert isinstance(chat.messages, list)
    assert all(isinstance(part, dict) for part in (chat.users, chat.attachments, chat.metadata))
    assert set(chat.find(["q"])) == {"q"}
    assert all(isinstance(id_, str) for id_ in chat.message_ids)


@pytest.mark.parametrize(
    "content",
    ["", "  ", "{", '{"messages": [', "[]", "5", "null", "[" * 100_000, b"\xff\xfe{", "x"],
)
def test_what_is_no_json_object_is_no_chat(content: str | bytes) -> None:
    assert parse_chat(content) is None


async def test_the_library_reads_what_we_write_and_we_what_it_writes() -> None:
    chat = ChatFile(
        messages=[QUESTION],
        users={"ada": {"username": "ada", "name": "Ada"}},
        attachments={"a": {"value": "plot.png", "type": "file", "mimetype": None}},
        metadata={"id": "the chat"},
    )
    ychat = YChat()
    ychat.set(format_chat(chat))
    again = parse_chat(ychat.get())
    assert again is not None
    assert (again.messages, again.users, again.id) == (chat.messages, chat.users, "the chat")
    assert set(again.attachments) == {"a"}


def test_messages_are_found_by_id() -> None:
    chat = ChatFile([7, {"id": []}, {"id": "broken"}, QUESTION, {"no": "id"}])
    assert chat.message_ids == {"q", "broken"}
    found = chat.find(["q", "broken", "missing"])
    assert found.pop("broken") is found.pop("missing") is None
    assert [(id_, message and message.body) for id_, message in found.items()] == [("q", "hi")]


@pytest.mark.parametrize("id_", [None, 5, [], {}])
def test_an_id_of_another_type_is_none(id_: Any) -> None:
    assert ChatFile(metadata={"id": id_}).id is None


async def test_what_the_document_has_is_not_there_twice_and_comes_after() -> None:
    ychat = YChat()
    ychat.ymessages.append({"id": "new", "body": "and now?"})
    ychat.yusers["ada"] = {"name": "Ada, now"}
    chat = ChatFile(
        messages=[QUESTION, {"id": "new", "body": "and n"}, {"no": "id"}, 7],
        users={"ada": {"name": "Ada"}, "bob": {"name": "Bob"}},
        metadata={"id": "the chat"},
    )
    add_missing(ychat, chat)
    messages = ychat.ymessages.to_py()
    assert [m.get("id") for m in messages] == ["q", "new"]
    assert messages[-1]["body"] == "and now?"
    assert ychat.yusers.to_py() == {"ada": {"name": "Ada, now"}, "bob": {"name": "Bob"}}
    assert ychat.get_id() == "the chat"
