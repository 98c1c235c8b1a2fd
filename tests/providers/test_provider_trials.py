"""What `auto` picks has been seen to work: a broken package never keeps Guide from answering."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from support.room import room

from jupyter_ai_personas.errors import ModelFailedError, ModelTimeoutError
from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.personas.builtin.guide import Guide
from jupyter_ai_personas.providers import ModelCache, ModelReference, ModelRegistry, trials

# `broken` says when a model of it fails.
SOURCE = """
import asyncio
import os
import threading
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from jupyter_ai_personas import BaseProvider, EnvAuthStrategy
from langchain_core.language_models import FakeListChatModel

class Company(BaseProvider, FakeListChatModel):
    id = "company"
    name = "Company"
    models = ["one"]
    auth_strategy = EnvAuthStrategy("COMPANY_KEY")

    def __init__(self, **kwargs):
        if os.environ.get("BROKEN") == "built":
            raise ValueError("no such account")
        if os.environ.get("BROKEN") == "leaves when built":
            raise SystemExit("no such account")
        if os.environ.get("BROKEN") == "hangs when built":
            threading.Event().wait()
        super().__init__(**{"responses": ["Hello from the company."], **kwargs})

    async def _astream(self, *args, **kwargs):
        match os.environ.get("BROKEN"):
            case "called":
                raise ValueError("the account is closed")
            case "hangs":
                await asyncio.get_running_loop().create_future()
            case "returns nothing":
                return
            case "leaves":
                raise SystemExit("the account is closed")
            case "is interrupted":
                raise KeyboardInterrupt
            case "cancels itself":
                raise asyncio.CancelledError
            case "has other types":
                yield {"text": 3}
                return
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk

    async def _agenerate(self, *args, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage(""))])
"""


@pytest.fixture
def company(install: Any, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A package whose key is set, so `auto` would pick it; `BROKEN` breaks it."""
    install("company_provider", SOURCE, {"company": "company_provider:Company"})
    monkeypatch.setenv("COMPANY_KEY", "x")
    monkeypatch.setenv("BROKEN", "")
    return monkeypatch


async def answer(registry: ModelRegistry, reference: ModelReference | None = None) -> list[Any]:
    """Ask the default model, or `reference`; return the chunks."""
    cache = ModelCache(registry)
    stream = cache.stream(reference or registry.default()[0], [HumanMessage("Who are you?")])
    chunks = [chunk async for chunk in stream]
    await cache.aclose()
    return chunks


async def test_a_package_that_works_is_the_default(make_registry: Any, company: Any) -> None:
    registry = make_registry()
    assert str(registry.default()[0]) == "company:one"
    chunks = await answer(registry)
    assert "".join(chunk.text for chunk in chunks) == "Hello from the company."
    assert not any(chunk.note for chunk in chunks)


async def test_a_package_that_cannot_be_built_is_not(
    make_registry: Any, company: Any, caplog: pytest.LogCaptureFixture
) -> None:
    company.setenv("BROKEN", "built")
    registry = make_registry()
    assert str(registry.default()[0]) == "workspace:search"
    assert "`auto` does not pick `company` any more." in caplog.text
    info = {info.id: info for info in registry.infos()}["company"]
    assert info.problem is not None
    assert "no such account" in info.problem


async def test_one_that_fails_when_it_is_first_asked_is_replaced_in_the_same_answer(
    make_registry: Any, company: Any, caplog: pytest.LogCaptureFixture
) -> None:
    company.setenv("BROKEN", "called")
    registry = make_registry()
    failing = registry.default()[0]
    assert str(failing) == "company:one"
    caplog.set_level(logging.WARNING)
    for _ in range(2):  # also where another process picked it
        chunks = await answer(registry, failing)
        assert "`company:one` failed" in chunks[0].note
        assert "`workspace:search` answers." in chunks[0].note
        assert {chunk.model for chunk in chunks} == {"workspace:search"}
        assert "".join(chunk.text for chunk in chunks)
    assert str(registry.default()[0]) == "workspace:search"


async def test_once_it_has_answered_its_errors_stand(make_registry: Any, company: Any) -> None:
    registry = make_registry()
    await answer(registry)
    company.setenv("BROKEN", "called")
    with pytest.raises(ModelFailedError, match="the account is closed"):
        await answer(registry)
    assert str(registry.default()[0]) == "company:one"


async def test_one_that_is_repaired_while_the_server_runs_is_picked_again_after_it_is_chosen(
    make_registry: Any, company: Any
) -> None:
    company.setenv("BROKEN", "called")
    registry = make_registry()
    chosen = registry.default()[0]
    await answer(registry)
    company.setenv("BROKEN", "")
    assert "".join(chunk.text for chunk in await answer(registry, chosen)).startswith("Hello")
    assert registry.default()[0] == chosen


@pytest.mark.parametrize("broken", ["built", "called"])
async def test_the_operators_own_choice_is_not_replaced(
    make_registry: Any, company: Any, broken: str
) -> None:
    company.setenv("BROKEN", broken)
    registry = make_registry(default_model="company:one")
    with pytest.raises(ModelFailedError):
        await answer(registry)


async def test_what_only_people_chose_is_not_replaced(make_registry: Any, company: Any) -> None:
    company.setenv("BROKEN", "called")
    registry = make_registry()
    with pytest.raises(ModelFailedError, match="the account is closed"):
        await answer(registry, ModelReference("company", "one"))


async def test_without_another_model_the_error_stands(make_registry: Any, company: Any) -> None:
    company.setenv("BROKEN", "called")
    registry = make_registry(allowed_providers=["company"])
    with pytest.raises(ModelFailedError, match="the account is closed"):
        await answer(registry)


async def test_the_operators_fallbacks_come_first(make_registry: Any, company: Any) -> None:
    company.setenv("BROKEN", "called")
    registry = make_registry(fallbacks=["workspace:search"])
    chunks = await answer(registry)
    assert {chunk.model for chunk in chunks} == {"workspace:search"}
    assert str(registry.default()[0]) == "company:one"


BROKEN = (
    *("built", "leaves when built", "hangs when built", "called", "hangs", "returns nothing"),
    *("leaves", "is interrupted", "cancels itself", "has other types"),
)


@pytest.mark.parametrize("broken", BROKEN)
async def test_guide_answers_beside_a_broken_package(
    make_registry: Any, company: Any, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.setenv("BROKEN", broken)
    monkeypatch.setattr(trials, "TRY_SECONDS", 0.2)
    registry = make_registry(first_chunk_timeout=0.2)
    async with room(Guide, models=registry, make_host=ThreadHost) as here:
        for question in ("@Guide what can you do?", "@Guide and what else?"):
            reply = await here.reply(here.say(question))
            assert reply.state == "done"
            assert reply.metadata["usage"]["model"] == "workspace:search"
        assert "the account is closed" not in reply.body


async def test_nobody_else_waits_for_one_that_has_not_begun_to_answer(
    make_registry: Any, company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of one that blocks its thread: its turn is given up, and no outcome is ever known."""
    registry = make_registry()
    assert str(registry.default()[0]) == "company:one"
    attempt = registry.asked("company")
    assert str(registry.default()[0]) == "company:one"
    monkeypatch.setattr(trials, "TRY_SECONDS", 0)
    assert str(registry.default()[0]) == "workspace:search"
    registry.settled(attempt)
    assert str(registry.default()[0]) == "company:one"
    registry.answered("company:one")
    registry.asked("company")
    assert str(registry.default()[0]) == "company:one"


async def test_a_constructor_that_hangs_holds_up_no_other_provider(
    make_registry: Any, company: Any
) -> None:
    registry = make_registry(default_model="company:one", first_chunk_timeout=0.2)
    company.setenv("BROKEN", "hangs when built")
    cache = ModelCache(registry)
    with pytest.raises(ModelTimeoutError):
        await anext(cache.stream("company:one", [HumanMessage("hi")]))
    chunks = [c async for c in cache.stream("workspace:search", [HumanMessage("hi")])]
    assert "".join(chunk.text for chunk in chunks)
