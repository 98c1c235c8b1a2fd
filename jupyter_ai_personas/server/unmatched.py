"""Finds names in the configuration that do not exist here, for the log and ``doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_ai_personas.errors import UnknownPersonaError
from jupyter_ai_personas.personas.local import LOCAL_PREFIX
from jupyter_ai_personas.providers.unmatched import Unmatched, unmatched_models, unresolved
from jupyter_ai_personas.runtime import Runtime

__all__ = ["unmatched_names"]


def unmatched_names(runtime: Runtime) -> Iterator[Unmatched]:
    """Yield the names of personas, providers and models that are none; ``runtime`` is loaded."""
    settings = runtime.settings
    for name, names in (
        ("default_persona", [settings.default_persona] if settings.default_persona else []),
        ("models", settings.models),
        ("persona_config", settings.persona_config),
        ("persona_tools", runtime.tools.persona_names),
        ("hosts", [name for name in settings.hosts if name != "*"]),
    ):
        for persona in names:
            if persona.startswith(LOCAL_PREFIX):
                continue  # files come and go
            try:
                runtime.personas.find(persona)
            except UnknownPersonaError as error:
                yield Unmatched(name, f"`{persona}` in `c.AiExtension.{name}`: {error}")
    for persona_, name in runtime.tools.missing(runtime.personas.values()):
        text = f"`{persona_}` wants the tool or toolset `{name}`, and there is none of that name."
        yield Unmatched("persona_tools", text)
    of_providers = [
        reference
        for name, reference in settings.models.items()
        if not _has_own_models(runtime, name)
    ]
    yield from unresolved("models", of_providers, runtime.models)
    yield from unmatched_models(runtime.models)


def _has_own_models(runtime: Runtime, name: str) -> bool:
    try:
        return runtime.personas.find(name).has_own_models
    except UnknownPersonaError:
        return False
