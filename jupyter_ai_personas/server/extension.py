"""``AiExtension``: configuration, the owner task, and the routes."""

from __future__ import annotations

import asyncio
import gc
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio
from jupyter_server.serverapp import ServerApp

from jupyter_ai_personas.providers.settings import ProviderSettings
from jupyter_ai_personas.redaction import RedactingFilter, for_people, redact
from jupyter_ai_personas.runtime.settings import RuntimeSettings
from jupyter_ai_personas.server.configuration import Configuration
from jupyter_ai_personas.server.exit_guard import guard_exit
from jupyter_ai_personas.server.handlers import HANDLERS
from jupyter_ai_personas.server.kernels import tell_kernels
from jupyter_ai_personas.server.late_extensions import add_late_extensions
from jupyter_ai_personas.server.open_documents import OpenDocuments
from jupyter_ai_personas.server.schemas import register_schemas
from jupyter_ai_personas.server.settings import ServerSettings
from jupyter_ai_personas.server.worker_threads import own_worker_threads
from jupyter_ai_personas.settings.traits import traits_of
from jupyter_ai_personas.tools.settings import ToolSettings

if TYPE_CHECKING:
    from jupyter_ai_personas.server.assembly import Assembly
    from jupyter_ai_personas.server.chats import ServedChats

__all__ = ["AiExtension"]

START_DELAY = 0.5
"""Seconds before the runtime and the plug-ins are imported, unless a chat opens or a request comes
first: imports hold the interpreter, and the server's first answer should not wait for them."""

SAVE_SECONDS = 1.5
"""Time limit for saving the chats when the server stops."""

STOP_SECONDS = 5.5
"""Time limit for the runtime to end after that."""

FULL_COLLECTION = 200
"""Full garbage collections are this much rarer than those of the middle generation, where Python
has 10: with 150 open chats each stops all threads for 0.2 s."""

_REDACTING = RedactingFilter()


class AiExtension(Configuration):
    """AI personas in collaborative chats, and the model providers behind them."""

    name = "jupyter_ai_personas"
    description = "AI personas that answer when mentioned in Jupyter's collaborative chat."

    # One trait for each setting of these; see `jupyter_ai_personas.settings`.
    locals().update(traits_of(RuntimeSettings, ProviderSettings, ToolSettings, ServerSettings))

    _owner: asyncio.Task[None] | None = None
    _assembly: Assembly | None = None
    _served: ServedChats | None = None

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        super()._link_jupyter_server_extension(serverapp)
        self._is_linked_whole = True
        add_late_extensions(serverapp)

    @property
    def _web(self) -> dict[str, Any]:
        """The settings of the web application, in which the handlers find what they need."""
        settings: dict[str, Any] = self.server.web_app.settings
        return settings

    def initialize_settings(self) -> None:
        """Read the configuration. If it cannot be applied as a whole, personas stay off."""
        # Packages log through the root's handlers, or the last resort.
        for handler in (*self.log.handlers, *logging.getLogger().handlers, logging.lastResort):
            if handler is not None:
                handler.addFilter(_REDACTING)
        self._wanted = anyio.Event()
        self._started = anyio.Event()
        self._web["jupyter_ai_personas_wanted"] = self._wanted
        self._web["jupyter_ai_personas_started"] = self._started
        # Other extensions, such as JupyterLab, have read configuration files since this one did.
        self.update_config(self.server.config)
        for remark in self.remarks:
            self.log.warning("%s", remark)
        if reasons := self.why_off():
            self.turn_off(" ".join(reasons))
            return
        tell_kernels(self.provider_settings())
        # The front end offers votes only where they are taken.
        page = self._web.setdefault("page_config_data", {})
        page["jupyterAiPersonasFeedback"] = self.runtime_settings().feedback
        if (event_logger := getattr(self.server, "event_logger", None)) is not None:
            register_schemas(event_logger)

    def turn_off(self, reason: str) -> None:
        """Keep personas off, and report it in the log, by REST, in chats and in notebooks."""
        self.log.error("Personas are off. %s Correct this and restart.", redact(reason))
        fix = "The operator can correct this and restart the server."
        text = f"Personas are off on this server. {for_people(reason)} {fix}"
        self._web["jupyter_ai_personas_off"] = text
        tell_kernels(None, problem=text)

    def initialize_handlers(self) -> None:
        """Add the routes below ``/api/ai/``."""
        self.handlers.extend(HANDLERS)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        guard_exit(self.server, self.log)
        is_off = "jupyter_ai_personas_off" in self._web
        root = None if is_off else self.runtime_settings().root_dir
        self._chats = OpenDocuments(root=root, wanted=self._wanted.set, log=self.log)
        await self._chats.observe(self._web)
        # The root of the task tree; `stop_extension` ends it.
        # A task group must be left by the task that entered it, so it cannot be opened here.
        self._owner = asyncio.create_task(self._own(), name="jupyter_ai_personas")

    async def _own(self) -> None:
        try:
            with own_worker_threads():
                if "jupyter_ai_personas_off" not in self._web:
                    await self._assemble()
                if self._assembly is None:
                    await self._serve_without_personas()
                else:
                    await self._run(self._assembly)
        except Exception:
            self.log.exception("The personas have stopped; restart the server")
            stopped = "Personas have stopped. The operator finds the reason in the server's log."
            self._web["jupyter_ai_personas_off"] = stopped
        finally:
            self._started.set()

    async def _assemble(self) -> None:
        """Make the runtime, once it is wanted; keep personas off if it cannot be made."""
        with anyio.move_on_after(START_DELAY):
            await self._wanted.wait()
        try:
            # It takes a fifth of a second.
            assembly = await asyncio.to_thread(import_module, f"{__package__}.assembly")
            self._assembly = assembly.assemble(self)
        except Exception:
            self.log.exception("The personas cannot be set up")
            self.turn_off("They cannot be set up; the server's log says why.")

    async def _serve_without_personas(self) -> None:
        from jupyter_ai_personas.server.off import OffNotices

        await self._chats.serve(OffNotices(self._web["jupyter_ai_personas_off"], log=self.log))

    async def _run(self, assembly: Assembly) -> None:
        from jupyter_ai_personas.server.chats import ServedChats
        from jupyter_ai_personas.server.unmatched import unmatched_names

        runtime, search = assembly.runtime, assembly.search
        self._web["jupyter_ai_personas_runtime"] = runtime
        self._web["jupyter_ai_personas_search"] = search
        async with anyio.create_task_group() as group:
            await group.start(runtime.run)
            self._served = ServedChats(runtime, self._web, log=self.log)
            await self._chats.serve(self._served)
            self._started.set()
            await runtime.loaded.wait()
            for name in unmatched_names(runtime):
                self.log.warning("%s", name.text)
            # Imported plug-ins stay for good. Each full collection of them would stop all threads
            # for 0.1 s.
            gc.freeze()
            young, middle, old = gc.get_threshold()
            gc.set_threshold(young, middle, max(old, FULL_COLLECTION))
            if search is not None:
                group.start_soon(search.run)

    async def stop_extension(self) -> None:
        """End the owner task and all below it, within ``SAVE_SECONDS`` and ``STOP_SECONDS``."""
        if self._owner is None:
            return
        if self._assembly is not None:
            # First, while documents still accept writes and the ledger can still record the saves.
            self._assembly.runtime.interrupt()
        # A task of its own: AnyIO's worker threads end with the task that first requested one, and
        # the event loop ends before the task that stops the server.
        saving = asyncio.create_task(self._save(), name="jupyter_ai_personas.save")
        await asyncio.wait([saving], timeout=SAVE_SECONDS)
        self._owner.cancel()
        _, pending = await asyncio.wait([self._owner], timeout=STOP_SECONDS)
        if pending:
            self.log.error("The personas did not end within %g seconds", STOP_SECONDS)
        if self._assembly is not None:
            self._assembly.metrics.withdraw()

    async def _save(self) -> None:
        if self._served is not None:
            await self._served.save()
        await self._chats.save()
