"""Calls of models: streamed where the model can, in a thread where it blocks, bounded in time."""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import anyio
from langchain_core.language_models.chat_models import BaseChatModel, SimpleChatModel
from langchain_core.language_models.llms import LLM, BaseLLM
from langchain_core.messages import BaseMessage, get_buffer_string

from ..errors import ModelFailedError, ModelTimeoutError
from ..slices import Slices
from .chunks import ChunkReader, ModelChunk, content_text
from .credentials import redact as redact_known
from .failures import model_error
from .references import ModelReference

__all__ = ["stream_model"]

_AHEAD = 64  # chunks that a blocking model may be ahead of who reads
_CLOSE_TIMEOUT = 2.0  # seconds


async def stream_model(
    model: Any,
    messages: Sequence[BaseMessage],
    *,
    reference: ModelReference | str,
    first_chunk_timeout: float | None = None,
    total_timeout: float | None = None,
    redact: Callable[[str], str] = redact_known,
) -> AsyncGenerator[ModelChunk, None]:
    """Stream the answer of a LangChain model to LangChain messages.

    A plain LLM gets the messages joined into one prompt; a provider that manages its history gets
    the newest message. Times are in seconds; the first chunk is the first sign of life that the
    vendor sends, be there text in it or not. Cancelling the task, or closing this iterator
    (``contextlib.aclosing``), closes the HTTP request; a call that only blocks is abandoned in its
    thread. Nothing is retried here: the vendors' LangChain classes do that.

    Raises :class:`RefusedCredentialsError`, :class:`MissingCredentialsError`,
    :class:`RateLimitError`, :class:`ModelTimeoutError`, :class:`UnknownModelError` and
    :class:`ModelFailedError`.
    """
    reference = _as_reference(reference)
    name = str(reference)
    clock = _Clock(first_chunk_timeout, total_timeout)
    reader = ChunkReader()
    source = _open(model, messages)
    try:
        while (raw := await _next(source, clock, reference, model, redact)) is not None:
            for chunk in reader.read(raw):
                yield replace(chunk, model=name)
            if clock.slices.is_over:
                await clock.slices.hand_over()
        for chunk in reader.finish():
            yield replace(chunk, model=name)
        if not reader.saw_answer:
            raise ModelFailedError(name, f"{reader.why_empty}. Try again.")
    finally:
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True), suppress(Exception):
            await source.aclose()


def _as_reference(reference: ModelReference | str) -> ModelReference:
    if isinstance(reference, ModelReference):
        return reference
    provider_id, _, model_id = reference.partition(":")
    return ModelReference(provider_id, model_id)


class _Clock:
    """The bounds of one call, in the event loop's time, and its turns of that loop."""

    def __init__(self, first_chunk: float | None, total: float | None) -> None:
        self._first_chunk = math.inf if first_chunk is None else first_chunk
        self._total = math.inf if total is None else total
        began = anyio.current_time()
        self._end = began + self._total
        self.deadline = began + min(self._first_chunk, self._total)
        self.slices = Slices()

    def begun(self) -> None:
        """Note that a chunk has come: from now on the whole call is bounded, if anything is."""
        self.deadline = self._end

    def too_late(self, reference: ModelReference) -> ModelTimeoutError:
        """Return the error to raise where the deadline has passed."""
        is_first = self.deadline < self._end
        bound = self._first_chunk if is_first else self._total
        return ModelTimeoutError(str(reference), bound, first_chunk=is_first)


async def _next(
    source: AsyncIterator[Any],
    clock: _Clock,
    reference: ModelReference,
    model: Any,
    redact: Callable[[str], str],
) -> Any:
    """Return the next raw chunk, or ``None`` at the end; raise errors of our tree only."""
    try:
        with anyio.CancelScope(deadline=clock.deadline) as scope:
            raw = await clock.slices.watch(anext(source, None))
    except Exception as error:
        # A cause is printed with its traceback: one with a secret in it is left out.
        cause = None if redact(message := repr(error)) != message else error
        raise model_error(error, reference, model, redact) from cause
    if scope.cancelled_caught:
        raise clock.too_late(reference)
    clock.begun()
    return raw


def _open(model: Any, messages: Sequence[BaseMessage]) -> AsyncGenerator[Any, None]:
    if getattr(model, "manages_history", False):
        messages = messages[-1:]
    prompt: Any = list(messages)
    if isinstance(model, BaseLLM):
        prompt = _joined(messages)
    if _is_asynchronous(model):
        return cast("AsyncGenerator[Any, None]", model.astream(prompt))
    return _iterate_in_thread(lambda: model.stream(prompt))


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
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
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
