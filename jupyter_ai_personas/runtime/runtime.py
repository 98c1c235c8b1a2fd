"""The runtime of a server: opens sessions, and owns all tasks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from jupyter_ai_personas.chat import Chat, MemoryChat, Message, Pacer, User
from jupyter_ai_personas.chat.feedback import Feedback, Vote, cast_vote
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.chat.opened_file import OpenedFile
from jupyter_ai_personas.context.access import WorkspaceAccess
from jupyter_ai_personas.context.bounds import ContextLimits
from jupyter_ai_personas.context.gathering import Gathering
from jupyter_ai_personas.context.local import LocalWorkspace
from jupyter_ai_personas.errors import ChatNotOpenError, TurnStateError, UnknownTurnError
from jupyter_ai_personas.hosts import HostConfig, HostEnvironment
from jupyter_ai_personas.hosts.plugins import ImportedPlugins, Plugins
from jupyter_ai_personas.personas import (
    ChatPersonas,
    LocalPersonas,
    Persona,
    PersonaRegistry,
    Personas,
)
from jupyter_ai_personas.personas.local.watching import LocalWatch
from jupyter_ai_personas.routing import Chain
from jupyter_ai_personas.runtime.approvals import Approvals
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.commands import CommandInfo, Commands
from jupyter_ai_personas.runtime.context_requests import context_handlers
from jupyter_ai_personas.runtime.exclusive import ExclusiveSlots
from jupyter_ai_personas.runtime.host_pool import HostPool
from jupyter_ai_personas.runtime.ledger import MemoryLedger, TurnLedger
from jupyter_ai_personas.runtime.metrics import Metrics
from jupyter_ai_personas.runtime.open_sessions import OpenSessions
from jupyter_ai_personas.runtime.other_runtime import OtherRuntime
from jupyter_ai_personas.runtime.outcome import Answer
from jupyter_ai_personas.runtime.own_tools import OwnTools
from jupyter_ai_personas.runtime.placement import MakeHost, Placement
from jupyter_ai_personas.runtime.quarantine import Quarantine
from jupyter_ai_personas.runtime.reports import Reports
from jupyter_ai_personas.runtime.requests import RequestHandler
from jupyter_ai_personas.runtime.scheduler import Scheduler
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.session import Session
from jupyter_ai_personas.runtime.settings import RuntimeSettings
from jupyter_ai_personas.runtime.turn import ActiveTurn, TurnOrder
from jupyter_ai_personas.tools import PackageToolsets, ToolRegistry, Toolset, ToolSettings
from jupyter_ai_personas.tools.changes import ChangeBook

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelRegistry

__all__ = ["Answer", "Runtime"]


class Runtime:
    """Personas, models, hosts, ledger and chats of one server.

    :meth:`run` is the owner task: all other tasks end with it.
    All other methods are called on its event loop.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        *,
        personas: PersonaRegistry,
        models: ModelRegistry,
        log: logging.Logger,
        ledger: TurnLedger | None = None,
        commands: Commands | None = None,
        metrics: Metrics | None = None,
        make_host: MakeHost | None = None,
        request_handlers: Mapping[str, RequestHandler] | None = None,
        approval_url: Callable[[str], str | None] = lambda approval_id: None,
        workspace: WorkspaceAccess | None = None,
        tools: ToolRegistry | None = None,
        changes: ChangeBook | None = None,
        avatar_url: Callable[[Persona], str | None] = lambda persona: None,
        other_runtime: Callable[[str], OtherRuntime | None] = lambda chat_id: None,
        plugins: Plugins | None = None,
    ) -> None:
        self.settings = settings
        self.personas = personas
        self.models = models
        self.log = log
        if tools is None:
            tools = ToolRegistry(ToolSettings(), PackageToolsets(log=log, entry_points=()))
        self.tools = tools
        """The tools of this server."""
        self._plugins = plugins or ImportedPlugins(personas, models, tools.load)
        self.avatar_url = avatar_url
        self.pacer = Pacer()
        self.quarantine = Quarantine(settings)
        environment = HostEnvironment(
            HostConfig(models.settings),
            log=log,
            class_of=personas.class_of,
            models=models,
            packages=self.tools.packages,
        )
        self.placement = Placement(settings, environment, personas, log=log, make_host=make_host)
        """Where each persona runs."""
        self.hosts = HostPool(self.placement, settings, log=log)
        self.sessions = OpenSessions()
        self.loaded = anyio.Event()
        """Set when plug-ins are imported."""
        self._commands = commands or Commands()
        ledger = ledger or MemoryLedger()
        metrics = metrics or Metrics()
        self.approvals = Approvals(ledger, decided=metrics.decided)
        """The calls of tools that people are asked about."""
        gathering = Gathering(
            workspace or LocalWorkspace(settings.root_dir),
            limits=replace(ContextLimits(), total_chars=settings.context_chars),
            beside=settings.notebook_beside_chat,
            log=log,
        )
        local = None
        if settings.local_personas != "off" and settings.root_dir is not None:
            reads_only = settings.local_personas != "tools"
            local = LocalPersonas(Path(settings.root_dir), reads_only=reads_only)
        self.local: LocalPersonas | None = local
        """The personas of files; ``None`` if files may not define any."""
        self._watch = None
        if local is not None:
            self._watch = LocalWatch(
                local, lambda: [s.personas.path for s in self.sessions], self._look_again, log=log
            )
        self._services = Services(
            settings=settings,
            personas=personas,
            models=models,
            ledger=ledger,
            hosts=self.hosts,
            exclusive=ExclusiveSlots(models),
            quarantine=self.quarantine,
            pacer=self.pacer,
            metrics=metrics,
            gathering=gathering,
            tools=self.tools,
            changes=changes or ChangeBook(),
            request_handlers={
                **context_handlers(gathering, settings),
                **(request_handlers or {}),
            },
            approvals=self.approvals,
            own_tools=OwnTools(self._plugins, tools),
            reports=Reports(),
            approval_url=approval_url,
            command_names=self._commands.names,
            avatar_url=avatar_url,
            other_runtime=other_runtime,
            log=log,
        )
        self._personas_loaded = anyio.Event()
        self._one_shots: set[Scheduler] = set()
        self._group: TaskGroup | None = None

    @property
    def ledger(self) -> TurnLedger:
        """The record of turns."""
        return self._services.ledger

    @property
    def turns(self) -> list[ActiveTurn]:
        """All turns that run or wait, in any chat."""
        return [turn for scheduler in self._schedulers for turn in scheduler.turns.values()]

    @property
    def _schedulers(self) -> list[Scheduler]:
        return [*(session.scheduler for session in self.sessions), *self._one_shots]

    async def toolsets(self) -> list[tuple[Toolset, Persona | None]]:
        """Return all toolsets, the broken ones too; those of personas' classes with the persona."""
        found: list[tuple[Toolset, Persona | None]] = [(t, None) for t in self.tools.toolsets()]
        for persona in self.personas.values():
            if (own := await self._services.own_tools.toolset(persona)) is not None:
                found.append((own, persona))
        return found

    async def commands(self, chat_path: str) -> list[CommandInfo]:
        """Return what can be typed in a chat, commands of personas and MCP servers among it."""
        personas = await self.personas_at(chat_path)
        commands_of = partial(self._services.reports.commands, self._chat_id_at(chat_path))
        return await self._commands.listed(personas, self.tools, chat_path, commands_of)

    def model_of(self, persona: Persona, chat_path: str = "") -> tuple[str | None, str]:
        """Return the reference of a persona's model, or ``None`` and what is wrong.

        A persona with its own models reports its current one to the open chat.
        """
        return self._services.model_of(persona, chat_id=self._chat_id_at(chat_path))

    def own_models(self, persona: Persona, chat_path: str) -> Mapping[str, str] | None:
        """Return the own models that a persona reports in an open chat, id → name.

        ``None`` for a persona that uses the models of providers.
        """
        if not persona.has_own_models:
            return None
        return self._services.reports.model(self._chat_id_at(chat_path), persona.id).options

    def _chat_id_at(self, path: str) -> str:
        """Return the id of the open chat at ``path``; empty if there is none."""
        chat = self.sessions.chat_at(path)
        return "" if chat is None else chat.id

    # -- life -------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Ready (``started``) when chats can be opened."""
        await self.ledger.open()
        await self.approvals.load()
        try:
            async with anyio.create_task_group() as group:
                await group.start(self.hosts.run)
                async with anyio.create_task_group() as self._group:
                    self._group.start_soon(self._load)
                    if self._watch is not None:
                        self._group.start_soon(self._watch_files, self._watch)
                    task_status.started()
                    await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self.tools.aclose()
                await self._plugins.aclose()
                await self.ledger.aclose()

    async def _watch_files(self, watch: LocalWatch) -> None:
        try:
            await watch.run()
        except Exception:
            # Each message makes its session read changed files as well.
            self.log.exception("The files of local personas are not watched any more")

    def interrupt(self) -> None:
        """End all turns at once, before :meth:`run` is cancelled: nothing is awaited."""
        for scheduler in self._schedulers:
            scheduler.interrupt()

    async def _load(self) -> None:
        # Imports take seconds and hold the interpreter: never on the event loop.
        await self._plugins.load(self._personas_loaded.set)
        self.placement.preload()
        self.loaded.set()

    # -- chats ------------------------------------------------------------------------------

    def open_chat(self, chat: Chat, file: asyncio.Future[OpenedFile] | None = None) -> Session:
        """Begin to serve ``chat`` and return its session, until :meth:`Session.detach`.

        ``file`` is the chat's file as it was opened; without it, the session reads the file.

        A chat that was closed while its turns ran keeps its session.
        """
        assert self._group is not None, "the runtime is not running"
        for session in self.sessions:
            left = not session.attached and session.turns
            if left and (session.chat.id, session.chat.path) == (chat.id, chat.path):
                session.attach(chat)
                self.sessions.opened(session)
                return session
        handle = ChatHandle(chat, self.settings.root_dir)
        session = Session(
            handle,
            self._personas_of(lambda: handle.current.path),
            self._services,
            self._commands,
            personas_loaded=self._personas_loaded,
            all_loaded=self.loaded,
            running=lambda: {turn.id for turn in self.turns},
            file=file,
        )
        self.sessions.opened(session)
        self._group.start_soon(self._serve, session)
        self._update_watch()
        return session

    def chats_moved(self) -> None:
        """Note that chats were moved: other files may define personas for them."""
        self._look_again()
        self._update_watch()

    def _update_watch(self) -> None:
        if self._watch is not None:
            self._watch.chats_changed()

    def _look_again(self) -> None:
        for session in self.sessions:
            session.look_again()

    async def personas_at(self, path: str) -> ChatPersonas:
        """Return the personas that serve the chat at ``path``, those of files among them.

        The path is relative to the server's root; an empty one stands for a chat in the root.
        """
        found = self._personas_of(lambda: path)
        await found.look()
        return found

    def _personas_of(self, path: Callable[[], str]) -> ChatPersonas:
        return ChatPersonas(self.personas, self.local, path)

    async def _serve(self, session: Session) -> None:
        try:
            await session.run()
        except Exception:
            self.log.exception("Personas have left chat %s", session.chat.path)
        finally:
            self.sessions.discard(session)
            self._update_watch()

    async def cancel(
        self, path: str, persona: str | None, *, by: str | None, name: str = ""
    ) -> list[str]:
        """Stop the turns of a chat, or of one persona in it; return the personas' ids.

        ``persona`` is a name or an id. ``by`` and ``name`` are the username and display name of the
        requesting person.

        Raises:
            UnknownPersonaError: no such persona serves the chat, or has a turn in it.
            ChatNotOpenError: no chat is open at ``path``.
        """
        answering = {t.persona.id for s in self.sessions.at(path) for t in s.turns.values()}
        # A persona may still answer after its file was deleted.
        if persona is not None and persona not in answering:
            persona = (await self.personas_at(path)).find(persona).id
        # A chat that was closed while its turns ran may be open again with another id.
        sessions = self.sessions.at(path)
        if not sessions:
            raise ChatNotOpenError(path)
        stopped: set[str] = set()
        for session in sessions:
            turns = [t for t in session.turns.values() if persona in (None, t.persona.id)]
            await session.scheduler.stop(turns, by=by, name=name)
            stopped.update(turn.persona.id for turn in turns)
        return sorted(stopped)

    async def choose_model(
        self, path: str, persona_id: str, wanted: str | None
    ) -> tuple[str | None, str]:
        """Choose a persona's model in an open chat; ``None`` takes the choice back.

        Returns the reference of the model that it uses from now on, or ``None`` and what is wrong.

        Raises:
            UnknownPersonaError: there is no such persona.
            ChatNotOpenError: no chat is opened at ``path`` within `OPEN_SECONDS`.
            ModelError: there is no such model, or it cannot be used.
        """
        personas = await self.personas_at(path)
        persona, chat = personas.find(persona_id), await self.sessions.until_open(path)
        await self._services.choose_model(chat, persona, wanted)
        return self._services.model_in(chat, persona)

    async def vote(self, path: str, message_id: str, vote: Vote, *, by: str) -> Feedback:
        """Record a user's vote on a reply in an open chat; return what the votes are now.

        Raises:
            ChatNotOpenError: no chat is opened at ``path`` within `OPEN_SECONDS`.
            UnknownReplyError: the chat has no such reply.
            FeedbackError: the reply is not finished, or has all the votes that it may have.
        """
        feedback, report = cast_vote(
            await self.sessions.until_open(path), message_id, vote, person=by
        )
        if report is not None:
            self._services.metrics.voted(report)
        return feedback

    async def cancel_turn(self, turn_id: str, *, by: str | None, name: str = "") -> None:
        """Stop one turn on behalf of a user.

        Raises:
            UnknownTurnError: no open chat has it, nor the ledger.
            TurnStateError: it has ended, or its chat is not opened within `OPEN_SECONDS`.
        """
        session = await self._session_of(turn_id)
        if (turn := session.turns.get(turn_id)) is None:
            raise TurnStateError("This turn has ended already.")
        await session.scheduler.stop([turn], by=by, name=name)

    async def retry_turn(self, turn_id: str, *, by: str) -> str:
        """Run a turn again on behalf of a user; return the id of the new one.

        Raises:
            UnknownTurnError: no open chat has it, nor the ledger.
            TurnStateError: it has not ended, or ended well, or cannot run again, or its chat is not
                opened within `OPEN_SECONDS`.
        """
        return await (await self._session_of(turn_id)).retry.turn(turn_id, by)

    async def _session_of(self, turn_id: str) -> Session:
        """Return the session of a turn. If only the ledger knows it, wait: a server was restarted.

        Raises:
            UnknownTurnError: no open chat has it, nor the ledger.
            TurnStateError: nobody opens its chat within `OPEN_SECONDS`.
        """
        found = self.sessions.of_turn(turn_id)
        if found is None:
            chat_id, path = await self.ledger.chat_of(turn_id) or ("", "")
            if chat_id and not await self.sessions.until_recovered(chat_id):
                shown = code(_below(self.settings.root_dir, path))
                raise TurnStateError(
                    f"The chat of this turn is not open yet. Open {shown} in JupyterLab, and try "
                    "again."
                )
            found = self.sessions.of_turn(turn_id)
        if found is None:
            raise UnknownTurnError
        return found

    async def one_shot(
        self,
        persona_name: str,
        body: str,
        *,
        sender: User,
        chat: MemoryChat | None = None,
        path: str | None = None,
    ) -> Answer:
        """Let a persona answer one message in a temporary chat.

        Personas that the answer mentions are not addressed. The answer grows in ``chat``, if one is
        given. With a ``path``, the persona may be one of a file that serves chats there. Cancelling
        this ends the turn.

        Raises:
            UnknownPersonaError: there is no such persona.
        """
        assert self._group is not None, "the runtime is not running"
        await self.loaded.wait()
        chat = chat or MemoryChat("")
        personas: Personas = self.personas if path is None else await self.personas_at(path)
        persona = personas.find(persona_name)
        chat.users[sender.username] = sender
        message = Message(id=str(uuid4()), sender=sender.username, body=body, time=time.time())
        ledger = MemoryLedger()
        await ledger.open()
        # Without commands: nobody types in a one-shot chat, so notes must not offer any.
        services = replace(
            self._services,
            personas=personas,
            ledger=ledger,
            approvals=Approvals(ledger, asks_people=False),
            command_names=frozenset(),
        )
        scheduler = Scheduler(services, ChatHandle(chat, self.settings.root_dir))
        self._one_shots.add(scheduler)
        try:
            await self._group.start(scheduler.run)
            order = TurnOrder(message, [persona.id], Chain(message.id), sender.username)
            [turn] = await scheduler.submit(order)
            await turn.ended.wait()
        finally:
            self._one_shots.discard(scheduler)
            scheduler.close()
            await ledger.aclose()
        replies = [reply.body for reply in chat.messages if reply.reply_to == message.id]
        state = turn.outcome.state if turn.outcome is not None else "interrupted"
        return Answer("\n\n".join(replies), state, dict(turn.replies.usage))


def _below(root: str | None, path: str) -> str:
    """Return ``path`` as people see it: relative to the server's root, if it is below that."""
    return path if root is None else path.removeprefix(f"{Path(root).absolute()}/")
