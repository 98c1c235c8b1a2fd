"""A bounded cache of built models for one event loop; evicted models are closed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
from langchain_core.messages import BaseMessage

from ..errors import ModelError, ModelTimeoutError
from .building import close_model
from .calling import Learned, stream_model
from .chunks import ModelChunk
from .references import ModelReference
from .registry import ModelRegistry

__all__ = ["ModelCache"]


@dataclass(eq=False, slots=True)
class _Entry:
    model: Any
    users: int = 0
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    learned: Learned = field(default_factory=Learned)


class ModelCache:
    """The models of one event loop, at most ``size``, by reference and parameters.

    Asynchronous HTTP clients belong to the loop that used them first. Each host has its own cache
    and calls :meth:`stream` and :meth:`aclose` only in its loop. The least recently used model is
    evicted, and closed once no :meth:`stream` uses it.
    """

    def __init__(self, registry: ModelRegistry, *, size: int = 32) -> None:
        self.registry = registry
        self._size = size
        self._entries: OrderedDict[tuple[ModelReference, str], _Entry] = OrderedDict()
        self._evicted: list[_Entry] = []
        self._lock = threading.Lock()
        self._building: dict[str, threading.Lock] = {}

    def get(
        self, reference: ModelReference | str, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the model, built if need be. Blocking, safe in any thread.

        Raises what :meth:`ModelRegistry.resolve` and :meth:`ModelRegistry.build` raise.
        """
        return self._entry(reference, parameters).model

    def _entry(
        self,
        reference: ModelReference | str,
        parameters: Mapping[str, Any] | None,
        *,
        users: int = 0,
    ) -> _Entry:
        if isinstance(reference, str):
            reference = self.registry.resolve(reference)
        key = _key(reference, parameters)
        if entry := self._take(key, users):
            return entry
        # One at a time of a provider, without the lock of the event loop: building takes seconds,
        # or never ends.
        with self._lock:
            building = self._building.setdefault(reference.provider_id, threading.Lock())
        with building:
            if entry := self._take(key, users):
                return entry
            entry = _Entry(self.registry.build(reference, parameters=parameters), users)
            with self._lock:
                self._entries[key] = entry
                while len(self._entries) > self._size:
                    self._evicted.append(self._entries.popitem(last=False)[1])
            return entry

    def _take(self, key: tuple[ModelReference, str], users: int) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                entry.users += users
            return entry

    async def stream(
        self,
        reference: ModelReference | str,
        messages: Sequence[BaseMessage],
        *,
        parameters: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> AsyncGenerator[ModelChunk, None]:
        """Stream an answer within the settings' time-outs, by a fallback model if need be.

        ``tools`` are what the model may call: see :func:`~.calling.stream_model`.

        The operator's fallbacks are tried in order when a model fails before its first chunk with
        anything in it; ``ModelChunk.model`` names the model that answers. Raises the first model's
        :class:`ModelError` when all fail, and at once when it is unknown or not allowed. Where
        ``auto`` picked a provider that turns out not to work, the next pick answers, and a note
        says so.
        """
        if isinstance(reference, str):
            reference = self.registry.resolve(reference)
        first_error: ModelError | None = None
        candidates: list[ModelReference | str] = [reference, *self.registry.settings.fallbacks]
        for number, candidate in enumerate(candidates, start=1):
            begun = False
            attempt = self.registry.asked(str(candidate).partition(":")[0])
            try:
                chunks = self._stream_one(candidate, messages, parameters, tools)
                async with aclosing(chunks):
                    async for chunk in chunks:
                        if not begun:
                            self.registry.settled(attempt)
                            self.registry.answered(chunk.model)
                        begun = True
                        yield chunk
                return
            except ModelError as error:
                if begun:
                    raise
                first_error = first_error or error
                if number == len(candidates):
                    other = self.registry.instead_of(reference, first_error)
                    if other is not None:
                        yield ModelChunk(note=f"{first_error} `{other}` answers.", model=str(other))
                        candidates.append(other)
                        reference, first_error = other, None
                if number < len(candidates):
                    self.registry.log.warning("Trying `%s` now. %s", candidates[number], error)
            finally:
                self.registry.settled(attempt)
            parameters = None  # They are the first model's.
        if first_error is not None:
            raise first_error

    async def _stream_one(
        self,
        candidate: ModelReference | str,
        messages: Sequence[BaseMessage],
        parameters: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]],
    ) -> AsyncGenerator[ModelChunk, None]:
        settings = self.registry.settings
        if isinstance(candidate, str):
            candidate = self.registry.resolve(candidate)
        # Building imports the vendor's package, which takes seconds; other turns must not wait.
        entry = await self._entry_in_time(candidate, parameters)
        try:
            async with self._alone_if_need_be(entry):
                chunks = stream_model(
                    entry.model,
                    messages,
                    reference=candidate,
                    first_chunk_timeout=settings.first_chunk_timeout,
                    total_timeout=settings.total_timeout,
                    redact=self.registry.credentials.redact,
                    learned=entry.learned,
                    tools=tools,
                )
                async with aclosing(chunks):
                    async for chunk in chunks:
                        yield chunk
        finally:
            entry.users -= 1
            await self._close_evicted()

    async def _entry_in_time(
        self, reference: ModelReference, parameters: Mapping[str, Any] | None
    ) -> _Entry:
        """Return the entry of a model, which counts one more user; building it is bounded.

        A constructor may never end. It keeps no process from exiting.
        """
        if entry := self._take(_key(reference, parameters), users=1):
            return entry
        abandoned = False
        outcome: Future[_Entry] = Future()
        outcome.set_running_or_notify_cancel()

        def build() -> None:
            try:
                entry = self._entry(reference, parameters, users=1)
            except Exception as error:
                outcome.set_exception(error)
                return
            if abandoned:
                entry.users -= 1
            outcome.set_result(entry)

        threading.Thread(target=build, name=f"build {reference}", daemon=True).start()
        bound = self.registry.settings.first_chunk_timeout
        try:
            with anyio.fail_after(bound):
                return await asyncio.wrap_future(outcome)
        except TimeoutError:
            raise ModelTimeoutError(str(reference), bound or 0, first_chunk=True) from None
        finally:
            abandoned = True

    @staticmethod
    @asynccontextmanager
    async def _alone_if_need_be(entry: _Entry) -> AsyncIterator[None]:
        if getattr(entry.model, "allows_concurrency", True):
            yield
        else:
            async with entry.lock:
                yield

    async def _close_evicted(self) -> None:
        with self._lock:
            unused = [entry for entry in self._evicted if not entry.users]
            self._evicted = [entry for entry in self._evicted if entry.users]
        for entry in unused:
            await close_model(entry.model)

    async def aclose(self) -> None:
        """Close every model that is not in use; call it in the loop that used them."""
        with self._lock:
            self._evicted += self._entries.values()
            self._entries.clear()
        await self._close_evicted()


def _key(
    reference: ModelReference, parameters: Mapping[str, Any] | None
) -> tuple[ModelReference, str]:
    return reference, json.dumps(parameters or {}, sort_keys=True, default=repr)
