"""A runtime for one terminal: like a server here, without open documents."""

from __future__ import annotations

import getpass
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from jupyter_ai_personas.chat import User
from jupyter_ai_personas.cli.installation import LogKeeper, read_extension
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.redaction import RedactingFilter

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime import Runtime
    from jupyter_ai_personas.server import AiExtension

__all__ = ["person", "run_here"]


@asynccontextmanager
async def run_here(root: Path | None = None, **changes: Any) -> AsyncIterator[Runtime]:
    """Run a runtime in a folder, by default this one, with the configuration of a server here.

    Tools work on the folder's files, and on kernels that are started when a cell is run and shut
    down at the end. ``changes`` are settings of turns that differ from the configured ones.

    Raises:
        ConfigurationError: a setting cannot work, or ``root`` is no folder.
    """
    from jupyter_ai_personas.server.headless import headless_settings

    keeper = LogKeeper()
    # Where a chat says that the log tells more.
    shown = logging.StreamHandler()
    shown.setLevel(logging.ERROR)
    shown.addFilter(RedactingFilter())
    keeper.logger.addHandler(shown)
    extension = read_extension(keeper)
    assert extension.serverapp is not None
    if reasons := extension.why_off():
        raise ConfigurationError("\n".join(reasons))
    root = (root or Path.cwd()).absolute()
    if not root.is_dir():
        raise ConfigurationError(f"There is no folder `{root}`.")
    async with headless_settings(extension.serverapp, root) as web:
        runtime = _runtime(extension, web, root, keeper.logger, changes)
        async with anyio.create_task_group() as group:
            await group.start(runtime.run)
            try:
                await runtime.loaded.wait()
                yield runtime
            finally:
                group.cancel_scope.cancel()


def _runtime(
    extension: AiExtension,
    web: Mapping[str, Any],
    root: Path,
    log: logging.Logger,
    changes: Mapping[str, Any],
) -> Runtime:
    from jupyter_core.paths import jupyter_data_dir

    from jupyter_ai_personas.acp import agent_personas
    from jupyter_ai_personas.commands import ChatCommands
    from jupyter_ai_personas.context.own_index import OwnIndex
    from jupyter_ai_personas.personas import PersonaRegistry
    from jupyter_ai_personas.providers import ModelRegistry
    from jupyter_ai_personas.runtime import MemoryLedger, Runtime
    from jupyter_ai_personas.server.assembly import tool_registry
    from jupyter_ai_personas.server.tools import BuiltinTools
    from jupyter_ai_personas.server.workspace import Workspace

    server = extension.server_settings()
    index = None
    if server.workspace_search:
        index = OwnIndex(root, Path(jupyter_data_dir()), extension.index_settings())
    ledger = MemoryLedger()
    workspace = Workspace(web, root=root, index=index, log=log)
    tools = BuiltinTools(
        web,
        root=root,
        workspace=workspace,
        ledger=ledger,
        log=log,
        bounds=extension.tool_settings(),
        index=lambda: index,
    )
    settings = replace(extension.runtime_settings(), root_dir=str(root), base_url="", **changes)
    return Runtime(
        settings,
        personas=PersonaRegistry(log=log, configured=agent_personas(server.acp_agents)),
        models=ModelRegistry(extension.provider_settings(), log=log),
        ledger=ledger,
        commands=ChatCommands(),
        log=log,
        tools=tool_registry(extension, str(root), tools.executors),
        changes=tools,
        workspace=workspace,
    )


def person(name: str | None = None) -> User:
    """Return the person called ``name``, by default who runs this."""
    if name is None:
        try:
            name = getpass.getuser()
        except (ImportError, KeyError, OSError):
            name = "person"  # A container may have a user id without a name.
    username = re.sub(r"\W+", "-", name.strip().lower()).strip("-") or "person"
    return User(username, name, name)
