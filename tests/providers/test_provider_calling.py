"""Calls of the real `langchain-openai` against the loopback server."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from model_calls import ASK, WAIT, until
from support.clock import ahead

from jupyter_ai_personas.errors import (
    ModelFailedError,
    ModelTimeoutError,
    RateLimitError,
    RefusedCredentialsError,
    UnknownModelError,
)
from jupyter_ai_personas.providers import ModelCache, stream_model
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

HELLO = "Hello from the loopback model."


def ask(cache: ModelCache, reference: str = "loop:small", **more: Any) -> Any:
    return cache.stream(reference, ASK, **more)


async def keep(stream: Any, texts: list[str]) -> None:
    """Collect into `texts`, so that what came before an error is kept."""
    async for chunk in stream:
        texts.append(chunk.text)


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_an_answer_streams_with_its_usage_and_its_model(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    chunks = [chunk async for chunk in ask(cache)]
    assert [chunk.text for chunk in chunks[:2]] == ["Hello ", "from "]
    assert "".join(chunk.text for chunk in chunks) == HELLO
    assert chunks[-1].usage == {"input_tokens": 1, "output_tokens": 5, "total_tokens": 6}
    assert {chunk.model for chunk in chunks} == {"loop:small"}
    (request,) = loopback.requests
    assert request.json["model"] == "small"
    assert request.json["messages"] == [{"role": "user", "content": "why?"}]


async def test_the_first_chunk_arrives_before_the_last_is_sent(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(hold_after=1))
    stream = ask(cache)
    with anyio.fail_after(WAIT):
        assert (await anext(stream)).text == "Hello "
        loopback.release()
        assert "".join([chunk.text async for chunk in stream]) == HELLO.removeprefix("Hello ")


async def test_an_endpoint_that_wants_to_call_a_tool_says_so(
    cache: ModelCache, loopback: OpenAIServer, text_of: Any
) -> None:
    function = {"name": "search", "arguments": '{"q": "pi"}'}
    call = {"index": 0, "id": "call_1", "type": "function", "function": function}
    loopback.answer(Answer(deltas=[{"tool_calls": [call]}], text="", finish_reason="tool_calls"))
    assert "asked to call `search`" in await text_of(ask(cache))


async def test_refused_credentials_name_the_variable(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.key = "another"
    with pytest.raises(RefusedCredentialsError, match="must check `LOOP_KEY`") as caught:
        await anext(ask(cache))
    assert caught.value.provider_id == "loop"


async def test_a_rate_limit_is_retried_after_the_time_that_the_vendor_asks_for(
    cache: ModelCache, loopback: OpenAIServer, text_of: Any
) -> None:
    loopback.answer(Answer(status=429, headers={"Retry-After": "1"}))
    started = time.monotonic()
    assert await text_of(ask(cache)) == HELLO
    assert time.monotonic() - started >= 1
    assert len(loopback.requests) == 2


async def test_a_lasting_rate_limit_says_when_to_come_back(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(status=429, headers={"Retry-After": "7"}))
    with pytest.raises(RateLimitError, match="Try again in 7 seconds") as caught:
        await anext(ask(cache, parameters={"max_retries": 0}))
    assert caught.value.retry_after == 7


async def test_a_server_error_is_retried_with_backoff(
    cache: ModelCache, loopback: OpenAIServer, text_of: Any
) -> None:
    loopback.answer(Answer(status=500))
    assert await text_of(ask(cache)) == HELLO


async def test_a_lasting_server_error_says_so(cache: ModelCache, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(status=503, text="upstream at /secret/path"))
    with pytest.raises(ModelFailedError, match=r"HTTP status 503\. Try again") as caught:
        await anext(ask(cache, parameters={"max_retries": 0}))
    assert "/secret/path" not in str(caught.value)


async def test_a_refused_request_shows_the_vendors_sentence(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(status=400, text="This model's maximum context length is 10 tokens."))
    with pytest.raises(ModelFailedError, match="failed: This model's maximum context length"):
        await anext(ask(cache))


async def test_an_unknown_model_is_named_with_near_matches(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.models = ["small", "large"]
    with pytest.raises(UnknownModelError, match=r"no model `smal`\. Did you mean `small`"):
        await anext(ask(cache, "loop:smal"))
    # One that the operator listed by mistake is not proposed again.
    loopback.models = ["large"]
    with pytest.raises(UnknownModelError, match="no model `small`") as caught:
        await anext(ask(cache, "loop:small"))
    assert "Did you mean" not in str(caught.value)


async def test_a_connection_cut_in_the_middle_keeps_what_came(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(cut_after=2))
    texts: list[str] = []
    with pytest.raises(ModelFailedError, match="connection was cut before the end"):
        await keep(ask(cache), texts)
    assert texts == ["Hello ", "from "]


async def test_a_malformed_chunk_is_a_failure_and_not_a_traceback(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(events=['{"id": "chatcmpl', "not json"]))
    with pytest.raises(ModelFailedError, match="not in the provider's format"):
        await anext(ask(cache))


async def test_an_empty_answer_is_a_failure(cache: ModelCache, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text=""))
    with pytest.raises(ModelFailedError, match="empty answer"):
        [chunk async for chunk in ask(cache)]


async def test_a_server_that_is_not_there_cannot_be_reached(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.close()
    with pytest.raises(ModelFailedError, match="cannot be reached"):
        await anext(ask(cache, parameters={"max_retries": 0}))


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
async def test_a_huge_answer_arrives_whole_while_others_run(
    cache: ModelCache, loopback: OpenAIServer, text_of: Any, count: int
) -> None:
    pieces = [f"{number} " for number in range(count)]
    loopback.answer(Answer(text=pieces))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        assert await text_of(ask(cache)) == "".join(pieces)
        group.cancel_scope.cancel()
    assert turns > 20


async def test_cancelling_while_waiting_closes_the_request(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(hold_after=0))
    async with anyio.create_task_group() as group:
        group.start_soon(drain, ask(cache))
        await until(loopback.wait_for_hold)
        group.cancel_scope.cancel()
    await until(loopback.wait_for_disconnect)


async def test_closing_the_stream_between_chunks_closes_the_request(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(hold_after=1))
    stream = ask(cache)
    await anext(stream)
    await stream.aclose()
    await until(loopback.wait_for_disconnect)


async def test_no_first_chunk_in_time_closes_the_request_and_says_so(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(hold_after=0))
    model = await anyio.to_thread.run_sync(cache.get, "loop:small")
    stream = stream_model(
        model, ASK, reference="loop:small", first_chunk_timeout=300, total_timeout=600
    )
    told: list[str] = []

    async def wait_for_the_first() -> None:
        with pytest.raises(ModelTimeoutError) as caught:
            await anext(stream)
        told.append(str(caught.value))

    with ahead() as forward:
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_the_first)
            await until(loopback.wait_for_hold)
            forward(300)
    assert "did not begin to answer within 300 seconds" in told[0]
    await until(loopback.wait_for_disconnect)


async def test_no_end_in_time_closes_the_request_and_keeps_what_came(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(hold_after=2))
    model = await anyio.to_thread.run_sync(cache.get, "loop:small")
    texts: list[str] = []
    stream = stream_model(
        model, ASK, reference="loop:small", first_chunk_timeout=600, total_timeout=300
    )
    told: list[str] = []

    async def read() -> None:
        with pytest.raises(ModelTimeoutError) as caught:
            await keep(stream, texts)
        told.append(str(caught.value))

    with ahead() as forward:
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await until(loopback.wait_for_hold)
            with anyio.fail_after(WAIT):
                while len(texts) < 2:
                    await anyio.lowlevel.checkpoint()
            forward(300)
    assert "did not finish within 300 seconds" in told[0]
    assert texts == ["Hello ", "from "]
    await until(loopback.wait_for_disconnect)


async def test_a_key_that_the_vendor_quotes_is_not_shown_nor_logged(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    text = "You sent loopback-secret-0123456789, which is odd."
    loopback.answer(Answer(status=400, text=text))
    with pytest.raises(ModelFailedError, match=r"You sent \[secret\], which") as caught:
        await anext(ask(cache))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_fallback_answers_when_the_first_model_fails(
    loopback: OpenAIServer, cache: ModelCache, caplog: pytest.LogCaptureFixture
) -> None:
    object.__setattr__(cache.registry.settings, "fallbacks", ("loop:unheard:of", "loop:large"))
    loopback.models = ["large"]
    with caplog.at_level(logging.WARNING):
        chunks = [chunk async for chunk in ask(cache)]
    assert {chunk.model for chunk in chunks} == {"loop:large"}
    assert "Trying `loop:large` now" in caplog.text


async def test_a_fallback_does_not_get_the_first_models_parameters(
    loopback: OpenAIServer, cache: ModelCache
) -> None:
    object.__setattr__(cache.registry.settings, "fallbacks", ("loop:large",))
    loopback.models = ["large"]
    stream = cache.stream("loop:small", ASK, parameters={"seed": 7})
    assert {chunk.model async for chunk in stream} == {"loop:large"}
    assert [request.json.get("seed") for request in loopback.requests] == [7, None]


async def test_no_fallback_answers_once_the_first_model_has_begun(
    loopback: OpenAIServer, cache: ModelCache
) -> None:
    object.__setattr__(cache.registry.settings, "fallbacks", ("loop:large",))
    loopback.answer(Answer(cut_after=1))
    with pytest.raises(ModelFailedError):
        [chunk async for chunk in ask(cache)]
    assert len(loopback.requests) == 1


async def test_the_first_models_error_is_raised_when_all_fail(
    loopback: OpenAIServer, cache: ModelCache
) -> None:
    object.__setattr__(cache.registry.settings, "fallbacks", ("nonsense:x", "openai:gpt-4o"))
    loopback.answer(Answer(status=400, text="first"))
    with pytest.raises(ModelFailedError, match="first"):
        await anext(ask(cache))
