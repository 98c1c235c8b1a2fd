"""One open chat: its mailbox, and the parts that serve it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import (
    Awaitable,
    Callable,
    Container,
    Iterable,
    Iterator,
    Mapping,
    Set,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import anyio

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    SYSTEM_ID,
    Chat,
    ChatEvent,
    MessageDeleted,
    Restore,
    User,
)
from jupyter_ai_personas.chat.opened_file import OpenedFile
from jupyter_ai_personas.personas import ChatPersonas
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.commands import Commands
from jupyter_ai_personas.runtime.recovery import Recovery
from jupyter_ai_personas.runtime.router import Router
from jupyter_ai_personas.runtime.scheduler import Scheduler
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.turn import ActiveTurn, ReplyFinished
from jupyter_ai_personas.runtime.unsaved import Unsaved

__all__ = ["Session"]

SYSTEM_USER = User(
    SYSTEM_ID, "Personas", "Personas", mention_name="Personas", initials="i", offered=False
)


@dataclass(frozen=True, slots=True)
class _Reopened:
    chat: Chat


@dataclass(frozen=True, slots=True)
class _FilesChanged:
    pass


_MailboxEvent: TypeAlias = ChatEvent | ReplyFinished | _Reopened | _FilesChanged


class Session:
    """Serves one chat: wires its parts together. No part gets the session itself.

    Events come in through a mailbox, since an observer of the document must not write; :meth:`run`
    handles them in order. ``personas_loaded`` is set when the personas of packages are known, and
    ``all_loaded`` when all plug-ins are. ``running`` returns the ids of all turns of this process.
    ``file`` is the chat's file as it was opened; without it, the session reads the file.
    """

    def __init__(
        self,
        chat: ChatHandle,
        personas: ChatPersonas,
        services: Services,
        commands: Commands,
        *,
        personas_loaded: anyio.Event,
        all_loaded: anyio.Event,
        running: Callable[[], Container[str]],
        file: asyncio.Future[OpenedFile] | None = None,
    ) -> None:
        self.attached = True
        """Whether the document is open."""
        self.ready = anyio.Event()
        """Set when the mailbox is read."""
        self.closed = anyio.Event()
        """Set when the session has ended."""
        self._personas_loaded = personas_loaded
        self._all_loaded = all_loaded
        self._handle = chat
        self.personas = personas
        """The personas of this chat."""
        self._send, self._receive = anyio.create_memory_object_stream[_MailboxEvent](math.inf)
        self._services = services = replace(services, personas=personas)
        self.unsaved = Unsaved(self._handle, services.ledger, services.recording)
        """What the chat's file may lack."""
        self.scheduler = Scheduler(
            services, self._handle, unsaved=self.unsaved, on_end=self._send.send_nowait
        )
        """The turns of this chat."""
        self._router = Router(
            services, self._handle, self.scheduler, self.unsaved, commands, personas
        )
        self.retry = self._router.retry
        """Runs turns of this chat again."""
        self._recovery = Recovery(
            services,
            self._handle,
            self.scheduler,
            self._router,
            self.unsaved,
            running=running,
            file=file,
        )
        # The document that was opened anew, until its event in the mailbox is handled.
        self._reopening: Chat | None = None
        # Messages whose events are ignored while the document is replaced.
        self._held: Set[str] = frozenset()
        self._scope = anyio.CancelScope()
        self._will_look = False
        chat.current.subscribe(self._observe)

    @property
    def chat(self) -> Chat:
        """The document, as it was opened last."""
        return self._handle.current

    @property
    def turns(self) -> Mapping[str, ActiveTurn]:
        """The turns that run or wait, by id."""
        return self.scheduler.turns

    @property
    def is_idle(self) -> bool:
        """Whether no turn runs or waits, and all events have been handled."""
        return not self.turns and self.has_handled_all

    @property
    def has_handled_all(self) -> bool:
        """Whether all events have been handled; turns may run."""
        mailbox = self._receive.statistics()
        return mailbox.current_buffer_used == 0 and mailbox.tasks_waiting_receive > 0

    # -- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Handle the chat's events until it is closed or the server stops."""
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    await group.start(self.scheduler.run)
                    await self._personas_loaded.wait()
                    await self._look()
                    self.personas.changes()  # later changes are reported
                    self._register()
                    await self._all_loaded.wait()
                    await self._recovered(self._recovery.recover())
                    self.ready.set()
                    async for event in self._receive:
                        await self._services.event_turnstile.enter()
                        await self._handle_event(event)
                        self._end_if_left()
        finally:
            self.chat.close()
            self._send.close()
            self._receive.close()
            self.closed.set()

    async def _recovered(self, step: Awaitable[None]) -> None:
        try:
            await step
        except Exception:
            # Faults in recovery must not block new messages.
            self._services.log.exception("Chat %s could not be recovered whole", self.chat.path)

    def _observe(self, event: ChatEvent) -> None:
        if event.message.id in self._held:
            return
        # Enqueue first; the handler may make the record of this message unnecessary.
        self._send.send_nowait(event)
        self.unsaved.note(event)

    def look_again(self) -> None:
        """Read the files of local personas that have changed, after the events before this."""
        if not self.closed.is_set() and not self._will_look:
            self._will_look = True
            self._send.send_nowait(_FilesChanged())

    async def _look(self) -> None:
        try:
            if await self.personas.look() and self.ready.is_set():
                self._register()
                names = [one.name for one in self.personas.values() if one.file]
                shown = ", ".join(names) or "none"
                self._services.log.info("Local personas of chat %s: %s", self.chat.path, shown)
        except Exception:
            # The personas that are known stay.
            self._services.log.exception(
                "The personas of chat %s could not be read", self.chat.path
            )

    async def _handle_event(self, event: _MailboxEvent) -> None:
        try:
            self._handle.follow_id(self._services.ledger)
            match event:
                case _FilesChanged():
                    self._will_look = False
                    await self._look()
                case _Reopened(chat):
                    await self._look()
                    await self._reopened(chat)
                case ReplyFinished():
                    await self._router.pass_on(event)
                    self.unsaved.passed_on(event.request_id, event.persona_id)
                case _:
                    await self._handle_change(event)
        except Exception:
            # An event that cannot be handled must not end the chat.
            self._services.log.exception("An event of chat %s could not be handled", self.chat.path)

    async def _handle_change(self, event: ChatEvent) -> None:
        message = event.message
        if message.by_person and not isinstance(event, MessageDeleted):
            await self._look()  # it may address a persona whose file is new
        try:
            recorded = await self._router.handle(event)
        except Exception:
            self.unsaved.seen(message.id)
            raise
        self.unsaved.handled(message.id, recorded=recorded)

    def _register(self) -> None:
        """Make the personas known to the chat, so that they are offered for mentioning."""
        personas = self._services.personas.values()
        users = [persona.user(self._services.avatar_url(persona)) for persona in personas]
        self.chat.register([SYSTEM_USER, *users], owned_prefix=PERSONA_PREFIX)

    # -- the document -----------------------------------------------------------------------

    def detach(self) -> None:
        """Note that the document was closed; the session ends when all turns have ended.

        Turns that run continue, and the ledger keeps their replies.
        """
        self.chat.close()
        if self._reopening is not None:
            self._reopening.close()
        self.attached = False
        self._end_if_left()

    def _end_if_left(self) -> None:
        if self.attached or self.turns:
            return
        if not self._receive.statistics().current_buffer_used:
            self._scope.cancel()

    def attach(self, chat: Chat) -> None:
        """Continue in ``chat``: the same chat, opened anew while turns ran."""
        self.attached = True
        self._reopening = chat
        self.unsaved.begin_anew()
        chat.subscribe(self._observe)
        self._send.send_nowait(_Reopened(chat))

    async def _reopened(self, chat: Chat) -> None:
        self._handle.current = chat
        if self._reopening is chat:
            self._reopening = None
        self.scheduler.document_opened()
        self._register()
        await self._recovery.recover()
        self.scheduler.document_recovered()

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Restore unsaved messages after the block has loaded the file into the document."""
        turns = self.turns.values()
        replies = [id_ for turn in turns for id_ in turn.replies.ids]
        asked = [approval.id for approval in self._services.approvals.open(chat_id=self.chat.id)]
        requests = [turn.message.id for turn in turns]
        self._held = self.unsaved.at_risk.union(requests, replies, asked)
        before = [raw for id_ in self._held if (raw := self.chat.raw(id_)) is not None]
        try:
            yield
        finally:
            self._handle.follow_id(self._services.ledger)
            self.chat.apply(Restore(raw) for raw in before)
            self._held = frozenset()

    def replay(self, events: Iterable[ChatEvent]) -> None:
        """Handle events since the chat was opened, before this session observed it."""
        for event in events:
            self._observe(event)
