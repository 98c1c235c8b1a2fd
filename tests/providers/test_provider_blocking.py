"""Calls of models that block, of plain LLMs, and of providers with ways of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from langchain_core.language_models.chat_models import BaseChatModel, SimpleChatModel
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from model_calls import WAIT, call

from jupyter_ai_personas.errors import (
    ModelFailedError,
    ModelTimeoutError,
    RefusedCredentialsError,
)


def chunk_of(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


class Blocking(BaseChatModel):
    """Streams, but knows no asynchronous way; stops when asked to at its second chunk."""

    gate: Any = None
    seen: Any = None

    @property
    def _llm_type(self) -> str:
        return "blocking"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="whole"))])

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        try:
            self.seen.append(threading.current_thread())
            yield chunk_of("a")
            assert self.gate.wait(WAIT)
            yield chunk_of("b")
            self.seen.append("went on")
        finally:
            self.seen.append("closed")


class Stop(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), Stop()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("first", [True, False], ids=["at once", "after a chunk"])
async def test_whatever_a_blocking_model_raises_ends_the_call(
    error: BaseException, first: bool
) -> None:
    class Raises(Blocking):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            if not first:
                yield chunk_of("a")
            raise error

    with pytest.raises(ModelFailedError), anyio.fail_after(10):
        async for _ in call(Raises(seen=[])):
            pass


async def test_a_model_that_only_blocks_streams_from_a_thread() -> None:
    model = Blocking(gate=threading.Event(), seen=[])
    stream = call(model)
    assert (await anext(stream)).text == "a"
    # The loop is free while the model blocks.
    model.gate.set()
    assert [chunk.text async for chunk in stream] == ["b"]
    thread = model.seen[0]
    assert thread is not threading.current_thread()
    assert thread.daemon


async def test_stopping_a_model_that_blocks_does_not_wait_for_it() -> None:
    model = Blocking(gate=threading.Event(), seen=[])
    stream = call(model)
    await anext(stream)
    await stream.aclose()
    assert model.seen[1:] == [], "it did not wait for the model"
    model.gate.set()
    await anyio.to_thread.run_sync(model.seen[0].join, WAIT)
    assert model.seen[1:] == ["closed"]


async def test_a_first_chunk_time_out_holds_for_a_model_that_blocks() -> None:
    class Stuck(SimpleChatModel):
        gate: Any

        @property
        def _llm_type(self) -> str:
            return "stuck"

        def _call(self, *args: Any, **kwargs: Any) -> str:
            assert self.gate.wait(WAIT)
            return ""

    gate = threading.Event()
    with pytest.raises(ModelTimeoutError):
        await anext(call(Stuck(gate=gate), first_chunk_timeout=0.05))
    gate.set()


class Plain(LLM):
    def _call(self, prompt: str, *args: Any, **kwargs: Any) -> str:
        if prompt == "fail":
            raise OSError("no such device")
        return f"[{prompt}] in {threading.current_thread().name}"

    @property
    def _llm_type(self) -> str:
        return "plain"


async def test_a_plain_llm_gets_one_prompt_in_a_thread(text_of: Any) -> None:
    assert await text_of(call(Plain(), [HumanMessage("hi")])) == "[hi] in blocking model"
    text = await text_of(call(Plain(), [SystemMessage("s"), HumanMessage("h"), AIMessage("a")]))
    assert text.startswith("[System: s\nHuman: h\nAI: a\nAI:]")


async def test_what_a_blocking_model_raises_is_mapped() -> None:
    with pytest.raises(ModelFailedError, match="no such device") as caught:
        await anext(call(Plain(), [HumanMessage("fail")]))
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_path_is_not_shown() -> None:
    class Reads(Plain):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            raise FileNotFoundError(2, "No such file or directory", "/home/somebody/weights")

    with pytest.raises(ModelFailedError, match="No such file or directory") as caught:
        await anext(call(Reads()))
    assert "somebody" not in str(caught.value)


async def test_a_provider_that_keeps_the_history_gets_the_newest_message(text_of: Any) -> None:
    class Keeps(Plain):
        manages_history: bool = True

    assert (await text_of(call(Keeps(), [HumanMessage("a"), HumanMessage("b")])))[:3] == "[b]"


async def test_is_api_key_exc_is_honoured() -> None:
    class Own(Plain):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            raise ValueError("status code 401")

        @classmethod
        def is_api_key_exc(cls, error: Exception) -> bool:
            return "401" in str(error)

    with pytest.raises(RefusedCredentialsError):
        await anext(call(Own()))


async def test_an_is_api_key_exc_that_fails_hides_nothing() -> None:
    class Own(Plain):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            raise ValueError("the real reason")

        @classmethod
        def is_api_key_exc(cls, error: Any) -> bool:
            return bool(error.json_body["error"])

    with pytest.raises(ModelFailedError, match="the real reason"):
        await anext(call(Own()))


async def test_a_model_that_never_suspends_lets_others_run() -> None:
    turns = 0

    class Busy(Blocking):
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            # It goes on until others have had their turns; they get none where it holds the loop.
            until = time.monotonic() + WAIT
            while turns < 5 and time.monotonic() < until:
                yield chunk_of("x")

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        async for _ in call(Busy(seen=[])):
            pass
        group.cancel_scope.cancel()
    assert turns >= 5
