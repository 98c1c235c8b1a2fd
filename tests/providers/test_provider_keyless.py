from __future__ import annotations

import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from jupyter_ai_personas.providers import ModelCache
from jupyter_ai_personas.providers.builtin.keyless import KeylessProvider
from jupyter_ai_personas.routing import NameIndex, find_mentions


def answer(*messages: Any) -> str:
    return str(KeylessProvider(model_id="repeat", delay=0).invoke(list(messages)).content)


def test_it_says_that_it_is_no_model_and_how_to_get_one() -> None:
    text = answer(HumanMessage("What is pi?"))
    assert text.startswith("There is no language model behind this answer")
    assert "`OPENAI_API_KEY`" in text
    # It answers in chats and in cells.
    for way in ("/models", "%ai list", "/model @Name provider:model", "%%ai provider:model"):
        assert f"`{way}`" in text
    assert text.endswith("> What is pi?")


def test_it_repeats_the_newest_question_only() -> None:
    text = answer(
        SystemMessage("be kind"), HumanMessage("first"), AIMessage("x"), HumanMessage("second")
    )
    assert "> second" in text
    assert "first" not in text


@pytest.mark.parametrize("question", ["show me Python", "some code please", "Écris du code"])
def test_a_request_for_code_gets_a_fenced_block(question: str) -> None:
    fence = "```python\n"
    assert fence in answer(HumanMessage(question))
    assert fence not in answer(HumanMessage("what is pi?"))


def test_the_repetition_mentions_nobody_and_is_short() -> None:
    text = answer(HumanMessage("@Guide ask @Data-Analyst\n\n" + "why " * 1000))
    assert find_mentions(text, NameIndex({"g": "Guide", "d": "Data-Analyst", "n": "Name"})) == []
    assert "> Guide ask Data-Analyst why" in text
    assert len(text) < 800


def test_it_reads_the_text_of_a_message_with_blocks() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    blocks: list[Any] = [{"type": "text", "text": "see"}, image, "this"]
    assert answer(HumanMessage(blocks)).endswith("> see this")


@pytest.mark.parametrize("messages", [[], [SystemMessage("x")]])
def test_without_a_question_it_repeats_nothing(messages: list[Any]) -> None:
    assert ">" not in answer(*messages)


async def test_it_streams_words_and_lets_others_run_between_them(make_registry: Any) -> None:
    cache = ModelCache(make_registry())
    model = cache.get("keyless:repeat", {"delay": 0})
    words: list[str] = []
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            await anyio.lowlevel.checkpoint()
            others += 1

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        async for chunk in model.astream([HumanMessage("hi")]):
            words.append(chunk.content)
        group.cancel_scope.cancel()
    assert "".join(words).endswith("> hi")
    assert len(words) > 20
    assert others > 20


async def test_the_delay_is_between_words() -> None:
    model = KeylessProvider(model_id="repeat", delay=0.001)
    started = time.monotonic()
    words = [chunk.content async for chunk in model.astream("hi")]
    assert time.monotonic() - started >= 0.001 * (len(words) - 2)
    assert "".join(words) == "".join(chunk.content for chunk in model.stream("hi"))
