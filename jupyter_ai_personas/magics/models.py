"""Models for the magics: one registry and one cache, which belong to the background's loop."""

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


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a reply, and what the output's metadata say of where it comes from.

    ``note`` is a line for the person that is no part of the reply.
    """

    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


class Models:
    """The models that can be asked. All methods run in one event loop."""

    def __init__(self, settings: ProviderSettings, *, log: logging.Logger) -> None:
        self._settings = settings
        self._log = log
        self._registry: ModelRegistry | None = None
        self._cache: ModelCache | None = None

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
        """Return the model that ``name`` means. Raises :class:`ModelError`."""
        return (await self.registry()).resolve(name)

    async def overview(self) -> tuple[list[ProviderInfo], str, list[str]]:
        """Return all providers, the default model and why it is that, and what is broken."""
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
        """Return a provider, its models (an endpoint is asked for them), and its help text.

        An endpoint that cannot be asked has the models that were configured, and a text that says
        why. Raises :class:`ModelError`.
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
        """Emit the reply of a model to ``prompt``, ``before`` which there were these exchanges.

        Raises :class:`ModelError` and :class:`ConfigurationError`.
        """
        from ..providers import ModelCache, reply_text

        registry = await self.registry()
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
                    # Not always the one that was asked: a fallback may answer.
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
            # Built anew next time: the person may have mended its credentials meanwhile.
            self._cache = None
            await cache.aclose()
            raise

    async def aclose(self) -> None:
        """Close what is open; the next use starts anew."""
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
