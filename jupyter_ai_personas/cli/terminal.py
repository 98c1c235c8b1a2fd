"""A runtime for one terminal: like a server here, without documents and kernels."""

from __future__ import annotations

import getpass
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from jupyter_ai_personas.chat import User
from jupyter_ai_personas.cli.installation import LogKeeper, read_extension
from jupyter_ai_personas.errors import ConfigurationError

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime import Runtime

__all__ = ["person", "run_here"]


@asynccontextmanager
async def run_here(root: Path | None = None, **changes: Any) -> AsyncIterator[Runtime]:
    """Run a runtime in a folder, by default this one, with the configuration of a server here.

    ``changes`` are settings of turns that differ from the configured ones.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    from jupyter_ai_personas.commands import ChatCommands
    from jupyter_ai_personas.personas import PersonaRegistry
    from jupyter_ai_personas.providers import ModelRegistry
    from jupyter_ai_personas.runtime import Runtime

    keeper = LogKeeper()
    extension = read_extension(keeper)
    if reasons := extension.why_off():
        raise ConfigurationError("\n".join(reasons))
    root_dir = str((root or Path.cwd()).absolute())
    settings = replace(extension.runtime_settings(), root_dir=root_dir, base_url="", **changes)
    log: logging.Logger = keeper.logger
    runtime = Runtime(
        settings,
        personas=PersonaRegistry(log=log),
        models=ModelRegistry(extension.provider_settings(), log=log),
        commands=ChatCommands(),
        log=log,
        # No server runs here, so there are no open notebooks and kernels to work on.
        tools=extension.tool_registry(root_dir, {}),
    )
    async with anyio.create_task_group() as group:
        await group.start(runtime.run)
        try:
            runtime.wanted.set()
            await runtime.loaded.wait()
            yield runtime
        finally:
            group.cancel_scope.cancel()


def person(name: str | None = None) -> User:
    """Return the person called ``name``, by default who runs this."""
    if name is None:
        try:
            name = getpass.getuser()
        except (ImportError, KeyError, OSError):
            name = "person"  # A container may have a user id without a name.
    username = re.sub(r"\W+", "-", name.strip().lower()).strip("-") or "person"
    return User(username, name, name)
