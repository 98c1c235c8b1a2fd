"""Calls of models: messages, time limits, and the second try of a refused request."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

import anyio
from langchain_core.messages import BaseMessage, ToolMessage

from ..errors import ContextTooLongError, ModelError, ModelFailedError, ModelTimeoutError
from ..slices import Slices
from .chunks import ChunkReader, ModelChunk
from .credentials import redact as redact_known
from .failures import model_error
from .faults import as_fault
from .prompts import acceptable, count_tokens, most_tokens, newest, trimmed
from .raw_chunks import raw_chunks
from .references import ModelReference
from .tool_calling import bound, refuses_tools

__all__ = ["Learned", "stream_model"]

_CLOSE_TIMEOUT = 2.0  # seconds
_FITS = 0.25
"""The fraction of a too long request that is sent again if the vendor names no numbers."""

_TRIMMED = "The conversation is longer than the model can read: its beginning was left out."
_NO_TOOLS = "This model takes no tools: it answers without them."
_ALONE = "The model refused the conversation so far: this answers the last message alone."


@dataclass(slots=True)
class Learned:
    """Facts about a model that earlier calls revealed.

    ``max_tokens`` is the most that it could read, where it refused more; ``thinks_first`` says that
    its answers begin with reasoning that no tag opens; ``no_tools`` that it takes no tools, and
    ``told_no_tools`` that people have been told so.
    """

    max_tokens: float = math.inf
    thinks_first: bool = False
    no_tools: bool = False
    told_no_tools: bool = False

    def no_tools_note(self) -> list[str]:
        """Return the note that the model takes no tools, the first time."""
        told, self.told_no_tools = self.told_no_tools, True
        return [] if told else [_NO_TOOLS]


async def stream_model(
    model: Any,
    messages: Sequence[BaseMessage],
    *,
    reference: ModelReference | str,
    first_chunk_timeout: float | None = None,
    total_timeout: float | None = None,
    redact: Callable[[str], str] = redact_known,
    learned: Learned | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
) -> AsyncGenerator[ModelChunk, None]:
    """Stream the answer of a LangChain model to LangChain messages.

    They are sent as every server accepts them (:func:`~.prompts.acceptable`), the oldest left out
    where the model cannot read them all. A plain LLM gets them joined into one prompt; a provider
    that manages its history gets the newest message. Times are in seconds; the first chunk is the
    first sign of life that the vendor sends, be there text in it or not. Cancelling the task, or
    closing this iterator (``contextlib.aclosing``), closes the HTTP request; a call that only
    blocks is abandoned in its thread.

    ``tools`` are what the model may call, in OpenAI's function format; an answer that does ends
    with a chunk that has the whole ``answer``. A model that takes no tools answers without
    them, and a note says so.

    If the model refuses the content of a request before any output, the request is repeated once
    with less history, and a note says so. Nothing else is retried here: the vendors'
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
        tools,
    )
    sent = call.fit(messages)
    notes: list[str] = []
    if tools and not call.binds_tools():
        call, notes = replace(call, tools=()), call.learned.no_tools_note()
    is_shorter = begun = False
    while True:
        try:
            async with aclosing(call.stream(sent)) as chunks:
                async for chunk in chunks:
                    begun = True
                    for note in notes:
                        yield ModelChunk(note=note, model=str(call.reference))
                    notes = []
                    yield chunk
            return
        except ModelError as error:
            if begun:
                raise
            if call.tools and refuses_tools(error, sent):
                call.learned.no_tools = True
                call = replace(call, tools=())
                notes += call.learned.no_tools_note()
                continue
            is_refused = isinstance(error, ModelFailedError) and error.refused
            less = call.fewer(sent, error) if is_refused and not is_shorter else None
            if less is None:
                raise
            is_shorter, sent = True, less
            notes.append(_TRIMMED if isinstance(error, ContextTooLongError) else _ALONE)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a model, which may take two requests."""

    model: Any
    reference: ModelReference
    clock: _Clock
    redact: Callable[[str], str]
    learned: Learned
    tools: Sequence[Mapping[str, Any]] = ()

    def binds_tools(self) -> bool:
        """Return whether the model can be given the tools, as far as is known."""
        return not self.learned.no_tools and self._with_tools() is not None

    def _with_tools(self) -> Any:
        try:
            return bound(self.model, self.tools)
        except Exception as error:
            raise model_error(error, self.reference, self.model, self.redact) from None

    def fit(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """Return what the model can read of ``messages``."""
        if getattr(self.model, "manages_history", False):
            return newest(messages, system=False)
        most = min(most_tokens(self.model) or math.inf, self.learned.max_tokens)
        if most == math.inf:
            return list(messages)
        return trimmed(messages, most, count_tokens(self.model))

    def fewer(self, messages: list[BaseMessage], error: ModelError) -> list[BaseMessage] | None:
        """Return fewer messages than those that were refused, ``None`` if no fewer are left.

        A conversation that was too long is remembered for the next call.
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
        reader = ChunkReader(thinks_first=self.learned.thinks_first, has_tools=bool(self.tools))
        with_tools = self._with_tools() if self.tools else None
        source = raw_chunks(self.model, acceptable(messages), with_tools=with_tools)
        try:
            while (raw := await self._next(source)) is not None:
                for chunk in reader.read(raw):
                    yield replace(chunk, model=name)
                if self.clock.slices.is_over:
                    await self.clock.slices.hand_over()
            for chunk in reader.finish():
                yield replace(chunk, model=name)
            self.learned.thinks_first = reader.thinks_first
            # After its calls, a model may have nothing to add.
            is_done = bool(messages) and isinstance(messages[-1], ToolMessage)
            if not (reader.saw_answer or reader.calls_tools or is_done):
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
        except BaseException as raised:
            if (error := as_fault(raised)) is None:
                raise
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
