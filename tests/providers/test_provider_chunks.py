from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from jupyter_ai_personas.providers.chunks import ChunkReader, ModelChunk, reply_text
from jupyter_ai_personas.text import Anew, extended


def read(*raw: Any, thinks_first: bool = False) -> list[ModelChunk]:
    reader = ChunkReader(thinks_first=thinks_first)
    chunks = [chunk for one in raw for chunk in reader.read(one)]
    return chunks + list(reader.finish())


def text(chunks: Iterable[ModelChunk]) -> str:
    """What is left of the text, once what proved to be reasoning is taken back."""
    left = ""
    for chunk in chunks:
        left = chunk.text if chunk.anew else left + chunk.text
    return left


def reasoning(chunks: Iterable[ModelChunk]) -> str:
    return "".join(chunk.reasoning for chunk in chunks)


def message(content: Any = "", **more: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, **more)


def test_strings_and_messages_are_text() -> None:
    assert text(read("a", " b")) == "a b"
    assert text(read(message("a"), message(" b"))) == "a b"
    assert text(read(message([{"type": "text", "text": "a"}, "b"]))) == "ab"


@pytest.mark.parametrize(
    "raw",
    [
        message([{"type": "thinking", "thinking": "hm"}]),
        message([{"type": "reasoning", "reasoning": "hm"}]),
        message([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]),
        message([{"type": "reasoning_content", "reasoning_content": {"text": "hm"}}]),
        message(additional_kwargs={"reasoning_content": "hm"}),
        message("<think>hm</think>"),
    ],
)
def test_reasoning_is_kept_apart_wherever_the_vendor_puts_it(raw: AIMessageChunk) -> None:
    chunks = read(raw, message("42"))
    assert (reasoning(chunks), text(chunks)) == ("hm", "42")


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "signature": "abc"},
        {"type": "redacted_thinking", "data": "abc"},
        {"type": "reasoning", "id": "rs_1"},
        {"type": "non_standard", "value": {}},
        {"type": "text"},
    ],
)
def test_blocks_that_say_nothing_to_people_are_left_out(block: dict[str, Any]) -> None:
    assert read(message([block])) == []


def test_a_picture_is_named_once_instead_of_being_shown() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    shown = text(read(message(["Look: ", image]), message([image])))
    assert shown.strip() == "Look: \n\n*The model sent an image, which is not shown.*"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": "AAAA", "mime_type": "image/png"},
        {"type": "image_generation_call", "result": "AAAA"},
    ],
)
def test_a_pictures_data_is_there_for_who_can_show_it(block: dict[str, Any]) -> None:
    (chunk,) = read(message([block]))
    assert chunk.image == "data:image/png;base64,AAAA"
    assert "an image, which is not shown" in chunk.text


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "file", "base64": "AAAA", "mime_type": "application/pdf"},
        {"type": "image"},
    ],
)
def test_what_is_no_pictures_data_is_named_only(block: dict[str, Any]) -> None:
    (chunk,) = read(message([block]))
    assert (chunk.image, "which is not shown" in chunk.text) == ("", True)


def test_an_answer_of_tool_calls_only_says_what_the_model_wanted() -> None:
    calls = [
        message(tool_call_chunks=[tool_call_chunk(name="search", args='{"q"', id="1", index=0)]),
        message(tool_call_chunks=[tool_call_chunk(args=': "pi"}', index=0)]),
    ]
    assert text(read(*calls)) == "*The model asked to call `search`, which it cannot do here.*"
    assert text(read(message("It is 3."), *calls)) == "It is 3."


def test_a_refusal_is_the_answer() -> None:
    assert text(read(message(additional_kwargs={"refusal": "I cannot."}))) == "I cannot."
    assert text(read(message([{"type": "refusal", "refusal": "I cannot."}]))) == "I cannot."


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"finish_reason": "length"}, "limit of output tokens"),
        ({"stop_reason": "max_tokens"}, "limit of output tokens"),
        ({"finish_reason": "MAX_TOKENS"}, "limit of output tokens"),
        ({"finish_reason": "content_filter"}, "content filter"),
        ({"stopReason": "guardrail_intervened"}, "content filter"),
        ({"stop_reason": "model_context_window_exceeded"}, "longer than the model can read"),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "limit of output tokens"),
    ],
)
def test_an_answer_that_was_cut_says_why(metadata: dict[str, Any], says: str) -> None:
    chunks = read(message("half"), message(response_metadata=metadata))
    assert text(chunks).startswith("half\n\n*The answer ends here: ")
    assert says in text(chunks)


def test_an_answer_that_ended_by_itself_says_nothing_more() -> None:
    assert text(read(message("all"), message(response_metadata={"finish_reason": "stop"}))) == "all"


def test_the_usage_is_added_up_and_comes_last() -> None:
    first = {"input_tokens": 5, "output_tokens": 0, "total_tokens": 5}
    last = {"input_tokens": 0, "output_tokens": 3, "total_tokens": 3}
    chunks = read(message("a", usage_metadata=first), message("b", usage_metadata=last))
    assert chunks[-1].usage == {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
    assert [chunk.usage for chunk in chunks[:-1]] == [None, None]


@pytest.mark.parametrize(
    "usages",
    [
        [(9, 1), (9, 2), (9, 3)],  # the sum so far, in each chunk
        [(9, 1), (9, 2), (9, 3), (0, 0)],
        [(9, 3), (9, 3)],  # once in the last chunk, and once more after it
        [(9, 1), (0, 1), (0, 1)],  # what is new
        [(0, 1), (0, 2), (9, 0)],
    ],
)
def test_usage_is_the_same_whether_sums_or_parts_are_told(usages: list[tuple[int, int]]) -> None:
    chunks = read(
        *[
            message(
                "a", usage_metadata={"input_tokens": i, "output_tokens": o, "total_tokens": i + o}
            )
            for i, o in usages
        ]
    )
    assert chunks[-1].usage == {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}


def test_a_pair_that_is_cut_in_two_is_joined_wherever_it_stands() -> None:
    assert text(read("a\ud83d", "\ude00b")) == "a😀b"
    assert text(read(message("\ud83d"), message("\ude00"))) == "😀"
    assert text(read(message([{"type": "text", "text": "\ud83d"}]), message("\ude00"))) == "😀"
    thoughts = [message(additional_kwargs={"reasoning_content": c}) for c in "\ud83d\ude00"]
    assert reasoning(read(*thoughts)) == "😀"


def test_half_a_pair_is_replaced() -> None:
    assert text(read("a\ud83d")) == "a\ufffd"
    assert text(read("\ude00a", "\ud83db")) == "\ufffda\ufffdb"
    assert reasoning(read(message(additional_kwargs={"reasoning_content": "\ud83d"}))) == "\ufffd"


def cut(whole: str, places: list[int]) -> list[str]:
    places = sorted({place % (len(whole) + 1) for place in places})
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


prose = st.text("ab <>/\n", max_size=12)


@given(prose, prose, st.lists(st.integers(0, 60), max_size=8))
def test_leading_think_tags_are_found_however_the_text_is_cut(
    thought: str, answer: str, places: list[int]
) -> None:
    chunks = read(*cut(f"\n<think>\n{thought}</think>\n\n{answer}", places))
    assert reasoning(chunks).strip("\n") == thought.strip("\n")
    assert text(chunks) == answer.lstrip()


@given(st.text("ab <think>/\n", max_size=20), st.lists(st.integers(0, 60), max_size=8))
def test_text_without_leading_think_tags_arrives_unchanged(answer: str, places: list[int]) -> None:
    if not answer.lstrip().startswith("<think>") and "</think>" not in answer:
        chunks = read(*cut(answer, places))
        assert text(chunks) == answer
        assert reasoning(chunks) == ""


def test_a_thought_without_an_end_stays_a_thought() -> None:
    chunks = read("<think>for", " ever </thi")
    assert (reasoning(chunks), text(chunks)) == ("for ever </thi", "")


@given(prose, prose, st.lists(st.integers(0, 60), max_size=8), st.booleans())
def test_a_thought_that_nothing_opens_is_found_however_the_text_is_cut(
    thought: str, answer: str, places: list[int], known: bool
) -> None:
    whole = f"{thought}</think>\n\n{answer}"
    chunks = read(*cut(whole, places), thinks_first=known)
    assert text(chunks) == answer.lstrip()
    assert reasoning(chunks).strip() == thought.strip()


def test_what_was_shown_before_a_thoughts_end_is_taken_back() -> None:
    chunks = read("let me ", "see", "</th", "ink>", "\n\n", "42")
    assert [(c.text, c.reasoning, c.anew) for c in chunks] == [
        ("let me ", "", False),
        ("see", "", False),
        ("</th", "", False),
        ("", "let me see", True),
        ("42", "", False),
    ]


def test_a_model_that_is_known_to_think_first_shows_nothing_before_its_answer() -> None:
    chunks = read("let me ", "see", "</think>", "42", thinks_first=True)
    assert [(c.text, c.reasoning, c.anew) for c in chunks] == [
        ("", "let me see", False),
        ("42", "", False),
    ]


def test_a_model_that_did_not_think_this_time_has_answered() -> None:
    reader = ChunkReader(thinks_first=True)
    chunks = [*reader.read("it is "), *reader.read("42"), *reader.finish()]
    assert (text(chunks), reasoning(chunks), reader.thinks_first) == ("it is 42", "", False)
    assert reader.saw_answer


@pytest.mark.parametrize(
    "answer",
    [
        "Models write <think>so</think> first.",
        "The tag `</think>` ends a thought.",
        "For example:\n```\nhm\n</think>\n```\n",
        "<think>hm</think>\n\nIt ends with </think> here.",
    ],
)
def test_a_text_about_these_tags_is_not_taken_for_a_thought(answer: str) -> None:
    for places in ([], list(range(0, len(answer), 3))):
        assert text(read(*cut(answer, places))) == answer.removeprefix("<think>hm</think>\n\n")


def test_a_thought_without_an_answer_is_no_answer() -> None:
    reader = ChunkReader()
    chunks = [*reader.read("hm"), *reader.read("</think>"), *reader.finish()]
    assert (text(chunks), reasoning(chunks), reader.saw_answer) == ("", "hm", False)


async def stream(*chunks: ModelChunk) -> AsyncGenerator[ModelChunk, None]:
    for chunk in chunks:
        yield chunk


THOUGHTFUL = [
    ModelChunk(reasoning="let "),
    ModelChunk(reasoning="me"),
    ModelChunk(text="4"),
    ModelChunk(text="2"),
    ModelChunk(usage={"total_tokens": 1}),
]


async def test_reasoning_is_shown_collapsed_or_left_out() -> None:
    shown = [text async for text in reply_text(stream(*THOUGHTFUL), show_reasoning=True)]
    assert "".join(shown) == ("<details><summary>Reasoning</summary>\n\nlet me\n\n</details>\n\n42")
    hidden = [text async for text in reply_text(stream(*THOUGHTFUL), show_reasoning=False)]
    assert hidden == ["4", "2"]


async def test_reasoning_without_an_answer_is_closed() -> None:
    shown = [text async for text in reply_text(stream(THOUGHTFUL[0]), show_reasoning=True)]
    assert "".join(shown).endswith("let \n\n</details>\n\n")


TAKEN_BACK = [
    ModelChunk(note="The beginning was left out."),
    ModelChunk(text="let me "),
    ModelChunk(reasoning="let me", anew=True),
    ModelChunk(text="42"),
]


@pytest.mark.parametrize(
    ("shows", "reply"),
    [
        (False, "*The beginning was left out.*\n\n42"),
        (
            True,
            "*The beginning was left out.*\n\n<details><summary>Reasoning</summary>\n\nlet me"
            "\n\n</details>\n\n42",
        ),
    ],
)
async def test_a_reply_begins_anew_and_keeps_its_notes(shows: bool, reply: str) -> None:
    seen = ""
    pieces = [piece async for piece in reply_text(stream(*TAKEN_BACK), show_reasoning=shows)]
    for piece in pieces:
        seen = extended(seen, piece)
    assert seen == reply
    assert sum(isinstance(piece, Anew) for piece in pieces) == 1
