"""The provider without a model: what it answers, and its former name, `keyless`."""

from __future__ import annotations

import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from jupyter_ai_personas.errors import ModelNotAllowedError
from jupyter_ai_personas.providers import ModelCache, ModelReference, with_extract
from jupyter_ai_personas.providers.builtin.workspace import WorkspaceProvider
from jupyter_ai_personas.routing import NameIndex, find_mentions

EXTRACT = "**[hive.py](/lab/tree/hive.py#line=3)**\n\n```python\n  def bees():\n```\n"


def answer(*messages: Any) -> str:
    return str(WorkspaceProvider(model_id="search", delay=0).invoke(list(messages)).content)


def test_it_says_that_there_is_no_model_and_how_to_get_one() -> None:
    text = answer(HumanMessage("@Guide What is pi?"))
    assert text.startswith("No model is set up here.")
    assert "`OPENAI_API_KEY`" in text
    # It answers in chats and in cells.
    for way in ("/models", "%ai list", "/model @Name provider:model", "%%ai provider:model"):
        assert f"`{way}`" in text
    assert "pi" not in text.split()
    assert find_mentions(text, NameIndex({"g": "Guide", "n": "Name"})) == []


@pytest.mark.parametrize("messages", [[], [SystemMessage("x")], [AIMessage("x")]])
def test_without_a_question_it_says_the_same(messages: list[Any]) -> None:
    assert answer(*messages) == answer(HumanMessage("hi"))


def test_it_answers_with_what_goes_with_the_newest_question() -> None:
    old, new = (with_extract(HumanMessage("bees?"), text) for text in ("old", EXTRACT))
    assert answer(old, AIMessage("x"), new) == EXTRACT
    assert answer(old, AIMessage("x"), HumanMessage("more")) == answer()


def test_what_goes_with_a_question_is_no_part_of_what_other_models_are_sent() -> None:
    from langchain_openai.chat_models.base import _convert_message_to_dict

    sent = _convert_message_to_dict(with_extract(HumanMessage("bees?"), EXTRACT))
    assert sent == {"role": "user", "content": "bees?"}


async def test_it_is_a_fallback_that_answers_with_what_was_found(make_registry: Any) -> None:
    registry = make_registry(fallbacks=["keyless:repeat"])
    messages = [
        HumanMessage("first"),
        HumanMessage("second"),
        with_extract(HumanMessage("bees?"), EXTRACT),
    ]
    chunks = [chunk async for chunk in ModelCache(registry).stream("openai:gpt-4o", messages)]
    assert "".join(chunk.text for chunk in chunks) == EXTRACT
    assert {chunk.model for chunk in chunks} == {"workspace:search"}


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
    assert "".join(words) == answer()
    assert len(words) > 20
    assert others > 20


async def test_the_delay_is_between_words() -> None:
    model = WorkspaceProvider(model_id="search", delay=0.001)
    started = time.monotonic()
    words = [chunk.content async for chunk in model.astream("hi")]
    assert time.monotonic() - started >= 0.001 * (len(words) - 2)
    assert "".join(words) == "".join(chunk.content for chunk in model.stream("hi"))


@pytest.mark.parametrize("name", ["keyless:repeat", "repeat", "workspace:search", "search", "free"])
def test_its_former_names_still_name_it(make_registry: Any, name: str) -> None:
    registry = make_registry(aliases={"free": "keyless:repeat"}, default_model=name)
    assert registry.resolve(name) == ModelReference("workspace", "search")
    assert str(registry.default()[0]) == "workspace:search"


@pytest.mark.parametrize(
    "name", ["keyless", "Keyless", "key*", "keyless:repeat", "keyless:*", "workspace"]
)
def test_lists_of_providers_may_have_its_former_name(make_registry: Any, name: str) -> None:
    allowing = make_registry(allowed_providers=[name])
    assert str(allowing.default()[0]) == "workspace:search"
    with pytest.raises(ModelNotAllowedError):
        allowing.resolve("openai:gpt-4o")
    with pytest.raises(ModelNotAllowedError):
        make_registry(blocked_providers=[name]).resolve("keyless:repeat")


@pytest.mark.parametrize("name", ["keyless", "keyless:repeat", "workspace", "workspace:search"])
def test_its_parameters_may_have_its_former_name(make_registry: Any, name: str) -> None:
    registry = make_registry(model_parameters={name: {"delay": 0.5}})
    assert registry.build(registry.resolve("keyless:repeat")).delay == 0.5
