"""``AiExtension``: configuration, the owner task, and the routes."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.utils import url_path_join

from jupyter_ai_personas.acp import agent_personas
from jupyter_ai_personas.commands import ChatCommands
from jupyter_ai_personas.context import IndexSettings, WorkspaceIndex
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.hosts.places import missing_extras, nobody_here
from jupyter_ai_personas.hosts.plugins import RemotePlugins
from jupyter_ai_personas.hosts.remote_mcp import RemoteMcp
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.personas.local import emoji_image
from jupyter_ai_personas.providers import ModelRegistry, ProviderSettings
from jupyter_ai_personas.redaction import RedactingFilter, redact
from jupyter_ai_personas.runtime import Ledger, Runtime, RuntimeSettings
from jupyter_ai_personas.runtime.changes import ChangeLog
from jupyter_ai_personas.server.chats import ChatObserver
from jupyter_ai_personas.server.config_files import unread_files
from jupyter_ai_personas.server.events import ReportingMetrics
from jupyter_ai_personas.server.exit_guard import guard_exit
from jupyter_ai_personas.server.handlers import HANDLERS
from jupyter_ai_personas.server.kernels import tell_kernels
from jupyter_ai_personas.server.late_extensions import add_late_extensions
from jupyter_ai_personas.server.metrics import PrometheusMetrics
from jupyter_ai_personas.server.off import OffNotices, off_text
from jupyter_ai_personas.server.other_runtimes import PERSONA_MANAGER, serves_chats
from jupyter_ai_personas.server.settings import ServerSettings
from jupyter_ai_personas.server.tools import BuiltinTools
from jupyter_ai_personas.server.unmatched import unmatched_names
from jupyter_ai_personas.server.worker_threads import own_worker_threads
from jupyter_ai_personas.server.workspace import Workspace
from jupyter_ai_personas.settings.traits import Configured, made_from, traits_of
from jupyter_ai_personas.tools import McpServers, PackageToolsets, ToolRegistry, ToolSettings
from jupyter_ai_personas.tools.executors import ToolExecutor
from jupyter_ai_personas.tools.mcp_clients import McpClients

__all__ = ["AiExtension"]

LOAD_DELAY = 0.5
"""Seconds before plug-ins are imported, unless a chat opens first: imports hold the interpreter,
and the server's first answer should not wait for them."""

SAVE_SECONDS = 1.5
"""Time limit for saving the chats when the server stops."""

STOP_SECONDS = 5.5
"""Time limit for the runtime to end after that."""

FULL_COLLECTION = 200
"""Full garbage collections are this much rarer than those of the middle generation, where Python
has 10: with 150 open chats each stops all threads for 0.2 s."""

_REDACTING = RedactingFilter()


class AiExtension(Configured, ExtensionApp):
    """AI personas in collaborative chats, and the model providers behind them."""

    name = "jupyter_ai_personas"
    description = "AI personas that answer when mentioned in Jupyter's collaborative chat."

    # One trait for each setting of these; see `jupyter_ai_personas.settings`.
    locals().update(traits_of(RuntimeSettings, ProviderSettings, ToolSettings, ServerSettings))

    runtime: Runtime
    search: WorkspaceIndex | None

    _is_linked_whole = False
    """Whether the configuration of the server has been read to its end."""

    @property
    def _server(self) -> ServerApp:
        assert self.serverapp is not None, "the extension is not linked to a server"
        return self.serverapp

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        super()._link_jupyter_server_extension(serverapp)
        self._is_linked_whole = True
        add_late_extensions(serverapp)

    @property
    def _persona_manager(self) -> str:
        """The server extension of Jupyter AI that runs personas, if it is enabled, else nothing."""
        return PERSONA_MANAGER if self._server.jpserver_extensions.get(PERSONA_MANAGER) else ""

    def why_off(self) -> list[str]:
        """Return why personas must not start: the parts of the configuration that do not apply."""
        manager = getattr(self._server, "extension_manager", None)  # the command line has none
        apps = manager.extension_apps.values() if manager is not None else [{self}]
        files = unread_files(self._server, *(app for some in apps for app in some))
        missing = missing_extras(made_from(RuntimeSettings, self).hosts.values())
        reasons = [*files, *self.problems, *missing]
        if not self._is_linked_whole and not reasons:
            reasons = ["The server could not apply its configuration; its log says why."]
        return reasons

    def _check(self) -> None:
        if self.problems:
            raise ConfigurationError(" ".join(self.problems))

    def runtime_settings(self) -> RuntimeSettings:
        """Return the configuration of turns as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        # If contents are not stored as files, this directory is not what people see.
        has_files = issubclass(self._server.contents_manager_class, FileContentsManager)
        root = Path(self._server.root_dir)
        root_dir = str(root) if has_files and root.is_dir() else None
        return made_from(
            RuntimeSettings,
            self,
            root_dir=root_dir,
            base_url=self._server.base_url,
            has_files=has_files,
        )

    def provider_settings(self) -> ProviderSettings:
        """Return the configuration of models as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        return made_from(ProviderSettings, self)

    def tool_settings(self) -> ToolSettings:
        """Return the configuration of tools as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        return made_from(ToolSettings, self)

    def tool_registry(
        self,
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
        settings = self.tool_settings()
        in_workspace = settings.workspace_mcp_servers and root_dir is not None
        servers = McpServers(
            settings.mcp_servers,
            trusted=settings.trusted_mcp_servers,
            seconds=settings.tool_timeout,
            root=Path(root_dir) if in_workspace and root_dir is not None else None,
            clients=mcp_clients,
            log=self.log,
        )
        packages = packages or PackageToolsets(log=self.log)
        return ToolRegistry(settings, packages, executors=executors, mcp=servers)

    def index_settings(self) -> IndexSettings:
        """Return the configuration of the search index as plain data.

        Raises:
            ConfigurationError: some of the configuration could not be applied.
        """
        self._check()
        secrets = self.provider_settings().secrets_file
        exclude = made_from(ServerSettings, self).search_exclude
        private = () if secrets is None else (str(secrets),)
        return IndexSettings(exclude=tuple(exclude), private=private)

    def initialize_settings(self) -> None:
        """Build the objects shared by routes and the owner task, without foreign imports.

        If the configuration cannot be applied as a whole, nothing is built and personas stay off.
        """
        # Packages log through the root's handlers, or the last resort.
        for handler in (*self.log.handlers, *logging.getLogger().handlers, logging.lastResort):
            if handler is not None:
                handler.addFilter(_REDACTING)
        # Other extensions, such as JupyterLab, have read configuration files since this one did.
        self.update_config(self._server.config)
        for remark in self.remarks:
            self.log.warning("%s", remark)
        if reasons := self.why_off():
            self.turn_off(" ".join(reasons))
            return
        try:
            self.build()
            tell_kernels(self.provider_settings())
        except Exception:
            self.log.exception("The personas cannot be set up")
            self.turn_off("They cannot be set up; the server's log says why.")

    def turn_off(self, reason: str) -> None:
        """Keep personas off, and report it in the log, by REST, in chats and in notebooks."""
        self.log.error("Personas are off. %s Correct this and restart.", redact(reason))
        self.settings["jupyter_ai_personas_off"] = off_text(reason)
        tell_kernels(None, problem=off_text(reason))

    def build(self) -> None:
        """Create the runtime without running it."""
        settings = made_from(ServerSettings, self)
        data = Path(jupyter_data_dir()) / "jupyter_ai_personas"
        self._metrics = PrometheusMetrics()
        turns = self.runtime_settings()
        # The command line has the configuration of a server, and no web application.
        web = getattr(getattr(self._server, "web_app", None), "settings", None)
        self.search = None
        if settings.workspace_search and turns.root_dir is not None:
            self.search = WorkspaceIndex(
                Path(turns.root_dir), Path(jupyter_data_dir()), self.index_settings(), log=self.log
            )
        self.settings["jupyter_ai_personas_search"] = self.search
        ledger = Ledger(settings.ledger_path or data / "ledger.sqlite", log=self.log)
        workspace = builtin = None
        if web is not None:
            workspace = Workspace(web, root=turns.root_dir, index=self.search, log=self.log)
            builtin = BuiltinTools(
                web,
                root=turns.root_dir,
                workspace=workspace,
                changes=ChangeLog(ledger),
                log=self.log,
                bounds=self.tool_settings(),
                index=lambda: self.search,
            )
        agents = agent_personas(settings.acp_agents)
        personas = PersonaRegistry(log=self.log, left_to=self._persona_manager, configured=agents)
        models = ModelRegistry(self.provider_settings(), log=self.log, server_settings=web)
        packages = PackageToolsets(log=self.log)
        plugins = mcp_clients = None
        if web is not None and nobody_here(turns.hosts):
            plugins = RemotePlugins(
                personas,
                models,
                packages,
                configured=agents,
                left_to=self._persona_manager,
                passed_on=turns.host_variables,
                log=self.log,
            )
            mcp_clients = RemoteMcp(plugins.process)
        self.runtime = Runtime(
            turns,
            personas=personas,
            models=models,
            plugins=plugins,
            ledger=ledger,
            commands=ChatCommands(),
            metrics=ReportingMetrics(
                self._metrics, getattr(self._server, "event_logger", None), log=self.log
            ),
            log=self.log,
            tools=self.tool_registry(
                turns.root_dir,
                None if builtin is None else builtin.executors,
                packages=packages,
                mcp_clients=mcp_clients,
            ),
            changes=builtin,
            load_delay=LOAD_DELAY,
            avatar_url=self.avatar_url,
            approval_url=self.approval_url,
            workspace=workspace,
            other_runtime=lambda: serves_chats(web or {}),
        )
        self._metrics.publish(self.runtime)
        if web is not None:
            # The front end offers votes only where they are taken.
            page = web.setdefault("page_config_data", {})
            page["jupyterAiPersonasFeedback"] = turns.feedback
        self.settings["jupyter_ai_personas_runtime"] = self.runtime
        self.settings["jupyter_ai_personas_started"] = self._started = anyio.Event()

    def initialize_handlers(self) -> None:
        """Add the routes below ``/api/ai/``."""
        self.handlers.extend(HANDLERS)

    def avatar_url(self, persona: Persona) -> str | None:
        """Return the URL of a persona's avatar, with the server's base URL."""
        if persona.emoji:
            return emoji_image(persona.emoji)
        if persona.avatar is None:
            link = persona.avatar_link
            if link is None or not link.startswith("/"):
                return link
            return str(url_path_join(self._server.base_url, link))
        return str(
            url_path_join(self._server.base_url, "api/ai/avatars", quote(persona.id, safe=":"))
        )

    def approval_url(self, approval_id: str) -> str:
        """Return the address of the page on which people decide, with the server's base URL."""
        return str(url_path_join(self._server.base_url, "api/ai/approvals", approval_id))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        guard_exit(self._server, self.log)
        if "jupyter_ai_personas_off" in self.settings:
            reason = self.settings["jupyter_ai_personas_off"]
            await OffNotices(reason, log=self.log).observe(self._server.web_app.settings)
            return
        started = asyncio.Event()
        self._chats = ChatObserver(self.runtime, log=self.log)
        # The root of the task tree; `stop_extension` ends it.
        # A task group must be left by the task that entered it, so it cannot be opened here.
        self._owner = asyncio.create_task(self._own(started), name="jupyter_ai_personas")
        await asyncio.wait(
            [self._owner, waiting := asyncio.ensure_future(started.wait())],
            return_when=asyncio.FIRST_COMPLETED,
        )
        waiting.cancel()

    async def _own(self, started: asyncio.Event) -> None:
        try:
            with own_worker_threads():
                await self._run(started)
        except Exception:
            self.log.exception("The personas have stopped; restart the server")
            stopped = "Personas have stopped. The operator finds the reason in the server's log."
            self._server.web_app.settings["jupyter_ai_personas_off"] = stopped

    async def _run(self, started: asyncio.Event) -> None:
        async with anyio.create_task_group() as group:
            await group.start(self.runtime.run)
            self._started.set()
            await self._chats.observe(self._server.web_app.settings)
            started.set()
            await self.runtime.loaded.wait()
            for name in unmatched_names(self.runtime):
                self.log.warning("%s", name.text)
            # Imported plug-ins stay for good. Each full collection of them would stop all threads
            # for 0.1 s.
            gc.freeze()
            young, middle, old = gc.get_threshold()
            gc.set_threshold(young, middle, max(old, FULL_COLLECTION))
            if self.search is not None:
                group.start_soon(self.search.run)

    async def stop_extension(self) -> None:
        """End the owner task and all below it, within ``SAVE_SECONDS`` and ``STOP_SECONDS``."""
        owner = getattr(self, "_owner", None)
        if owner is None:
            return
        # First, while documents still accept writes and the ledger can still record the saves.
        self.runtime.interrupt()
        # A task of its own: AnyIO's worker threads end with the task that first requested one, and
        # the event loop ends before the task that stops the server.
        saving = asyncio.create_task(self._chats.save(), name="jupyter_ai_personas.save")
        await asyncio.wait([saving], timeout=SAVE_SECONDS)
        owner.cancel()
        _, pending = await asyncio.wait([owner], timeout=STOP_SECONDS)
        if pending:
            self.log.error("The personas did not end within %g seconds", STOP_SECONDS)
        self._metrics.withdraw()
