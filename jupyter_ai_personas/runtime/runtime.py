"""The whole runtime of a server: one task owns everything that runs."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import anyio
import anyio.to_thread
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from jupyter_ai_personas.chat import Chat, MemoryChat, Message, Pacer, User
from jupyter_ai_personas.errors import (
    ChatNotOpenError,
    ModelError,
    UnknownPersonaError,
)
from jupyter_ai_personas.hosts import HostServices, ThreadHost
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.routing import Chain, Limits, mention_name
from jupyter_ai_personas.runtime.chat_runtime import ChatRuntime
from jupyter_ai_personas.runtime.host_pool import HostPool, MakeHost
from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger
from jupyter_ai_personas.runtime.quarantine import Quarantine
from jupyter_ai_personas.runtime.settings import RuntimeSettings
from jupyter_ai_personas.runtime.turn import ActiveTurn, Outcome

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelCache, ModelRegistry

__all__ = ["Answer", "Command", "Commands", "Metrics", "Runtime"]

Command = Callable[[], Awaitable[str]]
"""Does what was typed and returns the answer, in Markdown; an empty one is not shown."""


class Commands:
    """The commands that may be typed in a chat: here, none."""

    names: frozenset[str] = frozenset()

    def find(self, chat: ChatRuntime, message: Message) -> Command | None:
        """Return what to do for ``message``, or ``None`` if it is no command."""
        return None

    def always(self, message: Message) -> bool:
        """Return whether the command in ``message`` is obeyed however many there were."""
        return False

    def asked(self, chat: ChatRuntime, message: Message) -> str | None:
        """Return the id of the persona whose own command ``message`` begins with, or ``None``."""
        return None


class Metrics(Protocol):
    """Who counts."""

    def first_text(self, turn: ActiveTurn) -> None:
        """A turn's first text came."""

    def ended(self, turn: ActiveTurn, outcome: Outcome) -> None:
        """A turn ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a persona answered in a chat of its own."""

    text: str
    failed: bool


class _Uncounted:
    def first_text(self, turn: ActiveTurn) -> None:
        pass

    def ended(self, turn: ActiveTurn, outcome: Outcome) -> None:
        pass


class Runtime:
    """Personas, models, hosts, ledger and chats of one server.

    :meth:`run` is the owner task: it holds everything, and ends everything when it is cancelled.
    All other methods are called on its event loop.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        *,
        personas: PersonaRegistry,
        models: ModelRegistry,
        log: logging.Logger,
        ledger: Ledger | MemoryLedger | None = None,
        commands: Commands | None = None,
        metrics: Metrics | None = None,
        make_host: MakeHost = ThreadHost,
        load_delay: float = 0.0,
        avatar_url: Callable[[Persona], str | None] = lambda persona: None,
    ) -> None:
        self.settings = settings
        self.personas = personas
        self.models = models
        self.log = log
        self.ledger = ledger or MemoryLedger()
        self.commands = commands or Commands()
        self.metrics = metrics or _Uncounted()
        self.quarantine = Quarantine(
            failures=settings.quarantine_failures,
            window=settings.quarantine_window,
            pause=settings.quarantine_pause,
            clock=time.monotonic,
        )
        self.limits = Limits(settings.max_hops, settings.max_turns_per_message)
        self.avatar_url = avatar_url
        self._load_delay = load_delay
        self._places: dict[str, anyio.Lock] = {}
        self.wanted = anyio.Event()
        self.personas_loaded = anyio.Event()
        self.loaded = anyio.Event()
        self.hosts = HostPool(
            HostServices(self._resolve, self._new_models, log),
            settings,
            log=log,
            make_host=make_host,
        )
        self.chats: set[ChatRuntime] = set()
        self._group: TaskGroup | None = None

    # -- life -------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Ready (``started``) when chats can be opened."""
        self.pacer = Pacer(asyncio.get_running_loop())
        await self.ledger.open()
        try:
            async with anyio.create_task_group() as group:
                await group.start(self.hosts.run)
                async with anyio.create_task_group() as self._group:
                    self._group.start_soon(self._load)
                    task_status.started()
                    await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self.ledger.aclose()

    def interrupt(self) -> None:
        """End all turns at once, before :meth:`run` is cancelled: nothing is awaited."""
        for served in list(self.chats):
            served.interrupt()

    async def _load(self) -> None:
        # Imports take seconds and hold the interpreter: never on the event loop, and not before
        # the server has had time for its first answer, unless a chat waits for them.
        with anyio.move_on_after(self._load_delay):
            await self.wanted.wait()
        # First, so that nothing that a package says while it is imported gets one into the log.
        await anyio.to_thread.run_sync(self.models.read_secrets)
        await anyio.to_thread.run_sync(self.personas.load)
        self.personas_loaded.set()
        await anyio.to_thread.run_sync(self.models.load)
        self.loaded.set()

    def _resolve(self, class_path: str) -> type:
        for persona in self.personas.personas.values():
            if persona.class_path == class_path:
                return persona.cls
        module, _, name = class_path.partition(":")
        found: type = getattr(importlib.import_module(module), name)
        return found

    def _new_models(self) -> ModelCache:
        from jupyter_ai_personas.providers import ModelCache

        return ModelCache(self.models)

    # -- chats ------------------------------------------------------------------------------

    def open_chat(self, chat: Chat, ledger: MemoryLedger | None = None) -> ChatRuntime:
        """Begin to serve ``chat``: what is posted from now on is routed.

        A chat that was closed while its turns ran goes on where it is. ``ledger`` stands in for
        the server's, for a chat that leaves nothing.
        """
        assert self._group is not None, "the runtime is not running"
        self.wanted.set()
        for served in self.chats:
            left = not served.attached and served.turns
            if left and (served.chat.id, served.chat.path) == (chat.id, chat.path):
                served.attach(chat)
                return served
        opened = ChatRuntime(chat, self, ledger)
        self.chats.add(opened)
        self._group.start_soon(self._serve, opened)
        return opened

    async def _serve(self, chat: ChatRuntime) -> None:
        try:
            await chat.run()
        except Exception:
            self.log.exception("Personas have left chat %s", chat.chat.path)
        finally:
            self.chats.discard(chat)

    def close_chat(self, chat: ChatRuntime) -> None:
        """Stop serving a chat. Turns that run go on, and the ledger keeps what they write."""
        chat.detach()

    async def cancel(
        self, path: str, persona: str | None, *, by: str | None, name: str = ""
    ) -> list[str]:
        """Stop the turns of a chat, or of one persona in it; return the personas' ids.

        ``by`` and ``name`` are the username and display name of who wants it.

        Raises:
            ChatNotOpenError: no chat is open at ``path``.
        """
        # One that was closed while its turns ran may have been opened anew, with another id.
        chats = [
            chat
            for chat in self.chats
            if chat.lasts and chat.chat.path.strip("/") == path.strip("/")
        ]
        if not chats:
            raise ChatNotOpenError(path)
        stopped: set[str] = set()
        for chat in chats:
            turns = [t for t in chat.turns.values() if persona in (None, t.persona.id)]
            await chat.stop(turns, by=by, name=name)
            stopped.update(turn.persona.id for turn in turns)
        return sorted(stopped)

    async def one_shot(
        self,
        persona_name: str,
        body: str,
        *,
        sender: User,
        chat: MemoryChat | None = None,
    ) -> Answer:
        """Let a persona answer one message in a chat of its own that leaves nothing.

        It alone answers: personas that it mentions are not addressed. The answer grows in
        ``chat``, if one is given. Cancelling this ends the turn.

        Raises:
            UnknownPersonaError: there is no such persona.
        """
        await self.loaded.wait()
        persona = self.personas.find(persona_name)
        chat = chat or MemoryChat("")
        chat.users[sender.username] = sender
        message = Message(id=str(uuid4()), sender=sender.username, body=body, time=time.time())
        ledger = MemoryLedger()
        await ledger.open()
        served = self.open_chat(chat, ledger)
        try:
            await served.ready.wait()
            for turn in await served.accept(
                message, [persona.id], Chain(message.id), person=sender.username
            ):
                await turn.ended.wait()
        finally:
            served.scope.cancel()
        replies = [m for m in chat.messages if m.reply_to == message.id]
        failed = any(reply.state not in ("done", "stopped") for reply in replies)
        return Answer("\n\n".join(reply.body for reply in replies), failed)

    # -- what personas are given ------------------------------------------------------------

    def _of(self, persona: Persona, mapping: Mapping[str, Any]) -> Any:
        for key in (persona.id, persona.name, persona.mention_name):
            if key in mapping:
                return mapping[key]
        for key, value in mapping.items():
            if self.personas.names.id_of(mention_name(key)) == persona.id:
                return value
        return None

    def model_of(self, persona: Persona, chosen: str | None = None) -> tuple[str | None, str]:
        """Return the reference of a persona's model, or ``None`` and what is wrong.

        In this order: what the chat chose, what the operator set, what the persona says, the
        default.
        """
        wanted = chosen or self._of(persona, self.settings.models) or persona.model
        try:
            if wanted is None:
                return str(self.models.default(chat=True)[0]), ""
            return str(self.models.resolve(wanted, chat=True)), ""
        except ModelError as error:
            return None, str(error)

    @asynccontextmanager
    async def alone(
        self, persona: Persona, model: str | None, *, on_wait: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Hold the only place of a persona, and of a provider, that cannot run concurrently.

        ``model`` is the reference of the turn's model. Others pass; ``on_wait`` is called if the
        place is taken, by a turn in whichever chat.
        """
        single = [] if persona.allows_concurrency else [persona.id]
        if model is not None and not self.models.allows_concurrency(model):
            single.append(model.partition(":")[0])
        async with AsyncExitStack() as places:
            # The persona's always comes first: two turns never wait for each other.
            for name in single:
                place = self._places.setdefault(name, anyio.Lock())
                if place.locked():
                    on_wait()
                await places.enter_async_context(place)
            yield

    def config_of(self, persona: Persona) -> Mapping[str, Any]:
        """Return what the operator configured for a persona."""
        found = self._of(persona, self.settings.persona_config)
        return found if isinstance(found, Mapping) else {}

    @property
    def default_persona(self) -> str | None:
        """The id of the persona that answers what mentions nobody, or ``None``."""
        name = self.settings.default_persona
        if not name:
            return None
        try:
            return self.personas.find(name).id
        except UnknownPersonaError:
            return None
