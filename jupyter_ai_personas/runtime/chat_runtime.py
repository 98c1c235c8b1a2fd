"""One open chat: what is posted becomes turns, what turns say becomes replies."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    SYSTEM_ID,
    Chat,
    ChatEvent,
    GrowingReply,
    Message,
    ReplyWriter,
    Restore,
    User,
    encode_message,
)
from jupyter_ai_personas.chat.markdown import inert
from jupyter_ai_personas.errors import HostLostError
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.personas.turn import reply_id
from jupyter_ai_personas.routing import (
    Chain,
)
from jupyter_ai_personas.runtime.actor import Actor
from jupyter_ai_personas.runtime.intake import Intake
from jupyter_ai_personas.runtime.kept import KeptMessages
from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, ReplySnapshot, TurnRecord
from jupyter_ai_personas.runtime.presence import WAITING, Presence
from jupyter_ai_personas.runtime.recovery import INTERRUPTED, adopt, recover
from jupyter_ai_personas.runtime.replies import Replies
from jupyter_ai_personas.runtime.turn import ActiveTurn, Outcome
from jupyter_ai_personas.runtime.turn_driver import TurnDriver

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime.runtime import Runtime

__all__ = ["ChatRuntime"]

SYSTEM_USER = User(
    SYSTEM_ID, "Personas", "Personas", mention_name="Personas", initials="i", offered=False
)

MAX_ROOTS = 1000
"""How many messages are remembered whose turns are counted."""

MOST_TURNS = 1000
"""How many turns a persona may have in one chat, run or waiting: a client may write any sender."""

MODELS_SETTING = "models"
"""The chat's setting that holds what ``/model`` chose: persona id → reference."""


@dataclass(frozen=True, slots=True)
class _Reopened:
    chat: Chat


class _Ended:
    """The end of a turn that the chat's file may lack: the message that asked, and the replies."""

    def __init__(self, turn_id: str, request_id: str, replies: Sequence[ReplySnapshot]) -> None:
        self.turn_id = turn_id
        self._request_id = request_id
        self._reply_ids = [reply.message_id for reply in replies]

    @property
    def message_ids(self) -> set[str]:
        return {self._request_id, *self._reply_ids}

    def is_in(self, file: Mapping[str, Message | None], chat: Chat) -> bool:
        if not self.message_ids <= file.keys():
            return False
        # One that somebody removed altogether is in the document no more than in the file.
        asked = file[self._request_id] is not None or chat.get(self._request_id) is None
        return asked and all(_is_final(file[id_], chat.get(id_)) for id_ in self._reply_ids)


def _is_final(reply: Message | None, now: Message | None) -> bool:
    if reply is None or reply.deleted:
        return reply is not None
    # A retry writes into the reply of another turn. As the document has it: anybody may write that.
    of_this_turn = now is None or reply.metadata.get("turn") == now.metadata.get("turn")
    return of_this_turn and reply.state != "streaming"


class ChatRuntime:
    """The personas of one chat: routing, actors, replies.

    Events come in through a mailbox, since an observer of the document must not write; they are
    handled in order by :meth:`run`.
    """

    def __init__(
        self, chat: Chat, runtime: Runtime, ledger: Ledger | MemoryLedger | None = None
    ) -> None:
        """``ledger`` stands in for the runtime's, for a chat that leaves nothing."""
        self.chat = chat
        self.ledger = ledger or runtime.ledger
        self.lasts = ledger is None
        """Whether people can come back to it and type commands: not if it leaves nothing."""
        self.runtime = runtime
        self.settings = runtime.settings
        self.log: logging.Logger = runtime.log
        self.turns: dict[str, ActiveTurn] = {}
        self.usage: dict[str, tuple[int, int]] = {}
        """Model → replies and tokens since the chat was opened."""
        self.scope = anyio.CancelScope()
        self.attached = True
        self.is_stopping = False
        """Whether the server stops: what has not begun is left to the next one."""
        self.ready = anyio.Event()
        self.closed = anyio.Event()
        self._writer = ReplyWriter(chat, runtime.pacer, log=self.log, on_gone=self._reply_is_gone)
        self._actors: dict[str, Actor] = {}
        self._group: TaskGroup | None = None
        # The same chat, opened anew, until the mailbox has come so far.
        self._coming: Chat | None = None
        # Message id and persona id, as the ledger tells turns apart → how the last one ended.
        self._unsaved: dict[tuple[str, str], _Ended] = {}
        self.presence = Presence(chat)
        self.turns_of_root: dict[str, int] = {}
        self.kept = KeptMessages(self)
        # Messages that nobody has changed or deleted, whatever the document says meanwhile.
        self._held: Set[str] = frozenset()
        self.intake = Intake(self)
        self.driver = TurnDriver(self)
        self._send, self._receive = anyio.create_memory_object_stream[ChatEvent | _Reopened](
            math.inf
        )
        # A chat gets its id when it is first asked for, and an observer must not write.
        assert chat.id
        chat.subscribe(self._observe)

    @property
    def place(self) -> str:
        """The path of the chat's file: whole, where the server's root is in the file system.

        A ledger may be shared by servers with different roots.
        """
        root, path = self.settings.root_dir, self.chat.path
        return path if root is None else str(Path(root).absolute() / path.strip("/"))

    # -- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Handle the chat's events until it is closed or the server stops."""
        try:
            with self.scope:
                async with anyio.create_task_group() as self._group:
                    await self._recovered(adopt(self))
                    await self.runtime.personas_loaded.wait()
                    self.register()
                    await self.runtime.loaded.wait()
                    await self._recovered(recover(self))
                    self.ready.set()
                    async for event in self._receive:
                        await self._guarded(event)
        finally:
            self.chat.close()
            self._send.close()
            self._receive.close()
            self.closed.set()

    async def _recovered(self, step: Awaitable[None]) -> None:
        try:
            await step
        except Exception:
            # What a crash left must not keep people from what they do now.
            self.log.exception("Chat %s could not be recovered whole", self.chat.path)

    def _observe(self, event: ChatEvent) -> None:
        if event.message.id in self._held:
            return
        # In this order: whoever handles it comes first, and may need no row that keeps it.
        self._send.send_nowait(event)
        self.kept.note(event)

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Put back what is not in the chat's file, when the document has got its content."""
        turns = self.turns.values()
        replies = [id_ for turn in turns for id_ in turn.replies.ids]
        self._held = self.unsaved.union((turn.message.id for turn in turns), replies)
        before = [raw for id_ in self._held if (raw := self.chat.raw(id_)) is not None]
        chat_id = self.chat.id
        try:
            yield
        finally:
            if self.chat.id != chat_id:
                # Two servers opened it before it had one, and the other's was saved.
                self.ledger.carry_over(chat_id, self.chat.id)
            self.chat.apply(Restore(raw) for raw in before)
            self._held = frozenset()

    def register(self) -> None:
        """Make the personas known to the chat, so that they are offered for mentioning."""
        users = [
            persona.user(self.runtime.avatar_url(persona))
            for persona in self.runtime.personas.personas.values()
        ]
        self.chat.register([SYSTEM_USER, *users], owned_prefix=PERSONA_PREFIX)

    def detach(self) -> None:
        """The document was closed: end, when the turns that run have ended."""
        self.chat.close()
        if self._coming is not None:
            self._coming.close()
        self.attached = False
        self.end_if_left()

    def attach(self, chat: Chat) -> None:
        """Go on in the same chat, which was opened anew while turns ran."""
        self.attached = True
        self._coming = chat
        self.kept.begin()
        chat.subscribe(self._observe)
        self._send.send_nowait(_Reopened(chat))

    async def _reopened(self, chat: Chat) -> None:
        self.chat = chat
        if self._coming is chat:
            self._coming = None
        self.presence.move_to(chat)
        self.register()
        await recover(self)
        self._writer.move_to(chat)

    def end_if_left(self) -> None:
        """End with the last turn, if the document is closed."""
        if not self.attached and not self.turns:
            self.scope.cancel()

    async def _guarded(self, event: ChatEvent | _Reopened) -> None:
        try:
            if isinstance(event, _Reopened):
                await self._reopened(event.chat)
            else:
                self.kept.handled(event, recorded=await self.intake.handle(event))
        except Exception:
            # One event that cannot be handled must not end the chat.
            self.log.exception("An event of chat %s could not be handled", self.chat.path)
            if not isinstance(event, _Reopened):
                self.kept.seen(event.message.id)

    def _reply_is_gone(self, reply: GrowingReply) -> None:
        for turn in list(self.turns.values()):
            if reply in turn.replies.growing:
                self.begin_stop(turn, by=None, how="by deleting the reply")

    # -- accepting --------------------------------------------------------------------------

    async def accept(
        self,
        message: Message,
        persona_ids: Iterable[str],
        chain: Chain,
        *,
        person: str,
        rewrite: str | None = None,
        anew: bool = False,
        turn_id: str | None = None,
    ) -> list[ActiveTurn]:
        """Enter turns into the ledger and start them; return those that were not known before.

        ``anew`` runs turns that are known, as a retry does; ``rewrite`` is the id of the reply
        that is replaced then, and ``turn_id`` the one that a single turn has already.
        """
        personas = self.runtime.personas.personas
        turns = [
            self._new_turn(personas[id_], message, person, chain, rewrite=rewrite, turn_id=turn_id)
            for id_ in persona_ids
            if id_ in personas
        ]
        rows = [
            self.row(message, turn.persona.id, turn_id=turn.id, person=person, chain=chain)
            for turn in turns
        ]
        if rewrite is not None:
            # A crash before the first checkpoint must not leave a second message about this turn.
            rows = [replace(row, replies=(_emptied(rewrite, row),)) for row in rows]
        if anew:
            fresh = [await self.ledger.reopen(row) for row in rows]
        else:
            fresh = await self.ledger.accept(rows)
        accepted = [turn for turn, new in zip(turns, fresh, strict=True) if new]
        for turn in accepted:
            self.turns[turn.id] = turn
            self._unsaved.pop((message.id, turn.persona.id), None)  # run again, it has a new end
            if turn.chain.hops == 0:
                root = turn.chain.root
                self.turns_of_root[root] = self.turns_of_root.pop(root, 0) + 1
            self._enqueue(turn)
        while len(self.turns_of_root) > MAX_ROOTS:
            del self.turns_of_root[next(iter(self.turns_of_root))]
        return accepted

    def _new_turn(
        self,
        persona: Persona,
        message: Message,
        person: str,
        chain: Chain,
        *,
        rewrite: str | None = None,
        turn_id: str | None = None,
    ) -> ActiveTurn:
        turn_id = turn_id or str(uuid4())
        replies = Replies(
            self._writer,
            sender=persona.id,
            metadata={"reply_to": message.id, "turn": turn_id},
            rewrite=rewrite,
        )
        return ActiveTurn(persona, message, person, chain, replies, id=turn_id)

    def row(
        self, message: Message, persona_id: str, *, turn_id: str, person: str, chain: Chain
    ) -> TurnRecord:
        """Return the row of the ledger for a turn, with the message whole."""
        return TurnRecord(
            turn_id=turn_id,
            chat_id=self.chat.id,
            path=self.place,
            message=self.chat.raw(message.id) or encode_message(message),
            persona_id=persona_id,
            person=person,
            accepted_at=time.time(),
            root=chain.root,
            hops=chain.hops,
        )

    def _enqueue(self, turn: ActiveTurn) -> None:
        actor = self._actors.get(turn.persona.id)
        if actor is None or actor.retired:
            actor = self._activate(turn.persona)
        paused = self.runtime.quarantine.remaining(turn.persona.id)
        if paused:
            note = (
                f"`{turn.persona.name}` failed again and again and is paused. Try again in "
                f"{math.ceil(paused / 60)} min{', or `/retry` now' if self.lasts else ''}."
            )
            self.end(turn, Outcome("rejected", note))
            return
        if len(actor.turns) >= MOST_TURNS:
            note = f"`{turn.persona.name}` has too much to answer. Send this again a little later."
            self.end(turn, Outcome("rejected", note))
            return
        waits = actor.is_busy(turn.person)
        if waits and actor.waiting(turn.person) >= self.settings.max_queued_turns:
            self.end(turn, Outcome("rejected", self._too_many(turn.persona)))
            return
        if waits:
            self.presence.show(turn.persona, turn.id, WAITING)
        actor.put(turn)

    def _too_many(self, persona: Persona) -> str:
        count = self.settings.max_queued_turns + 1
        messages = "a message" if count == 1 else f"{count} messages"
        return (
            f"`{persona.name}` has {messages} of yours to answer already. Send this again when "
            f"`{persona.name}` has answered one, or `/stop @{persona.mention_name}` first."
        )

    def _activate(self, persona: Persona) -> Actor:
        actor = self._actors[persona.id] = Actor(
            persona,
            self.driver.run,
            max_concurrent=lambda: self._concurrency(persona),
            idle=self.settings.actor_idle,
        )
        assert self._group is not None
        self._group.start_soon(self._live, actor)
        return actor

    async def _live(self, actor: Actor) -> None:
        try:
            await actor.run()
        except Exception:
            # A fault of ours in one actor must not end the chat.
            self.log.exception("The actor of %s failed", actor.persona.name)
            for turn in actor.turns.values():
                if turn.phase != "ended":
                    self.end(turn, Outcome("failed", str(HostLostError(turn.persona.name))))
        finally:
            if self._actors.get(actor.persona.id) is actor:
                del self._actors[actor.persona.id]
                if not self._is_elsewhere(actor.persona):
                    self.runtime.hosts.release(actor.persona, self.chat.id)

    def _is_elsewhere(self, persona: Persona) -> bool:
        # The same chat may be open twice: as it was, and as the file that was moved since.
        return any(
            persona.id in other._actors
            for other in self.runtime.chats
            if other is not self and other.chat.id == self.chat.id
        )

    def _concurrency(self, persona: Persona) -> int:
        if not persona.allows_concurrency:
            return 1
        reference, _ = self.model_of(persona)
        if reference is not None and not self.runtime.models.allows_concurrency(reference):
            return 1
        return self.settings.max_concurrent_turns

    def model_of(self, persona: Persona) -> tuple[str | None, str]:
        """Return the reference of the persona's model in this chat, or ``None`` and why not."""
        chosen = self.chat.setting(MODELS_SETTING)
        chosen = chosen.get(persona.id) if isinstance(chosen, dict) else None
        return self.runtime.model_of(persona, chosen if isinstance(chosen, str) else None)

    # -- ending -----------------------------------------------------------------------------

    def end(self, turn: ActiveTurn, outcome: Outcome) -> None:
        """Bring everything of the turn to its final state, once. Does not wait."""
        if turn.phase == "ended":
            return
        turn.phase = "ended"
        turn.outcome = outcome
        note_id = reply_id(turn.host_id, len(turn.replies.written) + 1)
        turn.replies.finish(outcome, fallback_id=note_id)
        self.presence.clear(turn.persona, turn.id)
        self.turns.pop(turn.id, None)
        turn.ended.set()
        self._count(turn)
        replies = turn.replies.so_far()
        self.ledger.finish(turn.id, outcome.state, replies)
        self.finished_unsaved(turn.id, turn.message.id, turn.persona.id, replies)
        self.runtime.metrics.ended(turn, outcome)

    def _count(self, turn: ActiveTurn) -> None:
        usage = turn.replies.usage
        if "model" in usage:
            turns, tokens = self.usage.get(usage["model"], (0, 0))
            self.usage[usage["model"]] = turns + 1, tokens + usage.get("total_tokens", 0)

    def cancel_in_host(self, turn: ActiveTurn) -> None:
        """Tell the turn's host to end it; from now on nothing of it is heard."""
        self.runtime.hosts.cancel(turn.persona, turn.host_id)

    def interrupt(self) -> None:
        """End all turns at once, since the server stops; the ledger and the document say so.

        What has not begun stays in the ledger, and runs when the chat is opened again.
        """
        self.is_stopping = True
        for turn in list(self.turns.values()):
            if turn.phase == "queued" and self.lasts:
                self.presence.clear(turn.persona, turn.id)
                continue
            self.cancel_in_host(turn)
            self.end(turn, turn.outcome or Outcome("interrupted", INTERRUPTED))

    async def stop(
        self, turns: Sequence[ActiveTurn], *, by: str | None, name: str = "", how: str = ""
    ) -> None:
        """Stop ``turns`` and wait until they have ended; see :meth:`begin_stop`."""
        for turn in turns:
            self.begin_stop(turn, by=by, name=name, how=how)
        for turn in turns:
            await turn.ended.wait()

    def begin_stop(
        self, turn: ActiveTurn, *, by: str | None, name: str = "", how: str = ""
    ) -> None:
        """Stop a turn on behalf of the user ``by``; ``how`` says what the user did.

        ``name`` is the display name of a user who is not in the chat.
        """
        user = self.chat.user(by) if by is not None else None
        shown = inert(user.shown_name if user is not None else name or by or "")
        who = f" by {shown}" if by is not None else ""
        note = f"*Stopped{who}{f', {how}' if who and how else f' {how}' if how else ''}.*"
        outcome = Outcome("stopped", note, {"stopped_by": by} if by is not None else {})
        self.cancel_in_host(turn)
        if turn.phase == "queued":
            # A retry that never began leaves the reply alone that it was to replace.
            self.end(turn, replace(outcome, note="") if turn.replies.is_retry else outcome)
        else:
            turn.settle(outcome)

    @property
    def unsaved(self) -> set[str]:
        """The ids of the messages that are not known to be in the chat's file as they are now."""
        ids = {id_ for ended in self._unsaved.values() for id_ in ended.message_ids}
        return ids.union(self.kept.ids)

    def finished_unsaved(
        self, turn_id: str, request_id: str, persona_id: str, replies: Sequence[ReplySnapshot]
    ) -> None:
        """Note that the document holds the turn's end now, with ``replies``, and is to be saved."""
        self._unsaved[request_id, persona_id] = _Ended(turn_id, request_id, replies)

    def document_saved(self, file: Mapping[str, Message | None]) -> None:
        """Let go of what the chat's file is known to have.

        Args:
            file: What the file has under each of the ids that :attr:`unsaved` gave before it was
                read.
        """
        self.kept.saved(file)
        saved = [key for key, ended in self._unsaved.items() if ended.is_in(file, self.chat)]
        if saved:
            self.ledger.saved(self.chat.id, [self._unsaved.pop(key).turn_id for key in saved])

    def notify(self, body: str, *, reply_to: str) -> tuple[str, dict[str, Any]]:
        """Post a line of the system, which addresses nobody; return its id and metadata."""
        metadata = {"reply_to": reply_to, "notice": True}
        return self._writer.post(SYSTEM_ID, body, metadata), metadata


def _emptied(message_id: str, row: TurnRecord) -> ReplySnapshot:
    metadata = {"reply_to": row.message_id, "turn": row.turn_id, "state": "streaming"}
    return ReplySnapshot(message_id, "", "streaming", metadata)
