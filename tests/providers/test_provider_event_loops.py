"""Personas run in several event loops at once: no asynchronous client may be shared by two."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from test_provider_vendors import ANTHROPIC

from jupyter_ai_personas.providers import Endpoint, ModelCache
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

KEY = "loopback-secret-0123456789"
HELLO = "Hello from the loopback model."
ASK = [HumanMessage("why?")]
WAIT = 180.0
"""Seconds after which something is taken never to come: the first use imports a package."""
REFERENCES = ["loop:m", "openai:gpt-4o", "groq:m", "mistral:m", "anthropic:m"]


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(WAIT)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(WAIT)
        self.loop.close()


def hello(reference: str) -> str:
    return "Hello there" if reference.startswith("anthropic") else HELLO


async def ask(cache: ModelCache, reference: str) -> str:
    return "".join([chunk.text async for chunk in cache.stream(reference, ASK)])


async def ask_often(cache: ModelCache, reference: str) -> list[str]:
    return await asyncio.gather(*(ask(cache, reference) for _ in range(8)))


@pytest.fixture
def registry(make_registry: Any, loopback: OpenAIServer) -> Any:
    root = loopback.url.removesuffix("/v1")
    return make_registry(
        endpoints={"loop": Endpoint(base_url=loopback.url, key_variable="LOOP_KEY")},
        credentials={
            f"{name}_KEY": KEY
            for name in ("LOOP", "OPENAI_API", "GROQ_API", "MISTRAL_API", "ANTHROPIC_API")
        },
        model_parameters={
            "openai": {"base_url": loopback.url},
            "groq": {"base_url": root},
            "mistral": {"base_url": loopback.url},
            "anthropic": {"base_url": root},
        },
    )


@pytest.fixture(params=REFERENCES)
def reference(request: pytest.FixtureRequest, loopback: OpenAIServer) -> str:
    if request.param.startswith("anthropic"):
        loopback.key = None  # An older client sends it in another header.
        events = {"Content-Type": "text/event-stream"}
        loopback.answer(*[Answer(body=ANTHROPIC, headers=events)] * 48)
    return str(request.param)


def test_two_loops_in_two_threads_answer_at_the_same_time(registry: Any, reference: str) -> None:
    loops = [Loop(), Loop()]
    caches = [ModelCache(registry), ModelCache(registry)]
    answers: list[list[str]] = [[], []]

    def work(number: int) -> None:
        for _ in range(3):
            answers[number] += loops[number].run(lambda: ask_often(caches[number], reference))

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    for loop, cache in zip(loops, caches, strict=True):
        loop.run(cache.aclose)
        loop.close()
    assert [set(answer) for answer in answers] == [{hello(reference)}] * 2
    assert len(answers[0]) == len(answers[1]) == 24


def test_a_loop_that_ended_with_open_connections_harms_no_other(
    registry: Any, reference: str
) -> None:
    first, second = Loop(), Loop()
    abandoned, cache = ModelCache(registry), ModelCache(registry)
    assert first.run(lambda: ask(abandoned, reference)) == hello(reference)
    second.run(lambda: ask(cache, reference))
    first.run(abandoned.aclose)
    first.close()
    assert second.run(lambda: ask(cache, reference)) == hello(reference)
    second.run(cache.aclose)
    second.close()


def test_each_model_has_a_client_of_its_own(registry: Any) -> None:
    for reference in ("loop:m", "openai:gpt-4o", "groq:m"):
        models = [ModelCache(registry).get(reference) for _ in range(2)]
        clients = {id(model.http_async_client) for model in models}
        assert len(clients) == 2


def test_closing_a_cache_closes_its_clients(registry: Any) -> None:
    loop, cache = Loop(), ModelCache(registry)
    loop.run(lambda: ask(cache, "loop:m"))
    client = cache.get("loop:m").http_async_client
    assert not client.is_closed
    loop.run(cache.aclose)
    loop.close()
    assert client.is_closed
