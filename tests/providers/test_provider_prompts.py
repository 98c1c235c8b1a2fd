"""What a model is sent: messages that every server accepts, as many as it can read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from jupyter_ai_personas.providers.prompts import (
    acceptable,
    count_tokens,
    most_tokens,
    newest,
    trimmed,
)
from jupyter_ai_personas.testing import FakeModel

S, H, A = SystemMessage, HumanMessage, AIMessage
CALL = {"name": "search", "args": {"q": "pi"}, "id": "1", "type": "tool_call"}


def shown(messages: list[BaseMessage]) -> list[tuple[str, Any]]:
    return [(message.type, message.content) for message in messages]


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        # A question that failed, and the next one.
        ([H("a"), H("b")], [("human", "a\n\nb")]),
        ([H("a"), A("b"), A("c"), H("d")], [("human", "a"), ("ai", "b\n\nc"), ("human", "d")]),
        # The history's window begins with an answer.
        ([S("s"), A("a"), H("b")], [("system", "s"), ("human", "b")]),
        ([A("a"), A("b"), H("c")], [("human", "c")]),
        # Nothing in it.
        ([S(" "), H("a"), A(""), H("b")], [("human", "a\n\nb")]),
        ([H("a"), A([]), H("b")], [("human", "a\n\nb")]),
        ([H([{"type": "text", "text": "\n"}]), H("b")], [("human", "b")]),
        # System messages in the middle.
        ([S("s"), H("a"), S("t"), A("b")], [("system", "s\n\nt"), ("human", "a"), ("ai", "b")]),
        # Nobody asks.
        ([S("be kind")], [("human", "be kind")]),
        ([S("s"), A("a")], [("system", "s"), ("human", "a")]),
        ([A("a")], [("human", "a")]),
        ([], []),
        ([H("")], []),
        # A file's name that is no text, and a pair of halves.
        ([H("caf\udce9 \ud83d\ude00")], [("human", "caf\ufffd 😀")]),
        ([H([{"type": "text", "text": "\ud83d"}])], [("human", [{"type": "text", "text": "�"}])]),
        # An image beside text.
        (
            [H("look"), H([{"type": "image_url", "image_url": {"url": "u"}}])],
            [
                (
                    "human",
                    [
                        {"type": "text", "text": "look"},
                        {"type": "image_url", "image_url": {"url": "u"}},
                    ],
                )
            ],
        ),
    ],
)
def test_messages_become_what_every_server_accepts(
    messages: list[BaseMessage], sent: list[tuple[str, Any]]
) -> None:
    assert shown(acceptable(messages)) == sent


@given(
    st.lists(
        st.tuples(st.sampled_from([S, H, A]), st.sampled_from(["", " ", "a", "b\udce9", "c\n"])),
        max_size=12,
    )
)
def test_whatever_is_asked_roles_alternate_and_nothing_is_empty(parts: list[Any]) -> None:
    messages = [kind(content) for kind, content in parts]
    before = shown(messages)
    sent = acceptable(messages)
    roles = [message.type for message in sent if message.type != "system"]
    assert [message.type for message in sent].count("system") <= 1
    assert all(message.type != "system" for message in sent[1:])
    assert roles == ["human" if i % 2 == 0 else "ai" for i in range(len(roles))]
    assert all(str(message.content).strip() for message in sent)
    assert bool(roles) == any(message.content.strip() for message in messages)
    for message in sent:
        str(message.content).encode()
    assert shown(messages) == before, "what was given is not changed"


def test_calls_of_tools_and_their_results_stay_apart() -> None:
    messages = [
        H("a"),
        A("", tool_calls=[CALL, {**CALL, "id": "2"}]),
        ToolMessage("", tool_call_id="1"),
        ToolMessage("two", tool_call_id="2"),
        A("b"),
    ]
    assert [m.type for m in acceptable(messages)] == ["human", "ai", "tool", "tool", "ai"]
    calls = A("", tool_calls=[{**CALL, "args": {"q": "\udce9"}}])
    (_, sent) = acceptable([H("a"), calls])
    assert isinstance(sent, AIMessage)
    assert sent.tool_calls[0]["args"] == {"q": "\ufffd"}


TALK = [S("s"), H("one"), A("1"), H("two"), A("2"), H("three")]


def test_the_newest_is_the_last_question_and_what_follows_it() -> None:
    assert shown(newest(TALK)) == [("system", "s"), ("human", "three")]
    assert shown(newest(TALK, system=False)) == [("human", "three")]
    tools = [*TALK, A("", tool_calls=[CALL]), ToolMessage("x", tool_call_id="1")]
    assert [m.type for m in newest(tools, system=False)] == ["human", "ai", "tool"]
    assert newest([]) == []


def per_message(messages: list[BaseMessage]) -> int:
    return len(messages)


@pytest.mark.parametrize(
    ("most", "kept"),
    [(99, 6), (6, 6), (5, 4), (4, 4), (3, 2), (1, 2), (0, 2)],
)
def test_the_oldest_are_left_out_and_the_question_never(most: int, kept: int) -> None:
    sent = trimmed(TALK, most, per_message)
    assert len(sent) == kept
    assert shown(sent)[0] == ("system", "s")
    assert shown(sent)[-1] == ("human", "three")
    assert sent[1].type == "human"


class Profiled(FakeModel):
    profile: Any = None


@pytest.mark.parametrize(
    ("profile", "most"),
    [
        ({"max_input_tokens": 4096}, 4096),
        ({}, None),
        (None, None),
        ({"max_input_tokens": None}, None),
        ({"max_input_tokens": 0}, None),
        ("large", None),
    ],
)
def test_the_models_profile_tells_how_much_it_reads(profile: Any, most: int | None) -> None:
    model = FakeModel()
    object.__setattr__(model, "profile", profile)
    assert most_tokens(model) == most


def test_tokens_are_counted_the_models_own_way_where_it_has_one() -> None:
    words = [H("one two three"), A("four")]

    class OfText(FakeModel):
        def get_num_tokens(self, text: str) -> int:
            return len(text.split())

    class OfMessages(FakeModel):
        def get_num_tokens_from_messages(self, messages: Any, tools: Any = None) -> int:
            return 10 * len(messages)

    given = FakeModel(custom_get_token_ids=lambda text: list(range(len(text.split()))))
    around = 4 * len(words)
    assert count_tokens(OfText())(words) == around + 4
    assert count_tokens(given)(words) == around + 4
    assert count_tokens(OfMessages())(words) == 20
    assert count_tokens(FakeModel())(words) == around + 5 + 2, "three bytes a token"


def test_a_counter_that_fails_counts_for_nothing() -> None:
    class Broken(FakeModel):
        def get_num_tokens(self, text: str) -> int:
            raise OSError("the tokenizer cannot be downloaded")

    assert count_tokens(Broken())([H("abc")]) == count_tokens(FakeModel())([H("abc")])


def test_vendors_counters_that_ask_a_server_are_not_used() -> None:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="gpt-4o", api_key="none", base_url="http://127.0.0.1:9/v1")
    assert count_tokens(model)([H("abcdef")]) == 6


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 20, 200, 320),  # 201 by cl100k
        ("def f(x):\n    return x ** 2\n" * 20, 180, 260),  # 240 by cl100k
        ("今日は天気がいいですね。" * 20, 200, 320),  # 260 by cl100k
    ],
)
def test_the_approximation_is_near(text: str, least: int, most: int) -> None:
    assert least <= count_tokens(FakeModel())([H(text)]) <= most


def test_pictures_cost_what_they_cost_and_not_their_bytes() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    assert 500 < count_tokens(FakeModel())([H([{"type": "text", "text": "x"}, picture])]) < 5000
