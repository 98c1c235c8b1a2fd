from __future__ import annotations

import importlib
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest
from langchain_core.messages import HumanMessage

from jupyter_ai_personas.errors import ModelNotAllowedError
from jupyter_ai_personas.providers import ModelCache
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

ASK = [HumanMessage("why?")]


def test_a_model_is_built_once_for_a_reference_and_its_parameters(cache: ModelCache) -> None:
    model = cache.get("loop:small")
    assert cache.get(cache.registry.resolve("small")) is model
    assert cache.get("loop:small", {"temperature": 0.1}) is not model
    assert cache.get("loop:small", {"temperature": 0.1}).temperature == 0.1
    assert cache.get("loop:large") is not model


def test_threads_that_ask_at_once_get_the_same_model(cache: ModelCache) -> None:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.get("loop:small"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(model) for model in found}) == 1


def test_the_lists_hold_for_cached_models(make_registry: Any) -> None:
    cache = ModelCache(make_registry(blocked_providers=frozenset({"ollama"})))
    with pytest.raises(ModelNotAllowedError):
        cache.get("ollama:m")


async def test_the_model_used_longest_ago_is_closed(
    make_registry: Any, loopback: OpenAIServer, cache: ModelCache
) -> None:
    small = ModelCache(cache.registry, size=2)
    clients = {}
    for name in ("a", "b", "a", "c"):
        [chunk async for chunk in small.stream(f"loop:{name}", ASK)]
        clients[name] = small.get(f"loop:{name}").http_async_client
    closed = {name: client.is_closed for name, client in clients.items()}
    assert closed == {"a": False, "b": True, "c": False}
    await small.aclose()
    assert all(client.is_closed for client in clients.values())


async def test_a_model_in_use_is_closed_only_after_it(
    loopback: OpenAIServer, cache: ModelCache
) -> None:
    small = ModelCache(cache.registry, size=1)
    loopback.answer(Answer(hold_after=1))
    stream = small.stream("loop:a", ASK)
    await anext(stream)
    client = small.get("loop:a").http_async_client
    [chunk async for chunk in small.stream("loop:b", ASK)]
    assert not client.is_closed
    loopback.release()
    rest = "".join([chunk.text async for chunk in stream])
    assert rest == "from the loopback model."
    assert client.is_closed
    await small.aclose()


async def test_a_model_that_allows_no_concurrency_answers_one_after_the_other(
    install: Any, make_registry: Any
) -> None:
    install(
        "alone",
        "import asyncio\n"
        "from jupyter_ai_personas import BaseProvider\n"
        "from langchain_core.language_models.llms import LLM\n"
        "running = []\n"
        "class Alone(BaseProvider, LLM):\n"
        "    id, name, models = 'alone', 'Alone', ['m']\n"
        "    _llm_type = property(lambda self: 'alone')\n"
        "    allows_concurrency = property(lambda self: False)\n"
        "    def _call(self, *args, **kwargs): ...\n"
        "    async def _acall(self, *args, **kwargs):\n"
        "        running.append(1)\n"
        "        most = len(running)\n"
        "        await asyncio.sleep(0.01)\n"
        "        running.pop()\n"
        "        return str(most)\n",
        {"alone": "alone:Alone"},
    )
    cache = ModelCache(make_registry())
    answers: list[str] = []

    async def ask() -> None:
        answers.extend([chunk.text async for chunk in cache.stream("alone:m", ASK)])

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(ask)
    assert answers == ["1"] * 4


async def test_a_model_that_is_slow_to_build_holds_up_no_other(
    install: Any, make_registry: Any, text_of: Any
) -> None:
    install(
        "slow",
        "import threading\n"
        "from jupyter_ai_personas import BaseProvider\n"
        "from langchain_core.language_models.fake import FakeListLLM\n"
        "started, gate = threading.Event(), threading.Event()\n"
        "class Slow(BaseProvider, FakeListLLM):\n"
        "    id, name, models = 'slow', 'Slow', ['slow', 'fast']\n"
        "    def __init__(self, **kwargs):\n"
        "        if kwargs['model_id'] == 'slow':\n"
        "            started.set()\n"
        "            assert gate.wait(10)\n"
        "        super().__init__(responses=['hello'] * 9, **kwargs)\n",
        {"slow": "slow:Slow"},
    )
    cache = ModelCache(make_registry())
    assert await text_of(cache.stream("slow:fast", ASK)) == "hello"
    slow = importlib.import_module("slow")
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(text_of, cache.stream("slow:slow", ASK))
            await anyio.to_thread.run_sync(slow.started.wait)
            assert await text_of(cache.stream("slow:fast", ASK)) == "hello"
            slow.gate.set()
