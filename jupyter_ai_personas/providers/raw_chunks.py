"""Streams a LangChain model on the event loop, or in a thread if it blocks."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel, SimpleChatModel
from langchain_core.language_models.llms import LLM, BaseLLM
from langchain_core.messages import BaseMessage, get_buffer_string

from .chunks import content_text
from .failures import gave_nothing

__all__ = ["raw_chunks"]

_AHEAD = 64  # chunks that a blocking model may be ahead of its reader


def raw_chunks(
    model: Any, messages: Sequence[BaseMessage], *, with_tools: Any = None
) -> AsyncGenerator[Any, None]:
    """Stream what ``model`` says, as LangChain has it: strings of an LLM, or message chunks.

    ``with_tools`` is the same model with tools bound to it, which is called then. Raises whatever
    the model raises.
    """
    called = model if with_tools is None else with_tools
    prompt: Any = list(messages)
    if isinstance(model, BaseLLM):
        prompt = _joined(messages)
    if _is_asynchronous(model):
        return _stream_or_whole(model, called, prompt)
    return _iterate_in_thread(lambda: called.stream(prompt))


async def _stream_or_whole(model: Any, called: Any, prompt: Any) -> AsyncGenerator[Any, None]:
    """Stream the raw answer, or ask for all of it at once where the server turns out not to."""
    source = called.astream(prompt)
    anything = False
    try:
        async with aclosing(source):
            async for raw in source:
                anything = True
                yield raw
        return
    except Exception as error:
        # LangChain's own switch, on a model that is ours.
        streams = getattr(model, "disable_streaming", None) is False
        if anything or not streams or not gave_nothing(error):
            raise
    model.disable_streaming = True
    try:
        yield await called.ainvoke(prompt)
    except BaseException:
        model.disable_streaming = False  # It was not that.
        raise


def _joined(messages: Sequence[BaseMessage]) -> str:
    if len(messages) == 1:
        return content_text(messages[0].content)
    return f"{get_buffer_string(messages)}\nAI:"


def _is_asynchronous(model: Any) -> bool:
    """Return whether the model has code of its own for the way it would be called on a loop.

    LangChain's own fallbacks run a blocking call in the loop's default executor, which a few
    hanging calls fill up, and which keeps the loop from closing.
    """
    for base in (SimpleChatModel, BaseChatModel, LLM, BaseLLM):
        if isinstance(model, base):

            def own(method: str, base: type = base) -> bool:
                return getattr(type(model), method, None) is not getattr(base, method, None)

            return own("_astream") or (not own("_stream") and (own("_agenerate") or own("_acall")))
    return True


async def _iterate_in_thread(iterate: Callable[[], Iterator[Any]]) -> AsyncGenerator[Any, None]:
    """Yield what a blocking iterator yields, run in a daemon thread with the task's context."""
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[tuple[bool, Any]] = asyncio.Queue()
    ahead = threading.Semaphore(_AHEAD)
    stopped = threading.Event()

    def put(is_chunk: bool, value: Any) -> None:
        with suppress(RuntimeError):  # The loop is closed: there is no reader.
            loop.call_soon_threadsafe(items.put_nowait, (is_chunk, value))

    def work() -> None:
        try:
            for item in iterate():
                ahead.acquire()
                if stopped.is_set():
                    return
                put(True, item)
        except Exception as error:
            put(False, error)
        except BaseException as error:
            # Such as SystemExit, which would end the loop that it is raised in.
            put(False, RuntimeError(f"it raised {type(error).__name__}"))
        else:
            put(False, None)

    threading.Thread(
        target=contextvars.copy_context().run, args=(work,), name="blocking model", daemon=True
    ).start()
    try:
        while True:
            is_chunk, value = await items.get()
            if is_chunk:
                ahead.release()
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        stopped.set()
        ahead.release()
