"""Makes the runtime of a server, and what it works with, from the configuration.

This imports nearly all of the package, so the extension imports it after the server's first answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.utils import url_path_join

from jupyter_ai_personas.acp import agent_personas
from jupyter_ai_personas.commands import ChatCommands
from jupyter_ai_personas.context import WorkspaceIndex
from jupyter_ai_personas.hosts.places import nobody_here
from jupyter_ai_personas.hosts.plugins import RemotePlugins
from jupyter_ai_personas.hosts.remote_mcp import RemoteMcp
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.personas.local import emoji_image
from jupyter_ai_personas.providers import ModelRegistry
from jupyter_ai_personas.runtime import Ledger, Runtime
from jupyter_ai_personas.server.configuration import Configuration
from jupyter_ai_personas.server.events import ReportingMetrics
from jupyter_ai_personas.server.metrics import PrometheusMetrics
from jupyter_ai_personas.server.other_runtimes import other_runtime_in
from jupyter_ai_personas.server.tools import BuiltinTools
from jupyter_ai_personas.server.workspace import Workspace
from jupyter_ai_personas.tools import McpServers, PackageToolsets, ToolRegistry
from jupyter_ai_personas.tools.executors import ToolExecutor
from jupyter_ai_personas.tools.mcp_clients import McpClients

__all__ = ["Assembly", "assemble", "tool_registry"]


@dataclass(frozen=True)
class Assembly:
    """The runtime, which does not run, and what belongs to it; ``search``: the index, if wanted."""

    runtime: Runtime
    search: WorkspaceIndex | None
    metrics: PrometheusMetrics


def tool_registry(
    configuration: Configuration,
    root_dir: str | None,
    executors: Mapping[str, ToolExecutor] | None,
    *,
    packages: PackageToolsets | None = None,
    mcp_clients: McpClients | None = None,
) -> ToolRegistry:
    """Return the tools of this server, none of which is loaded or started.

    ``executors`` run the built-in tools, by the tools' names; ``None``: no server runs.
    ``mcp_clients`` says where the clients of MCP servers live, by default in this process.

    Raises:
        ConfigurationError: some of the configuration could not be applied.
    """
    settings = configuration.tool_settings()
    in_workspace = settings.workspace_mcp_servers and root_dir is not None
    servers = McpServers(
        settings.mcp_servers,
        trusted=settings.trusted_mcp_servers,
        seconds=settings.tool_timeout,
        root=Path(root_dir) if in_workspace and root_dir is not None else None,
        clients=mcp_clients,
        log=configuration.log,
    )
    packages = packages or PackageToolsets(log=configuration.log)
    return ToolRegistry(settings, packages, executors=executors, mcp=servers)


def assemble(configuration: Configuration) -> Assembly:
    """Create the runtime without running it, and without foreign imports.

    Raises:
        ConfigurationError: some of the configuration could not be applied.
    """
    server, log = configuration.server, configuration.log
    settings = configuration.server_settings()
    data = Path(jupyter_data_dir()) / "jupyter_ai_personas"
    metrics = PrometheusMetrics()
    turns = configuration.runtime_settings()
    # The command line has the configuration of a server, and no web application.
    web: dict[str, Any] | None = getattr(getattr(server, "web_app", None), "settings", None)
    search = None
    if settings.workspace_search and turns.root_dir is not None:
        search = WorkspaceIndex(
            Path(turns.root_dir), Path(jupyter_data_dir()), configuration.index_settings(), log=log
        )
    ledger = Ledger(settings.ledger_path or data / "ledger.sqlite", log=log)
    workspace = builtin = None
    if web is not None:
        workspace = Workspace(web, root=turns.root_dir, index=search, log=log)
        builtin = BuiltinTools(
            web,
            root=turns.root_dir,
            workspace=workspace,
            ledger=ledger,
            log=log,
            bounds=configuration.tool_settings(),
            index=lambda: search,
        )
    agents = agent_personas(settings.acp_agents)
    left_to = configuration.persona_manager
    personas = PersonaRegistry(log=log, left_to=left_to, configured=agents)
    models = ModelRegistry(configuration.provider_settings(), log=log, server_settings=web)
    packages = PackageToolsets(log=log)
    plugins = mcp_clients = None
    if web is not None and nobody_here(turns.hosts):
        plugins = RemotePlugins(
            personas,
            models,
            packages,
            configured=agents,
            left_to=left_to,
            passed_on=turns.host_variables,
            log=log,
        )
        mcp_clients = RemoteMcp(plugins.process)
    runtime = Runtime(
        turns,
        personas=personas,
        models=models,
        plugins=plugins,
        ledger=ledger,
        commands=ChatCommands(),
        metrics=ReportingMetrics(metrics, getattr(server, "event_logger", None), log=log),
        log=log,
        tools=tool_registry(
            configuration,
            turns.root_dir,
            None if builtin is None else builtin.executors,
            packages=packages,
            mcp_clients=mcp_clients,
        ),
        changes=builtin,
        avatar_url=_avatar_url(server.base_url),
        approval_url=lambda id_: str(url_path_join(server.base_url, "api/ai/approvals", id_)),
        workspace=workspace,
        other_runtime=partial(other_runtime_in, web or {}),
    )
    metrics.publish(runtime)
    return Assembly(runtime, search, metrics)


def _avatar_url(base_url: str) -> Callable[[Persona], str | None]:
    """Return what gives the URL of a persona's avatar, with the server's base URL."""

    def avatar_url(persona: Persona) -> str | None:
        if persona.emoji:
            return emoji_image(persona.emoji)
        if persona.avatar is None:
            link = persona.avatar_link
            if link is None or not link.startswith("/"):
                return link
            return str(url_path_join(base_url, link))
        return str(url_path_join(base_url, "api/ai/avatars", quote(persona.id, safe=":")))

    return avatar_url
