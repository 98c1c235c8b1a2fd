"""Models for the magics: one registry and one cache in the background's loop."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from ..chat.history import HistoryEntry, to_langchain
from ..errors import ModelError, ModelFailedError
from ..providers.references import RENAMED
from ..providers.settings import ProviderSettings
from .background import Emit
from .failures import explain

if TYPE_CHECKING:
    from ..providers import ModelCache, ModelChunk, ModelReference, ModelRegistry, ProviderInfo

__all__ = ["Models", "Part"]

_LIMITS = ("allowed_providers", "blocked_providers")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a reply, with the output's metadata about its source.

    ``note`` is a line for the person, not part of the reply.
    """

    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


class Models:
    """The available models. All methods run in one event loop."""

    def __init__(self, settings: ProviderSettings, *, log: logging.Logger) -> None:
        self._settings = settings
        self._log = log
        self._registry: ModelRegistry | None = None
        self._cache: ModelCache | None = None
        self._are_limits_checked = False

    async def registry(self) -> ModelRegistry:
        """Return the registry, loaded: the first call imports LangChain, in a thread."""
        if self._registry is None:
            self._registry = await anyio.to_thread.run_sync(self._load, abandon_on_cancel=True)
        return self._registry

    def _load(self) -> ModelRegistry:
        from ..providers import ModelRegistry

        registry = ModelRegistry(self._settings, log=self._log)
        registry.load()
        return registry

    async def resolve(self, name: str) -> ModelReference:
        """Return the model named ``name``. Raises :class:`ModelError`."""
        return (await self.registry()).resolve(name)

    async def overview(self) -> tuple[list[ProviderInfo], str, list[str]]:
        """Return all providers, the default model with the reason, and broken entry points."""
        from ..providers.unmatched import unmatched_models

        registry = await self.registry()
        try:
            reference, why = registry.default(chat=False)
            default = f"`{reference}` ({why})"
        except ModelError as error:
            default = f"nothing: {explain(error)}"
        unmatched = [name.text for name in unmatched_models(registry)]
        broken = [*map(str, registry.broken), *registry.problems, *unmatched]
        return registry.infos(), default, broken

    async def one_provider(self, provider_id: str) -> tuple[ProviderInfo, list[str], str | None]:
        """Return a provider, its models (requested from an endpoint), and its help text.

        If the endpoint does not answer, its configured models are returned and the text says why.
        Raises :class:`ModelError`.
        """
        registry = await self.registry()
        infos = {info.id: info for info in registry.infos()}
        if provider_id not in infos:
            provider_id = RENAMED.get(provider_id, provider_id)
        ask = partial(registry.list_models, provider_id)
        try:
            models = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
        except ModelFailedError as error:
            info = infos[provider_id]
            return info, list(info.models), f"These were configured: {error.reason}."
        help = getattr(registry.providers[provider_id], "help", None)
        return infos[provider_id], models, help

    async def ask(
        self,
        name: str | None,
        prompt: str,
        *,
        before: Iterable[tuple[str, str]],
        format: str,
        parameters: Mapping[str, Any],
        emit: Emit[Part],
    ) -> None:
        """Emit a model's reply to ``prompt``, with the exchanges ``before`` it.

        Raises :class:`ModelError` and :class:`ConfigurationError`.
        """
        from ..providers import ModelCache, reply_text

        registry = await self.registry()
        for note in self._unmatched_limits(registry):
            emit(Part(note=note))
        reference = registry.resolve(name) if name else registry.default(chat=False)[0]
        registry.check(reference)
        if self._cache is None:
            self._cache = ModelCache(registry)
        cache = self._cache
        metadata = _metadata(str(reference))

        async def remembering(chunks: AsyncGenerator[ModelChunk, None]) -> Any:
            nonlocal metadata
            async with aclosing(chunks):
                async for chunk in chunks:
                    # A fallback may have answered.
                    metadata = _metadata(chunk.model or str(reference))
                    if chunk.note:
                        emit(Part(note=chunk.note))
                        continue
                    if chunk.image and format == "image":
                        chunk = replace(chunk, text=f"\n\n![]({chunk.image})\n\n")
                    yield chunk

        try:
            model = await anyio.to_thread.run_sync(cache.get, reference, parameters)
            template = model.get_prompt_template(format)
            messages = to_langchain(_history(before, template.format(prompt=prompt)))
            chunks = remembering(cache.stream(reference, messages, parameters=parameters))
            texts = reply_text(chunks, show_reasoning=self._settings.show_reasoning)
            async with aclosing(texts):
                async for text in texts:
                    emit(Part(text, metadata))
        except ModelError:
            # Build it again next time: its credentials may be fixed by then.
            self._cache = None
            await cache.aclose()
            raise

    def _unmatched_limits(self, registry: ModelRegistry) -> list[str]:
        """Return, once, a line about each name in the limits that matches nothing."""
        from ..providers.unmatched import unmatched_models

        if self._are_limits_checked:
            return []
        self._are_limits_checked = True
        return [name.text for name in unmatched_models(registry) if name.setting in _LIMITS]

    async def aclose(self) -> None:
        """Close all models; the next use builds new ones."""
        cache, self._cache, self._registry = self._cache, None, None
        if cache is not None:
            await cache.aclose()


def _history(before: Iterable[tuple[str, str]], prompt: str) -> list[HistoryEntry]:
    entries: list[HistoryEntry] = []
    for asked, replied in before:
        entries += HistoryEntry("person", False, asked), HistoryEntry("model", True, replied)
    return [*entries, HistoryEntry("person", False, prompt)]


def _metadata(reference: str) -> dict[str, str]:
    provider_id, _, model_id = reference.partition(":")
    return {"provider_id": provider_id, "model_id": model_id}
