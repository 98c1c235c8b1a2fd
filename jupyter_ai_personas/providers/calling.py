"""Calls of models: streamed where the model can, in a thread where it blocks, bounded in time."""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

import anyio
from langchain_core.language_models.chat_models import BaseChatModel, SimpleChatModel
from langchain_core.language_models.llms import LLM, BaseLLM
from langchain_core.messages import BaseMessage, get_buffer_string

from ..errors import ContextTooLongError, ModelFailedError, ModelTimeoutError
from ..slices import Slices
from .chunks import ChunkReader, ModelChunk, content_text
from .credentials import redact as redact_known
from .failures import gave_nothing, model_error
from .prompts import acceptable, count_tokens, most_tokens, newest, trimmed
from .references import ModelReference

__all__ = ["Learned", "stream_model"]

_AHEAD = 64  # chunks that a blocking model may be ahead of who reads
_CLOSE_TIMEOUT = 2.0  # seconds
_FITS = 0.25
"""The part of what was too long that is sent again, where the vendor names no numbers."""


@dataclass(slots=True)
class Learned:
    """What calls taught about a model, for the next ones.

    ``max_tokens`` is the most that it could read, where it refused more; ``thinks_first`` says that
    its answers begin with reasoning that no tag opens.
    """

    max_tokens: float = math.inf
    thinks_first: bool = False


async def stream_model(
    model: Any,
    messages: Sequence[BaseMessage],
    *,
    reference: ModelReference | str,
    first_chunk_timeout: float | None = None,
    total_timeout: float | None = None,
    redact: Callable[[str], str] = redact_known,
    learned: Learned | None = None,
) -> AsyncGenerator[ModelChunk, None]:
    """Stream the answer of a LangChain model to LangChain messages.

    They are sent as every server accepts them (:func:`~.prompts.acceptable`), the oldest left out
    where the model cannot read them all. A plain LLM gets them joined into one prompt; a provider
    that manages its history gets the newest message. Times are in seconds; the first chunk is the
    first sign of life that the vendor sends, be there text in it or not. Cancelling the task, or
    closing this iterator (``contextlib.aclosing``), closes the HTTP request; a call that only
    blocks is abandoned in its thread.

    A request that is refused for what is in it, before anything came, is made once more with less
    of what was said before, and a note says so. Nothing else is retried here: the vendors'
    LangChain classes do that.

    Raises :class:`RefusedCredentialsError`, :class:`MissingCredentialsError`,
    :class:`RateLimitError`, :class:`ModelTimeoutError`, :class:`UnknownModelError`,
    :class:`ContextTooLongError` and :class:`ModelFailedError`.
    """
    call = _Call(
        model,
        _as_reference(reference),
        _Clock(first_chunk_timeout, total_timeout),
        redact,
        learned or Learned(),
    )
    sent = call.fit(messages)
    begun = False
    try:
        async with aclosing(call.stream(sent)) as chunks:
            async for chunk in chunks:
                begun = True
                yield chunk
        return
    except ModelFailedError as error:
        less = None if begun or not error.refused else call.fewer(sent, error)
        if less is None:
            raise
        refused = error
    note = _TRIMMED if isinstance(refused, ContextTooLongError) else _ALONE
    async with aclosing(call.stream(less)) as chunks:
        async for chunk in chunks:
            if note:
                yield ModelChunk(note=note, model=str(call.reference))
                note = ""
            yield chunk


_TRIMMED = "The conversation is longer than the model can read: its beginning was left out."
_ALONE = "The model refused the conversation so far: this answers the last message alone."


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a model, which may take two requests."""

    model: Any
    reference: ModelReference
    clock: _Clock
    redact: Callable[[str], str]
    learned: Learned

    def fit(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """Return what the model can read of ``messages``."""
        if getattr(self.model, "manages_history", False):
            return newest(messages, system=False)
        most = min(most_tokens(self.model) or math.inf, self.learned.max_tokens)
        if most == math.inf:
            return list(messages)
        return trimmed(messages, most, count_tokens(self.model))

    def fewer(
        self, messages: list[BaseMessage], error: ModelFailedError
    ) -> list[BaseMessage] | None:
        """Return fewer messages than those that were refused, ``None`` if no fewer are left.

        What was too long is remembered, also for the next call.
        """
        if isinstance(error, ContextTooLongError):
            count = count_tokens(self.model)
            self.learned.max_tokens = count(messages) * (error.fits or _FITS)
            less = trimmed(messages, self.learned.max_tokens, count)
        else:
            less = newest(messages)
        return less if len(less) < len(messages) else None

    async def stream(self, messages: Sequence[BaseMessage]) -> AsyncGenerator[ModelChunk, None]:
        """Make one request, and yield what comes."""
        name = str(self.reference)
        reader = ChunkReader(thinks_first=self.learned.thinks_first)
        source = _open(self.model, acceptable(messages))
        try:
            while (raw := await self._next(source)) is not None:
                for chunk in reader.read(raw):
                    yield replace(chunk, model=name)
                if self.clock.slices.is_over:
                    await self.clock.slices.hand_over()
            for chunk in reader.finish():
                yield replace(chunk, model=name)
            self.learned.thinks_first = reader.thinks_first
            if not reader.saw_answer:
                raise ModelFailedError(name, f"{reader.why_empty}. Try again.")
        finally:
            with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True), suppress(Exception):
                await source.aclose()

    async def _next(self, source: AsyncIterator[Any]) -> Any:
        """Return the next raw chunk, or ``None`` at the end; raise errors of our tree only."""
        clock = self.clock
        try:
            with anyio.CancelScope(deadline=clock.deadline) as scope:
                raw = await clock.slices.watch(anext(source, None))
        except Exception as error:
            # A cause is printed with its traceback: one with a secret in it is left out.
            cause = None if self.redact(message := repr(error)) != message else error
            raise model_error(error, self.reference, self.model, self.redact) from cause
        if scope.cancelled_caught:
            raise clock.too_late(self.reference)
        clock.begun()
        return raw


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


def _open(model: Any, messages: Sequence[BaseMessage]) -> AsyncGenerator[Any, None]:
    prompt: Any = list(messages)
    if isinstance(model, BaseLLM):
        prompt = _joined(messages)
    if _is_asynchronous(model):
        return _stream_or_whole(model, prompt)
    return _iterate_in_thread(lambda: model.stream(prompt))


async def _stream_or_whole(model: Any, prompt: Any) -> AsyncGenerator[Any, None]:
    """Stream the raw answer, or ask for all of it at once where the server turns out not to."""
    source = model.astream(prompt)
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
        yield await model.ainvoke(prompt)
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
