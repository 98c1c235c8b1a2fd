"""The resources of turns in their process: persona classes and models."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_ai_personas.errors import HostUnavailableError, ModelError
from jupyter_ai_personas.hosts.protocol import HostConfig
from jupyter_ai_personas.personas import TurnSpec
from jupyter_ai_personas.personas.making import import_class
from jupyter_ai_personas.providers.settings import ProviderSettings
from jupyter_ai_personas.tools import PackageToolsets

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelCache, ModelRegistry

__all__ = ["HostEnvironment"]


class HostEnvironment:
    """The persona classes and the models of one process.

    A host in the server's process shares the server's ``models`` and ``packages``, and the classes
    that ``class_of`` returns for ``module:Class``.
    A host in another process gets :attr:`config`, and makes an environment of that alone.
    """

    def __init__(
        self,
        config: HostConfig,
        *,
        log: logging.Logger,
        class_of: Callable[[str], type | None] = lambda path: None,
        models: ModelRegistry | None = None,
        packages: PackageToolsets | None = None,
    ) -> None:
        self.config = config
        self.log = log
        self._class_of = class_of
        self._models = models
        self._lock = threading.Lock()
        # Warnings only: the server has logged what it registers.
        self._loading_log = log.getChild("plugins")
        self._loading_log.setLevel(max(logging.WARNING, log.getEffectiveLevel()))
        self.packages = packages or PackageToolsets(log=self._loading_log)
        """The toolsets of this process's packages, which may have to be loaded."""

    def persona_class(self, path: str) -> type:
        """Return the class ``module:Class``. Foreign: importing a module may raise anything.

        Raises:
            HostUnavailableError: it is not installed here.
        """
        if (found := self._class_of(path)) is not None:
            return found
        try:
            return import_class(path)
        except (AttributeError, ModuleNotFoundError) as error:
            module, _, name = path.partition(":")
            package = module.partition(".")[0]
            if isinstance(error, ModuleNotFoundError) and error.name not in (package, module):
                raise  # the package lacks another one
            raise HostUnavailableError(
                f"The package `{package}`, or its class `{name}`, is not installed where this "
                "persona runs. The operator must install the same version there as on the server."
            ) from error

    def new_models(self) -> ModelCache | None:
        """Return a cache of models for one host: asynchronous clients belong to one event loop.

        ``None``: the host has no models. Blocking, for seconds, unless the models are preloaded.
        """
        if not self.config.models:
            return None
        from jupyter_ai_personas.providers import ModelCache

        return ModelCache(self._loaded_models())

    def _loaded_models(self) -> ModelRegistry:
        from jupyter_ai_personas.providers import ModelRegistry

        with self._lock:
            if self._models is None:
                models = ModelRegistry(self.config.providers, log=self._loading_log)
                models.load()
                with suppress(ModelError):
                    models.default()  # the server asks for it by its reference
                self._models = models
                # More credentials may have arrived during the import.
                models.use(self.config.providers)
            return self._models

    async def until_loaded(self) -> None:
        """Import the models in a worker thread, unless they are imported.

        On the event loop, an import would look like a persona that blocks it.
        """
        if self.config.models and self._models is None:
            await asyncio.to_thread(self.preload)

    def preload(self) -> None:
        """Import the model providers and toolsets. Blocking: call it in a worker thread."""
        if self.config.models:
            self._loaded_models()
            self.packages.load()

    def shared_config(self, provider_ids: Collection[str] = ()) -> HostConfig:
        """Return the configuration for a worker that may have the secrets of these providers."""
        if self._models is None:
            return replace(self.config, providers=ProviderSettings())
        from jupyter_ai_personas.providers.sharing import shared_settings

        return replace(self.config, providers=shared_settings(self._models, provider_ids))

    def providers_of(self, spec: TurnSpec) -> set[str]:
        """Return the ids of the providers that a turn may use: its model's, and the fallbacks'."""
        if self._models is None or spec.model is None:
            return set()
        found = {spec.model.partition(":")[0]}
        for fallback in self._models.settings.fallbacks:
            with suppress(ModelError):  # the turn reports it if it needs it
                found.add(self._models.resolve(fallback).provider_id)
        return found

    def public_variables(self, passed_on: Collection[str]) -> dict[str, str]:
        """Return this process's environment variables without secrets, but for ``passed_on``."""
        from jupyter_ai_personas.providers.sharing import public_environment

        return public_environment(self._models, passed_on)

    def use_providers(self, settings: ProviderSettings) -> None:
        """Use settings with more credentials than before. Does not block."""
        self.config = replace(self.config, providers=settings)
        if self._models is not None:
            self._models.use(settings)
