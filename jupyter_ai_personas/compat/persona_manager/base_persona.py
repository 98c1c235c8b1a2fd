"""The ``BasePersona`` that personas of Jupyter AI 3 inherit where that is not installed.

It holds what such a persona has of its own: its description, its reports, and the steps of
answering. Everything that concerns the chat goes to ``self.chat``, and the rest to
``self.parent``; :mod:`jupyter_ai_personas.personas.adapted` provides both.
"""

from __future__ import annotations

import asyncio
from abc import ABCMeta
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import asynccontextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from traitlets import MetaHasTraits
from traitlets.config import LoggingConfigurable

from ...personas.adapted.recognition import OF_OTHER_VERSIONS
from .auth_manager import PersonaAuthManager, PersonaNotAuthenticated
from .awareness_models import (
    CommandOption,
    ModelConfiguration,
    SettingConfiguration,
    Usage,
)

__all__ = ["BasePersona", "GenerationInterrupted", "PersonaDefaults", "PreparationState"]


class PersonaDefaults(BaseModel):
    """Defaults of a persona."""

    model_config = ConfigDict(protected_namespaces=(), extra="allow")

    name: str
    description: str = ""
    avatar_path: str = ""
    system_prompt: str = ""
    slash_commands: set[str] = Field(default_factory=lambda: {"*"})
    model_uid: str | None = None


class PreparationState(StrEnum):
    """How far a persona's ``prepare`` is."""

    NOT_STARTED = "not_started"
    PREPARING = "preparing"
    PREPARED = "prepared"
    NOT_AUTHED = "not_authed"
    FAILED = "failed"


class GenerationInterrupted(asyncio.CancelledError):
    """A person stopped the stream."""


class _Done:
    """What has happened when it is returned, and may be awaited."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


class _Meta(ABCMeta, MetaHasTraits):  # type: ignore[misc, unused-ignore]
    """That of classes which are configurable and may be abstract."""


class BasePersona(LoggingConfigurable, metaclass=_Meta):  # type: ignore[misc, unused-ignore]
    """A persona of Jupyter AI 3 in one chat.

    Subclasses give ``defaults`` as a property, and ``process_message``.
    """

    if TYPE_CHECKING:
        parent: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = {key: kwargs.pop(key, None) for key in ("chat", "ychat", "manager", "log")}
        kwargs.pop("message_interrupted", None)
        super().__init__(*args, **kwargs)
        if self.parent is None:
            self.parent = given["manager"]
        if self.parent is not None:
            self.log = self.parent.log
        self.chat = self.ychat = given["chat"] or given["ychat"]
        self.auth = PersonaAuthManager(parent=self, config=self.config)
        self._model = ModelConfiguration()
        self._settings: list[SettingConfiguration] = []
        self._usage = Usage()
        self._commands: list[CommandOption] = []
        self._preparing: asyncio.Future[None] | None = None
        self._processed: Any = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if (why := OF_OTHER_VERSIONS.get(name)) is None or hasattr(type(self), name):
                # Errors of properties arrive here too: the original is raised again.
                return super().__getattribute__(name)
            text = f"`{type(self).__name__}` has no attribute `{name}` here: {why}"
            raise AttributeError(text, name=name, obj=self)

    # -- what subclasses give -----------------------------------------------------------------

    @property
    def defaults(self) -> Any:
        """The description of the persona."""
        raise NotImplementedError(f"`{type(self).__name__}` has no `defaults`")

    async def process_message(self, message: Any) -> None:
        """Answer ``message``, which is jupyterlab-chat's ``Message``."""
        raise NotImplementedError(f"`{type(self).__name__}` has no `process_message`")

    async def prepare(self) -> None:
        """Get ready, once, before the first message; again if that failed."""

    def shutdown(self) -> Awaitable[None]:
        """Let go of everything; what is returned may be awaited.

        In an earlier version of Jupyter AI it was ``None``.
        """
        self.auth.stop()
        return _Done()

    async def cancel_response(self) -> None:
        """Stop what answers a message: a person stopped it."""

    async def handle_message_no_auth(self, message: Any) -> None:
        """Tell people to sign in."""
        self.send_message(
            "You need to sign in to use this persona. Sign in, then send your message again."
        )
        self.auth.start_poll()

    async def handle_auth(self) -> None:
        """Go on after somebody has signed in."""

    async def handle_uncaught_exception(self, exc: Exception) -> None:
        """Tell people of an error; without a text of its own, the server tells."""

    async def update_model(self, model_id: str) -> None:
        """Use another model from now on."""

    async def update_model_settings(self, settings: dict[str, str | None]) -> None:
        """Use other settings of the model."""

    async def update_settings(self, settings: dict[str, str | None]) -> None:
        """Use other settings."""

    # -- what it is ---------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """``jupyter-ai-personas::<top package>::<Class>``."""
        package = type(self).__module__.partition(".")[0]
        return f"jupyter-ai-personas::{package}::{type(self).__name__}"

    @property
    def name(self) -> str:
        """Its name in the chat."""
        return getattr(self.parent, "persona_name", "") or str(self.defaults.name)

    @property
    def avatar_path(self) -> str:
        """The URL of its image."""
        return f"{self.parent.base_url.rstrip('/')}/api/ai/avatars/{self.id}"

    @property
    def system_prompt(self) -> str:
        """The system prompt of its model."""
        return str(self.defaults.system_prompt)

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it runs on."""
        loop: asyncio.AbstractEventLoop = self.parent.event_loop
        return loop

    @property
    def awareness(self) -> Any:
        """A state of which ``isWriting`` is shown as the persona's status."""
        return self.chat.awareness

    def as_user(self) -> Any:
        """Return the persona as jupyterlab-chat's ``User``."""
        from jupyterlab_chat.models import User

        user: Any = User
        name, url = self.name, self.avatar_path
        return user(username=self.id, name=name, display_name=name, avatar_url=url, bot=True)

    def as_user_dict(self) -> dict[str, Any]:
        """Return :meth:`as_user` as a dictionary."""
        return asdict(self.as_user())

    # -- answering ----------------------------------------------------------------------------

    @property
    def preparation_state(self) -> PreparationState:
        """How far ``prepare`` is."""
        task = self._preparing
        if task is None:
            return PreparationState.NOT_STARTED
        if not task.done():
            return PreparationState.PREPARING
        if task.cancelled():
            return PreparationState.FAILED
        error = task.exception()
        if error is None:
            return PreparationState.PREPARED
        is_auth = isinstance(error, PersonaNotAuthenticated)
        return PreparationState.NOT_AUTHED if is_auth else PreparationState.FAILED

    async def _ensure_prepared(self) -> None:
        """Run ``prepare`` unless it runs or has succeeded, and wait for it."""
        if self.preparation_state not in (PreparationState.PREPARING, PreparationState.PREPARED):
            self._preparing = asyncio.ensure_future(self.prepare())
        assert self._preparing is not None
        await self._preparing

    @property
    def processing(self) -> bool:
        """Whether a message is being answered."""
        return self._processed is not None

    @property
    def processing_message(self) -> Any:
        """The message that is being answered, or ``None``."""
        return self._processed

    @asynccontextmanager
    async def track_processing(self, message: Any) -> AsyncIterator[None]:
        """Note that ``message`` is being answered."""
        self._processed = message
        try:
            yield
        finally:
            self._processed = None

    def send_message(self, body: str) -> Any:
        """Write a complete message; what is returned may be awaited."""
        return self.parent.send(body)

    async def stream_message(self, reply_stream: Any) -> Any:
        """Write a message that grows with each chunk: a string, LangChain's or LiteLLM's."""
        return await self.parent.stream(reply_stream)

    def set_status(self, status: str = "is typing...") -> None:
        """Show what the persona does."""
        self.chat.show_status(status)

    def clear_status(self) -> None:
        """Show what the persona does no more."""
        self.chat.show_status(None)

    # -- where it is --------------------------------------------------------------------------

    def get_chat_path(self, relative: bool = False) -> str:
        """Return the path of the chat's file: absolute, or relative to the server's root."""
        return str(self.parent.get_chat_path(relative=relative))

    def get_chat_dir(self) -> str:
        """Return the folder of the chat's file."""
        return str(self.parent.get_chat_dir())

    def get_dotjupyter_dir(self) -> str | None:
        """Return the nearest folder ``.jupyter``."""
        found: str | None = self.parent.get_dotjupyter_dir()
        return found

    def get_workspace_dir(self) -> str:
        """Return the folder of the project."""
        return str(self.parent.get_workspace_dir())

    def get_mcp_settings(self) -> Any:
        """Return the MCP servers that the operator gives to the persona, or ``None``."""
        return self.parent.get_mcp_settings()

    def process_attachments(self, message: Any) -> str | None:
        """Return what is attached to ``message`` as text, or ``None``."""
        return self.parent.attached_text(message) or None

    def resolve_attachment_to_path(self, attachment_id: str) -> str | None:
        """Return the path of an attached file, or ``None`` if there is none that may be read."""
        found: str | None = self.parent.attached_path(attachment_id)
        return found

    # -- reports ------------------------------------------------------------------------------

    def get_model_configuration(self) -> ModelConfiguration:
        """Return the model and what can be chosen."""
        return self._model

    def get_model(self) -> str | None:
        """Return the id of the model, ``None`` for the default."""
        return self._model.current

    def get_model_settings(self) -> dict[str, str | None]:
        """Return the settings of the model by id."""
        return {setting.id: setting.current for setting in self._model.settings}

    def get_setting_configurations(self) -> list[SettingConfiguration]:
        """Return the settings and what can be chosen."""
        return self._settings

    def get_settings(self) -> dict[str, str | None]:
        """Return the settings by id."""
        return {setting.id: setting.current for setting in self._settings}

    def get_usage(self) -> Usage:
        """Return the tokens and the cost so far."""
        return self._usage

    def get_slash_commands(self) -> list[CommandOption]:
        """Return the commands that the persona takes."""
        return self._commands

    def report_model_configuration(self, model: ModelConfiguration) -> None:
        """Tell which model is used, and what can be chosen."""
        self._model = model

    def report_settings_configuration(self, settings: list[SettingConfiguration]) -> None:
        """Tell which settings there are."""
        self._settings = list(settings)

    def report_usage(self, usage: Usage, *, append: bool = False) -> None:
        """Report usage: the given fields replace the known ones, or are added to them."""
        given = usage.model_dump(exclude_none=True)
        for name, value in given.items():
            known = getattr(self._usage, name)
            is_sum = append and isinstance(value, int | float)
            setattr(self._usage, name, (known or 0) + value if is_sum else value)

    def report_slash_commands(self, commands: list[CommandOption]) -> None:
        """Tell which commands the persona takes."""
        self._commands = list(commands)

    async def apply_model_spec(self, spec: Any) -> None:
        """Use the model and the settings that somebody chose, where they differ."""
        if spec.id is not None and spec.id != self._model.current:
            await self.update_model(spec.id)
            self._model = self._model.model_copy(update={"current": spec.id})
        if changed := _changed(spec.settings, self.get_model_settings()):
            await self.update_model_settings(changed)
            settings = _with(self._model.settings, changed)
            self._model = self._model.model_copy(update={"settings": settings})

    async def apply_settings_spec(self, spec: dict[str, str | None]) -> None:
        """Use the settings that somebody chose, where they differ."""
        if changed := _changed(spec, self.get_settings()):
            await self.update_settings(changed)
            self._settings = _with(self._settings, changed)

    async def apply_specs_in_message(self, message: Any) -> None:
        """Use what the metadata of a message chooses."""
        from .awareness_models import ModelSpec

        metadata = message.metadata or {}
        if (model := metadata.get("model")) is not None:
            is_spec = isinstance(model, ModelSpec)
            await self.apply_model_spec(model if is_spec else ModelSpec(**model))
        if settings := metadata.get("settings"):
            await self.apply_settings_spec(settings)


def _changed(
    wanted: dict[str, str | None], current: dict[str, str | None]
) -> dict[str, str | None]:
    return {
        key: value
        for key, value in wanted.items()
        if value is not None and value != current.get(key)
    }


def _with(
    settings: list[SettingConfiguration], changed: dict[str, str | None]
) -> list[SettingConfiguration]:
    return [
        setting.model_copy(update={"current": changed.get(setting.id, setting.current)})
        for setting in settings
    ]
