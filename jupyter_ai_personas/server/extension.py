"""``AiExtension``: configuration, the owner task, and the routes."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from pathlib import Path
from typing import Any

import anyio
from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.utils import url_path_join
from traitlets import Bool, Dict, Float, Int, List, Unicode

from jupyter_ai_personas.commands import ChatCommands
from jupyter_ai_personas.context import DEFAULT_EXCLUDE, IndexSettings, WorkspaceIndex
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.providers import Endpoint, ModelRegistry, ProviderSettings
from jupyter_ai_personas.redaction import RedactingFilter
from jupyter_ai_personas.runtime import Ledger, Runtime, RuntimeSettings
from jupyter_ai_personas.server.chats import ChatObserver
from jupyter_ai_personas.server.exit_guard import guard_exit
from jupyter_ai_personas.server.handlers import HANDLERS
from jupyter_ai_personas.server.metrics import PrometheusMetrics
from jupyter_ai_personas.server.worker_threads import own_worker_threads
from jupyter_ai_personas.server.workspace import Workspace

__all__ = ["AiExtension"]

LOAD_DELAY = 0.5
"""Seconds before plug-ins are imported, unless a chat opens first: imports hold the interpreter,
and the server's first answer should not wait for them."""

SAVE_SECONDS = 1.5
"""How long the chats may take to be saved when the server stops."""

STOP_SECONDS = 5.5
"""How long the runtime may take to end after that."""

TOLD_TO_KERNELS = (
    "default_model",
    "model_aliases",
    "allowed_providers",
    "blocked_providers",
    "fallback_models",
    "first_chunk_timeout",
    "model_timeout",
    "show_reasoning",
)
"""The settings of models that hold in notebooks as well."""

_DEFAULTS = RuntimeSettings()
_REDACTING = RedactingFilter()


class AiExtension(ExtensionApp):
    """AI personas in collaborative chats, and the model providers behind them."""

    name = "jupyter_ai_personas"
    description = "AI personas that answer when mentioned in Jupyter's collaborative chat."

    default_persona = Unicode(
        "Guide",
        config=True,
        help="Who answers a message that mentions nobody, in a chat with a single person. Empty: "
        "nobody.",
    )
    default_model = Unicode(
        "auto",
        config=True,
        help="The model of personas that name none, as `provider_id:model_id`. `auto` takes the "
        "first provider whose package and credentials are present, else the keyless one.",
    )
    models = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="Models of single personas: persona name or id → `provider_id:model_id`. It overrides "
        "what the persona's author chose.",
    )
    model_aliases = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="Short names: alias → `provider_id:model_id`.",
    )
    model_parameters = Dict(
        config=True,
        help="Parameters that models are built with: `provider_id:model_id` or `provider_id` → a "
        "dictionary, such as `{'temperature': 0}`.",
    )
    fallback_models = List(
        Unicode(),
        config=True,
        help="Models to try, in this order, when a model fails before it has begun to answer.",
    )
    endpoints = Dict(
        config=True,
        help="Servers that speak the OpenAI protocol, by the name that their provider gets: name "
        "→ `{'base_url': 'http://localhost:8000/v1', 'key_variable': …, 'models': […]}`.",
    )
    allowed_providers = List(
        Unicode(),
        default_value=None,
        allow_none=True,
        config=True,
        help="Providers (`provider_id`) or models (`provider_id:model_id`) that may be used. "
        "Unset: all.",
    )
    blocked_providers = List(
        Unicode(),
        config=True,
        help="Providers (`provider_id`) or models (`provider_id:model_id`) that must not be used.",
    )
    secrets_file = Unicode(
        "",
        config=True,
        help="A file of `NAME=value` lines with credentials, which only the server's user may "
        "read.",
    )
    credentials = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="Credentials by the name of their environment variable, such as "
        "`{'OPENAI_API_KEY': …}`. The environment wins over `secrets_file`, which wins over this; "
        "whoever can read the configuration can read them.",
    )
    show_reasoning = Bool(
        False,
        config=True,
        help="Whether what a model says of its reasoning is shown, collapsed.",
    )
    persona_config = Dict(
        config=True,
        help="What a persona gets as `self.config`: persona name or id → a dictionary.",
    )
    max_concurrent_turns = Int(
        _DEFAULTS.max_concurrent_turns,
        min=1,
        config=True,
        help="Turns of different people that one persona runs at once in a chat.",
    )
    max_queued_turns = Int(
        _DEFAULTS.max_queued_turns,
        min=0,
        config=True,
        help="Messages of one person that wait for one persona in a chat; further ones are "
        "rejected with a reason.",
    )
    max_hops = Int(
        _DEFAULTS.max_hops,
        min=0,
        config=True,
        help="How often personas may pass a message on to each other, in a row.",
    )
    max_turns_per_message = Int(
        _DEFAULTS.max_turns_per_message,
        min=1,
        config=True,
        help="Turns that one message of a person may cause in all.",
    )
    max_reply_chars = Int(
        _DEFAULTS.max_reply_chars, config=True, help="Characters that one turn may write."
    )
    history_messages = Int(
        _DEFAULTS.history_messages,
        config=True,
        help="How many messages of the chat a model is shown, unless the persona's author asks for "
        "another number, of at most 200.",
    )
    history_tokens = Int(
        _DEFAULTS.history_tokens,
        config=True,
        help="How many tokens of the chat a model is shown, the message to answer aside, unless "
        "the persona's author asks for another number. They are counted approximately. A model "
        "that reads less is shown less.",
    )
    history_chars = Int(
        _DEFAULTS.history_chars,
        config=True,
        help="How many characters of the chat a persona can be shown at most, the message to "
        "answer aside.",
    )
    context_chars = Int(
        _DEFAULTS.context_chars,
        min=1_000,
        config=True,
        help="How many characters a model is given of what is attached to a message, and of the "
        "notebook beside the chat.",
    )
    notebook_beside_chat = Bool(
        _DEFAULTS.notebook_beside_chat,
        config=True,
        help="Whether a message that speaks of a notebook, a cell or an error gets the notebook "
        "that its author has open beside the chat.",
    )
    first_chunk_timeout = Float(
        60.0, config=True, help="Seconds that a model may take to begin to answer."
    )
    model_timeout = Float(600.0, config=True, help="Seconds that a model may take in all.")
    turn_timeout = Float(
        _DEFAULTS.turn_timeout, config=True, help="Seconds that a persona may take to answer."
    )
    max_messages_per_minute = Int(
        _DEFAULTS.max_messages_per_minute,
        config=True,
        help="Messages of one person in one chat that may address personas, in any minute.",
    )
    quarantine_failures = Int(
        _DEFAULTS.quarantine_failures,
        config=True,
        help="How often a persona's code may fail within `quarantine_window` before it is paused.",
    )
    quarantine_window = Float(
        _DEFAULTS.quarantine_window,
        config=True,
        help="Seconds within which failures of a persona's code are counted.",
    )
    quarantine_pause = Float(
        _DEFAULTS.quarantine_pause,
        config=True,
        help="Seconds for which a persona is paused whose code fails again and again; `/retry` "
        "ends the pause.",
    )
    actor_idle = Float(
        _DEFAULTS.actor_idle,
        config=True,
        help="Seconds after which a persona that nobody addresses leaves a chat's memory.",
    )
    block_warning = Float(
        _DEFAULTS.block_warning,
        config=True,
        help="Seconds after which a persona that blocks its own event loop is named in the log.",
    )
    block_timeout = Float(
        _DEFAULTS.block_timeout,
        config=True,
        help="Seconds after which a persona that blocks its own event loop is given up and "
        "restarted.",
    )
    stop_grace = Float(
        _DEFAULTS.stop_grace,
        config=True,
        help="Seconds after which a persona is restarted that blocks its event loop although all "
        "turns that it ran were stopped.",
    )
    recover_within = Float(
        _DEFAULTS.recover_within,
        config=True,
        help="Seconds: how old an unanswered message may be to be answered after a restart.",
    )
    resume_interrupted = Bool(
        _DEFAULTS.resume_interrupted,
        config=True,
        help="Whether replies that a crash cut off are written anew without being asked.",
    )
    ledger_path = Unicode(
        "",
        config=True,
        help="The file that records turns until they are answered. Default: "
        "`jupyter_ai_personas/ledger.sqlite` in Jupyter's data directory.",
    )
    workspace_search = Bool(
        True,
        config=True,
        help="Whether the text files below the server's root are indexed, for `GET search` and "
        "for personas that search. The index is kept in Jupyter's data directory.",
    )
    search_exclude = List(
        Unicode(),
        default_value=list(DEFAULT_EXCLUDE),
        config=True,
        help="Files and folders that are not indexed, in the syntax of `.gitignore`. Hidden and "
        "secret-like files never are.",
    )

    runtime: Runtime
    search: WorkspaceIndex | None

    @property
    def _server(self) -> ServerApp:
        assert self.serverapp is not None, "the extension is not linked to a server"
        return self.serverapp

    def runtime_settings(self) -> RuntimeSettings:
        """Return the configuration of turns as plain data."""
        names = set(self.class_own_traits(config=True))
        fields = {f for f in RuntimeSettings.__dataclass_fields__ if f in names}
        # Where contents are kept otherwise, that directory has nothing to do with what people see.
        has_files = issubclass(self._server.contents_manager_class, FileContentsManager)
        root = Path(self._server.root_dir)
        return RuntimeSettings(
            **{field: getattr(self, field) for field in fields},
            root_dir=str(root) if has_files and root.is_dir() else None,
            has_files=has_files,
        )

    def provider_settings(self) -> ProviderSettings:
        """Return the configuration of models as plain data.

        Raises:
            ConfigurationError: an endpoint is not described well enough.
        """
        allowed = self.allowed_providers
        return ProviderSettings(
            default_model=self.default_model,
            aliases=dict(self.model_aliases),
            allowed_providers=None if allowed is None else frozenset(allowed),
            blocked_providers=frozenset(self.blocked_providers),
            endpoints={
                name: Endpoint.from_config(name, config) for name, config in self.endpoints.items()
            },
            secrets_file=Path(self.secrets_file).expanduser() if self.secrets_file else None,
            credentials=dict(self.credentials),
            model_parameters=dict(self.model_parameters),
            fallbacks=tuple(self.fallback_models),
            first_chunk_timeout=self.first_chunk_timeout,
            total_timeout=self.model_timeout,
            show_reasoning=self.show_reasoning,
        )

    def index_settings(self) -> IndexSettings:
        """Return the configuration of the search index as plain data."""
        private = [str(Path(self.secrets_file).expanduser())] if self.secrets_file else []
        return IndexSettings(exclude=tuple(self.search_exclude), private=tuple(private))

    def initialize_settings(self) -> None:
        """Build what routes and the owner task share. Nothing foreign is imported here."""
        path = self.ledger_path or str(
            Path(jupyter_data_dir()) / "jupyter_ai_personas" / "ledger.sqlite"
        )
        # What packages log by themselves goes through the root's, or where there are none.
        for handler in (*self.log.handlers, *logging.getLogger().handlers, logging.lastResort):
            if handler is not None:
                handler.addFilter(_REDACTING)
        self._metrics = PrometheusMetrics()
        settings = self.runtime_settings()
        # The command line has the configuration of a server, and no web application.
        web = getattr(getattr(self._server, "web_app", None), "settings", None)
        self.runtime = Runtime(
            settings,
            personas=PersonaRegistry(log=self.log),
            models=ModelRegistry(
                self.provider_settings(),
                log=self.log,
                server_settings=web,
            ),
            ledger=Ledger(path, log=self.log),
            commands=ChatCommands(),
            metrics=self._metrics,
            log=self.log,
            load_delay=LOAD_DELAY,
            avatar_url=self.avatar_url,
            workspace=None if web is None else Workspace(web, root=settings.root_dir, log=self.log),
        )
        self._metrics.publish(self.runtime)
        self.settings["jupyter_ai_personas_runtime"] = self.runtime
        root = self.runtime_settings().root_dir
        self.search = None
        if self.workspace_search and root is not None:
            self.search = WorkspaceIndex(
                Path(root), Path(jupyter_data_dir()), self.index_settings(), log=self.log
            )
        self.settings["jupyter_ai_personas_search"] = self.search
        self._tell_kernels()

    def _tell_kernels(self) -> None:
        # Kernels inherit the server's environment: the operator's choices hold in the magics too.
        # Parameters stay here, since they may hold secrets.
        told: dict[str, Any] = {name: getattr(self, name) for name in TOLD_TO_KERNELS}
        told["endpoints"] = {
            name: {key: value for key, value in endpoint.items() if key != "parameters"}
            for name, endpoint in self.endpoints.items()
        }
        os.environ["JUPYTER_AI_PERSONAS_CONFIG"] = json.dumps(told)

    def initialize_handlers(self) -> None:
        """Add the routes below ``/api/ai/``."""
        self.handlers.extend(HANDLERS)

    def avatar_url(self, persona: Persona) -> str | None:
        """Return the URL of a persona's avatar, with the server's base URL."""
        if persona.avatar is None:
            return None
        return str(url_path_join(self._server.base_url, "api/ai/avatars", persona.id))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        guard_exit(self._server, self.log)
        started = asyncio.Event()
        self._chats = ChatObserver(self.runtime, log=self.log)
        # The one task that is nobody's child: it owns all others, and `stop_extension` ends it.
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

    async def _run(self, started: asyncio.Event) -> None:
        async with anyio.create_task_group() as group:
            await group.start(self.runtime.run)
            await self._chats.observe(self._server.web_app.settings)
            started.set()
            await self.runtime.loaded.wait()
            # What plug-ins and their libraries brought stays for good. Looking through it for
            # garbage, again and again, would stop every thread for a tenth of a second.
            gc.freeze()
            if self.search is not None:
                group.start_soon(self.search.run)

    async def stop_extension(self) -> None:
        """End the owner task and all below it, within ``SAVE_SECONDS`` and ``STOP_SECONDS``."""
        owner = getattr(self, "_owner", None)
        if owner is None:
            return
        # Before anything else stops: while rooms still take what is written, and while the ledger
        # can still be told that it is saved.
        self.runtime.interrupt()
        # A task of its own: AnyIO's worker threads end with the task that first asked for one, and
        # the event loop does not live to see the end of the one that stops the server.
        saving = asyncio.create_task(self._chats.save(), name="jupyter_ai_personas.save")
        await asyncio.wait([saving], timeout=SAVE_SECONDS)
        owner.cancel()
        _, pending = await asyncio.wait([owner], timeout=STOP_SECONDS)
        if pending:
            self.log.error("The personas did not end within %g seconds", STOP_SECONDS)
        self._metrics.withdraw()
