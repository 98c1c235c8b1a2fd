"""Personas and models as the server finds them, with the operator's configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_ai_personas.discovery import Broken, Entry
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.hosts.places import nobody_here
from jupyter_ai_personas.iri_grammar import deferred_iri_grammar

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime import Runtime
    from jupyter_ai_personas.server import AiExtension

__all__ = ["LogKeeper", "load_runtime", "read_extension"]


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of the log; ``grave`` for level ``ERROR`` and above."""

    text: str
    grave: bool


class LogKeeper(logging.Handler):
    """Collects warnings and errors, except about broken entry points, which are data already."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[Logged] = []
        self.logger = logging.Logger("jupyter-ai-personas")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep ``record`` as one line."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        if any(isinstance(argument, Broken) for argument in arguments):
            return
        text = " ".join(record.getMessage().split())
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        self.kept.append(Logged(text, record.levelno >= logging.ERROR))


def read_extension(keeper: LogKeeper) -> AiExtension:
    """Return the extension with the operator's configuration.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    with deferred_iri_grammar():
        from jupyter_ai_personas.server.configured import configured_extension

    return configured_extension(keeper.logger)


def load_runtime(extension: AiExtension) -> Runtime:
    """Import the installed plug-ins (seconds) and return the runtime, not running.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    from jupyter_ai_personas.server.assembly import assemble

    if reasons := extension.why_off():
        raise ConfigurationError("\n".join(reasons))
    runtime = assemble(extension).runtime
    if nobody_here(runtime.settings.hosts):
        # A package that the server survives must not end this process either.
        kept = asyncio.run(_kept_out(runtime))
        runtime.personas.watch = runtime.models.watch = runtime.tools.packages.watch = kept.get
    runtime.personas.load()
    runtime.models.load()
    runtime.tools.load()
    return runtime


async def _kept_out(runtime: Runtime) -> Mapping[Entry, Broken]:
    """Return the entry points whose code ends its process or does not return, tried elsewhere."""
    from jupyter_ai_personas.hosts.plugins import RemotePlugins
    from jupyter_ai_personas.personas import PersonaRegistry
    from jupyter_ai_personas.providers import ModelRegistry
    from jupyter_ai_personas.tools import PackageToolsets

    # Nothing is told twice: the registries of this process tell of the same plug-ins.
    silent = logging.Logger("plugins", logging.CRITICAL)
    silent.addHandler(logging.NullHandler())
    plugins = RemotePlugins(
        PersonaRegistry(log=silent),
        ModelRegistry(runtime.models.settings, log=silent),
        PackageToolsets(log=silent),
        passed_on=runtime.settings.host_variables,
        log=silent,
    )
    try:
        await plugins.load(lambda: None)
    finally:
        await plugins.aclose()
    return plugins.process.kept
