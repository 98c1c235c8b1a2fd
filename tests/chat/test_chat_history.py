"""What a model is shown of a chat, and text of others in our own Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from support.clock import is_linear

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    SYSTEM_ID,
    Insert,
    MemoryChat,
    Message,
    User,
)
from jupyter_ai_personas.chat.history import HistoryEntry, newest, read_history, to_langchain
from jupyter_ai_personas.chat.markdown import closing_fence, code, inert, sentence

ECHO = PERSONA_PREFIX + "acme::Echo"
DATA = PERSONA_PREFIX + "acme::Data"


def chat_of(*lines: tuple[str, str] | tuple[str, str, str]) -> tuple[MemoryChat, Message]:
    """A chat of (sender, body) and (persona, body, state); and its last message."""
    chat = MemoryChat()
    chat.users["ada"] = User("ada", "Ada")
    chat.users["bob"] = User("bob", "Bob")
    chat.users[DATA] = User(DATA, "Data")
    for n, (sender, body, *state) in enumerate(lines):
        if state:
            chat.apply([Insert(str(n), sender, body, {"state": state[0], "reply_to": "x"})])
        else:
            chat.post(body, sender=sender)
    return chat, chat.messages[-1]


def shown(chat: MemoryChat, until: Message, **more: object) -> list[tuple[str, str]]:
    options = {"max_messages": 40, "max_chars": 60_000, "commands": frozenset({"/help"})}
    history = read_history(chat, reader=ECHO, until=until, **{**options, **more})  # type: ignore[arg-type]
    return [(entry.speaker, entry.body) for entry in history]


def test_history_ends_with_the_question_and_leaves_out_what_is_no_talk() -> None:
    chat, last = chat_of(
        ("ada", "hello"),
        ("ada", "/help"),
        (SYSTEM_ID, "the help", "done"),
        (ECHO, "failed", "failed"),
        (ECHO, "refused", "rejected"),
        (ECHO, "cut off", "interrupted"),
        (ECHO, "stopped", "stopped"),
        (ECHO, "fine", "done"),
        (DATA, "", "streaming"),
        ("bob", "   "),
        ("bob", "@Echo so?"),
    )
    assert shown(chat, last) == [
        ("Ada", "hello"),
        (ECHO, "stopped"),
        (ECHO, "fine"),
        ("Bob", "@Echo so?"),
    ]


def test_what_was_deleted_is_not_shown() -> None:
    chat, last = chat_of(("ada", "secret"), ("ada", "@Echo hi"))
    chat.delete(chat.messages[0].id)
    assert shown(chat, last) == [("Ada", "@Echo hi")]


def test_history_ends_where_the_question_stands() -> None:
    chat, _ = chat_of(("ada", "one"), ("ada", "two"), ("ada", "three"))
    assert [body for _, body in shown(chat, chat.messages[1])] == ["one", "two"]


def test_who_asks_twice_in_a_row_has_the_first_answer_in_the_history_of_the_second() -> None:
    chat, second = chat_of(("ada", "one?"), ("bob", "and?"), ("ada", "two?"))
    first, other, _ = (m.id for m in chat.messages)
    for n, (to, body, state) in enumerate(
        [
            (first, "1", "done"),
            (other, "no", "failed"),
            (first, "1, too", "stopped"),
            (second.id, "2", "done"),
            (other, "wait", "streaming"),
        ]
    ):
        chat.apply([Insert(f"reply {n}", ECHO, body, {"state": state, "reply_to": to})])
    asked = ["one?", "1", "1, too", "and?", "two?"]
    assert [body for _, body in shown(chat, second)] == asked
    assert [body for _, body in shown(chat, second, max_messages=4)] == asked[1:]


@pytest.mark.parametrize(("most", "seen"), [(0, 1), (1, 1), (3, 3), (100, 5)])
def test_history_is_so_many_messages_long(most: int, seen: int) -> None:
    chat, last = chat_of(*[("ada", str(n)) for n in range(5)])
    assert len(shown(chat, last, max_messages=most)) == seen


def test_history_is_so_many_characters_long_and_the_question_is_whole() -> None:
    chat, last = chat_of(("ada", "a" * 10), ("ada", "b" * 10), ("ada", "c" * 10))
    assert [b[0] for _, b in shown(chat, last, max_chars=25)] == ["b", "c"]
    assert [b for _, b in shown(chat, last, max_chars=3)] == ["c" * 10]


def test_an_edited_message_is_shown_as_it_stands() -> None:
    chat, last = chat_of(("ada", "my colour is blue"), ("ada", "@Echo which?"))
    chat.edit(chat.messages[0].id, "my colour is red")
    assert shown(chat, last)[0] == ("Ada", "my colour is red")


def test_a_reply_that_still_grows_is_marked_as_unfinished() -> None:
    chat, last = chat_of(
        ("ada", "@Data go"),
        (DATA, "so far", "streaming"),
        (ECHO, "half", "streaming"),
        ("bob", "?"),
    )
    history = read_history(chat, reader=ECHO, until=last, max_messages=9, max_chars=999)
    assert [entry.unfinished for entry in history] == [False, True, True, False]
    bodies = [str(message.content) for message in to_langchain(history)[1:]]
    assert bodies[1] == "Data: so far\n\n[This message is still being written.]"
    assert bodies[2] == "half\n\n[This message is still being written.]"


@pytest.mark.parametrize(
    ("messages", "tokens", "seen"),
    [(9, 999, 4), (2, 999, 2), (1, 999, 1), (0, 999, 1), (9, 28, 3), (9, 27, 2), (9, 0, 1)],
)
def test_the_newest_are_so_many_messages_and_tokens(messages: int, tokens: int, seen: int) -> None:
    # Ten tokens, and four for a message.
    history = [HistoryEntry("Ada", False, f"{n}" + "x" * 29) for n in range(4)]
    history[-1] = HistoryEntry("Ada", False, "x" * 10_000)
    assert list(newest(history, max_messages=messages, max_tokens=tokens)) == history[-seen:]
    assert newest([], max_messages=messages, max_tokens=tokens) == []


def test_a_question_that_is_not_in_the_chat_is_asked_alone() -> None:
    chat, _ = chat_of(("ada", "one"))
    assert shown(chat, Message("other", "ada", "alone")) == [("Ada", "alone")]


def test_who_speaks_with_one_person_is_not_named() -> None:
    history = [HistoryEntry("Ada", False, "hi"), HistoryEntry("Echo", True, "hello")]
    assert to_langchain(history) == [HumanMessage("hi"), AIMessage("hello")]


def test_several_speakers_are_named_and_the_model_is_told_so() -> None:
    history = [
        HistoryEntry("Ada", False, "hi"),
        HistoryEntry("Echo", True, "hello"),
        HistoryEntry("Data", False, "numbers"),
    ]
    first, *rest = to_langchain(history, system_prompt="Be brief.")
    assert isinstance(first, SystemMessage)
    assert str(first.content).startswith("Be brief.\n\n")
    assert rest == [HumanMessage("Ada: hi"), AIMessage("hello"), HumanMessage("Data: numbers")]


# -- text of others ---------------------------------------------------------------------------


@given(st.text())
def test_inert_text_is_one_line_in_which_nothing_is_markdown(text: str) -> None:
    import re

    line = inert(text)
    assert "\n" not in line
    assert len(line) <= 600
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>#|~]", line)


@given(st.text())
def test_code_holds_its_text_whatever_backticks_are_in_it(text: str) -> None:
    import re

    span = code(text)
    line = " ".join(text.split())
    fence = re.match(r"`+", span)
    assert fence is not None
    assert span.endswith(fence.group())
    inner = span[len(fence.group()) : -len(fence.group())]
    assert inner.strip(" ") == line.strip(" ") or inner == line
    assert fence.group() not in re.findall(r"`+", inner)


@given(st.lists(st.sampled_from(["```", "~~~~", "text", "- ```", "````md", "", "  ```"])))
def test_a_closed_fence_stays_closed(lines: list[str]) -> None:
    text = "\n".join(lines)
    closing = closing_fence(text)
    assert closing_fence(f"{text}\n{closing}" if closing else text) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the model `a*b` is *not* there", "the model `a*b` is \\*not\\* there"),
        ("`` a`b `` and ` alone", "`` a`b `` and \\` alone"),
        ("```not closed `one`", "\\`\\`\\`not closed `one`"),
        ("# first\n`x`", "\\# first `x`"),
    ],
)
def test_a_sentence_has_no_markdown_but_code_spans(text: str, shown: str) -> None:
    assert sentence(text) == shown


def test_backticks_that_never_close_cost_no_more_each() -> None:
    runs = " ".join("`" * length for length in range(1, 600))
    assert is_linear(lambda size: sentence(runs[:size]), len(runs))
