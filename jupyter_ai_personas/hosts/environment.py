"""The resources of turns in their process: persona classes and models."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from jupyter_ai_personas import stand_ins
from jupyter_ai_personas.errors import ModelError
from jupyter_ai_personas.hosts.protocol import HostConfig
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.tools import PackageToolsets

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelCache, ModelRegistry

__all__ = ["HostEnvironment"]


class HostEnvironment:
    """The persona classes and the models of one process.

    A host in the server's process shares the server's ``personas``, ``models`` and ``packages``.
    A host in another process gets :attr:`config`, and makes an environment of that alone.
    """

    def __init__(
        self,
        config: HostConfig,
        *,
        log: logging.Logger,
        personas: Mapping[str, Persona] | None = None,
        models: ModelRegistry | None = None,
        packages: PackageToolsets | None = None,
    ) -> None:
        self.config = config
        self.log = log
        self._personas = personas if personas is not None else {}
        self._models = models
        self.packages = packages or PackageToolsets(log=log)
        """The toolsets of this process's packages, which may have to be loaded."""

    def persona_class(self, path: str) -> type:
        """Return the class ``module:Class``. Foreign: importing a module may raise anything."""
        for persona in self._personas.values():
            if persona.class_path == path:
                return persona.cls
        stand_ins.install()
        module, _, name = path.partition(":")
        found: type = getattr(importlib.import_module(module), name)
        return found

    def new_models(self) -> ModelCache:
        """Return a cache of models for one host: asynchronous clients belong to one event loop."""
        from jupyter_ai_personas.providers import ModelCache, ModelRegistry

        if self._models is None:
            self._models = ModelRegistry(self.config.providers, log=self.log)
            self._models.read_secrets()
            self._models.load()
            with suppress(ModelError):
                self._models.default()  # which the server asks for by its reference
        return ModelCache(self._models)
