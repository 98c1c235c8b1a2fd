"""Shared collaborators of a runtime, and the choice of a persona's model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from jupyter_ai_personas.chat import Chat, Message, Pacer
from jupyter_ai_personas.chat.history import MOST_MESSAGES, HistoryEntry, newest, read_history
from jupyter_ai_personas.context.gathering import Gathering
from jupyter_ai_personas.errors import ModelError, UnknownPersonaError
from jupyter_ai_personas.personas import Persona, Personas
from jupyter_ai_personas.routing import Limits, said_of
from jupyter_ai_personas.runtime.approvals import Approvals
from jupyter_ai_personas.runtime.exclusive import ExclusiveSlots
from jupyter_ai_personas.runtime.host_pool import HostPool
from jupyter_ai_personas.runtime.ledger import TurnLedger
from jupyter_ai_personas.runtime.metrics import Metrics
from jupyter_ai_personas.runtime.other_runtime import OtherRuntime
from jupyter_ai_personas.runtime.own_tools import OwnTools
from jupyter_ai_personas.runtime.quarantine import Quarantine
from jupyter_ai_personas.runtime.reports import Reports
from jupyter_ai_personas.runtime.requests import RequestHandler
from jupyter_ai_personas.runtime.settings import RuntimeSettings
from jupyter_ai_personas.runtime.turnstile import SpreadCalls, Turnstile
from jupyter_ai_personas.tools import ToolRegistry
from jupyter_ai_personas.tools.changes import ChangeBook

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelRegistry

__all__ = ["MODELS_SETTING", "Services"]

MODELS_SETTING = "models"
"""The setting of a chat that holds what ``/model`` chose: persona id → reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The shared collaborators of a runtime.

    ``personas`` come from packages; in a chat also from files. ``gathering`` collects a model's
    context beside the chat. ``command_names`` are the commands that people can type.
    ``avatar_url`` returns the URL of a persona's image, ``approval_url`` the URL of the page on
    which people decide. ``other_runtime`` returns what another runtime of personas serves in a chat
    with that id, ``None`` if there is none.

    ``recording`` spreads the writes of messages to the ledger, ``event_turnstile`` the handling of
    events and ``turn_turnstile`` the start of turns over iterations of the event loop.
    """

    settings: RuntimeSettings
    personas: Personas
    models: ModelRegistry
    ledger: TurnLedger
    hosts: HostPool
    exclusive: ExclusiveSlots
    quarantine: Quarantine
    pacer: Pacer
    metrics: Metrics
    gathering: Gathering
    request_handlers: Mapping[str, RequestHandler]
    tools: ToolRegistry
    changes: ChangeBook
    approvals: Approvals
    own_tools: OwnTools
    reports: Reports
    approval_url: Callable[[str], str | None]
    command_names: frozenset[str]
    avatar_url: Callable[[Persona], str | None]
    other_runtime: Callable[[str], OtherRuntime | None]
    log: logging.Logger
    recording: SpreadCalls = field(default_factory=SpreadCalls)
    event_turnstile: Turnstile = field(default_factory=Turnstile)
    turn_turnstile: Turnstile = field(default_factory=Turnstile)

    def history(self, chat: Chat, persona: Persona, until: Message) -> tuple[HistoryEntry, ...]:
        """Return all that a persona can read of a chat, up to a message."""
        return read_history(
            chat,
            reader=persona.id,
            until=until,
            max_messages=max(MOST_MESSAGES, self.settings.history_messages),
            max_chars=self.settings.history_chars,
            commands=self.command_names,
        )

    def shown(self, history: Sequence[HistoryEntry]) -> Sequence[HistoryEntry]:
        """Return the part of a history that a model is shown by default."""
        settings = self.settings
        return newest(
            history, max_messages=settings.history_messages, max_tokens=settings.history_tokens
        )

    def limits(self, speaker: str) -> Limits:
        """Return the bounds of a chain of personas; ``speaker`` is the id of its last persona."""
        persona = self.personas.get(speaker)
        hops = self.settings.max_hops
        if persona is not None and persona.max_hops is not None:
            hops = min(hops, persona.max_hops)
        return Limits(hops, self.settings.max_turns_per_message)

    @property
    def can_retry(self) -> bool:
        """Whether people can type ``/retry``."""
        return "/retry" in self.command_names

    def model_in(self, chat: Chat, persona: Persona) -> tuple[str | None, str]:
        """Return the reference of a persona's model in a chat, or ``None`` and why not."""
        chosen = chat.setting(MODELS_SETTING)
        chosen = chosen.get(persona.id) if isinstance(chosen, dict) else None
        chosen = chosen if isinstance(chosen, str) else None
        chat_id = chat.id if persona.has_own_models else ""
        return self.model_of(persona, chosen, chat_id=chat_id)

    async def choose_model(self, chat: Chat, persona: Persona, wanted: str | None) -> None:
        """Choose the model of a persona in a chat; ``None`` takes the choice back.

        Raises:
            ModelError: there is no such model, or it cannot be used; names near matches.
        """
        reference = wanted
        if wanted is not None and persona.has_own_models:
            reference = self.reports.resolve(chat.id, persona.id, wanted)
        elif wanted is not None:
            found = self.models.resolve(wanted, chat=True)
            await anyio.to_thread.run_sync(self.models.check, found)
            reference = str(found)
        chosen = chat.setting(MODELS_SETTING)
        chosen = dict(chosen) if isinstance(chosen, dict) else {}
        chosen.pop(persona.id, None)
        if reference is not None:
            chosen[persona.id] = reference
        chat.set_setting(MODELS_SETTING, chosen or None)

    def model_of(
        self, persona: Persona, chosen: str | None = None, *, chat_id: str
    ) -> tuple[str | None, str]:
        """Return the reference of a persona's model, or ``None`` and what is wrong.

        In this order: the chat's choice, the operator's setting, the persona's model, the default.
        A persona with its own models may have reported its current one in the chat, or none, which
        is no problem.
        """
        if persona.has_own_models:
            chosen = chosen or said_of(persona.names, self.settings.models)
            return chosen or self.reports.model(chat_id, persona.id).current, ""
        wanted = chosen or said_of(persona.names, self.settings.models) or persona.model
        try:
            if wanted is None:
                return str(self.models.default(chat=True)[0]), ""
            return str(self.models.resolve(wanted, chat=True)), ""
        except ModelError as error:
            return None, str(error)

    def parameters_of(self, persona: Persona, model: str | None) -> Mapping[str, Any]:
        """Return the persona's parameters if they are for ``model``, else none."""
        if not persona.model_parameters or persona.model is None:
            return persona.model_parameters
        try:
            own = str(self.models.resolve(persona.model, chat=True))
        except ModelError:
            return {}
        return persona.model_parameters if own == model else {}

    def config_of(self, persona: Persona) -> Mapping[str, Any]:
        """Return the operator's configuration of a persona; one of a file has none."""
        if persona.file:
            return {}
        found = said_of(persona.names, self.settings.persona_config)
        return {**(found if isinstance(found, Mapping) else {}), **persona.own_config}

    @property
    def default_persona(self) -> str | None:
        """The id of the persona that answers messages without mentions, or ``None``."""
        name = self.settings.default_persona
        if not name:
            return None
        try:
            return self.personas.find(name).id
        except UnknownPersonaError:
            return None
