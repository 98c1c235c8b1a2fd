"""What people do in a chat becomes turns, stops, and answers to commands."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from jupyter_ai_personas.chat import (
    RECENT,
    SYSTEM_ID,
    ChatEvent,
    Message,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Update,
)
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.routing import (
    Chain,
    NameIndex,
    address,
    find_mentions,
    may_mention,
    meant_names,
    mention_name,
)
from jupyter_ai_personas.runtime.flood import FloodGate
from jupyter_ai_personas.runtime.kept import NOBODY
from jupyter_ai_personas.runtime.ledger import ReplySoFar
from jupyter_ai_personas.runtime.recovery import INTERRUPTED

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime.chat_runtime import ChatRuntime
    from jupyter_ai_personas.runtime.runtime import Command
    from jupyter_ai_personas.runtime.turn import ActiveTurn

__all__ = ["Intake"]


class Intake:
    """Reads the events of one chat and tells its :class:`ChatRuntime` what to do."""

    def __init__(self, served: ChatRuntime) -> None:
        self._served = served
        self._runtime = served.runtime
        self._flood = FloodGate(served.settings.max_messages_per_minute, clock=time.monotonic)

    async def handle(self, event: ChatEvent) -> bool:
        """Do what an event calls for; return whether the ledger has its message as it is."""
        if isinstance(event, MessagePosted):
            if event.message.by_person and not self._is_deleted(event.message):
                return await self._posted(event.message)
            self.settle_stray(event.message.id)
        elif isinstance(event, MessageEdited):
            if event.message.by_person:
                await self._edited(event.message)
            else:
                self.settle_stray(event.message.id)
        else:
            self._deleted(event)
        return False

    async def _posted(self, message: Message) -> bool:
        command = self._runtime.commands.find(self._served, message)
        if command is not None:
            return await self._obey(message, command)
        addressed = self.addressed(message, by_default=False)
        mistyped = "" if addressed or not may_mention(message.body) else self._mistyped(message)
        # Who was meant by a name that is not quite right is not who answers by default.
        addressed = addressed or ([] if mistyped else self.addressed(message))
        if mistyped:
            if self._flood.check(message.sender) == "pass":
                self._served.notify(mistyped, reply_to=message.id)
        elif addressed and not self._is_flooding(message, addressed):
            self._served.kept.in_turn(message.id)
            await self._served.accept(message, addressed, Chain(message.id), person=message.sender)
            return True
        return False

    def _is_deleted(self, message: Message) -> bool:
        now = self._served.chat.get(message.id)
        return message.deleted or (now is not None and now.deleted)

    async def _obey(self, message: Message, command: Command) -> bool:
        """Run a command, once: a browser may bring it back after the server forgot it."""
        is_bounded = not self._runtime.commands.always(message)
        if is_bounded and self._is_flooding(message, [SYSTEM_ID]):
            return False
        row = self._served.row(
            message, SYSTEM_ID, turn_id=str(uuid4()), person=message.sender, chain=Chain(message.id)
        )
        self._served.kept.in_turn(message.id)
        if not (await self._served.ledger.accept([row]))[0]:
            return True
        text = await command()
        replies: tuple[ReplySoFar, ...] = ()
        if text:
            reply_id, metadata = self._served.notify(text, reply_to=message.id)
            replies = (ReplySoFar(reply_id, text, "done", metadata),)
        self._served.ledger.finish(row.turn_id, "done", replies)
        self._served.finished_unsaved(row.turn_id, message.id, SYSTEM_ID, replies)
        return True

    def _mistyped(self, message: Message) -> str:
        """Return what to tell who mentions a persona by a name that is not quite its own."""
        users = [self._served.chat.user(username) for username in self._served.chat.people()]
        people = [user.mention_name or mention_name(user.shown_name) for user in users if user]
        broken = {entry.name: entry.name for entry in self._runtime.personas.broken}
        unusable = find_mentions(message.body, NameIndex(broken))
        lines = [
            f"The persona {code(name)} cannot be used: its package failed to load. The operator "
            "finds the reason with `jupyter ai-personas doctor`."
            for name in unusable
        ]
        names = self._runtime.personas.names
        for typed, near in meant_names(message.body, names, [*people, *unusable]).items():
            meant = " or ".join(f"`@{name}`" for name in near)
            if names.id_of(typed) is None:
                lines.append(f"There is no persona {code(typed)}. Did you mean {meant}?")
            else:
                lines.append(f"To ask {code(typed)}, write {meant} as a word of its own.")
        return "\n\n".join(lines)

    def _is_flooding(self, message: Message, addressed: list[str]) -> bool:
        verdict = self._flood.check(message.sender)
        if verdict == "tell":
            self._served.notify(
                f"More than {self._flood.most} messages to personas in a minute: this one and "
                "those that follow at once are not answered. Send them again a little later.",
                reply_to=message.id,
            )
        if verdict != "pass":
            # Not later either, when the chat is opened again.
            self._served.ledger.refuse(self._served.chat.id, message.id, addressed)
        return verdict != "pass"

    def settle_stray(self, message_id: str) -> None:
        """Mark a reply that says it is streaming although no turn writes it.

        As the chat has it now: what came may have been an old copy of a reply that is final.
        """
        message = self._served.chat.get(message_id)
        if (
            message is not None
            and message.by_persona
            and message.state == "streaming"
            and message.metadata.get("turn") not in self._served.turns
        ):
            body = message.body.removesuffix(INTERRUPTED).rstrip()
            body = f"{body}\n\n{INTERRUPTED}".lstrip()
            self._served.chat.apply(
                [Update(message.id, body, {**message.metadata, "state": "interrupted"})]
            )

    def addressed(self, message: Message, *, by_default: bool = True) -> list[str]:
        """Return the ids of the personas that a person's message asks.

        ``by_default``: what mentions nobody may ask the default persona.
        """
        asked = self._runtime.commands.asked(self._served, message)
        if asked is not None:
            return [asked]
        default = self._runtime.default_persona if by_default else None
        people = self._served.chat.people() | {message.sender} if default is not None else set()
        return address(
            message.body,
            message.mentions,
            self._runtime.personas.names,
            default=default if len(people) == 1 else None,
        )

    async def _edited(self, message: Message) -> None:
        active = [t for t in self._served.turns.values() if t.message.id == message.id]
        message = self._without_stale_mentions(message, active)
        # A command is not run by an edit, nor does it address anybody.
        command = self._runtime.commands.find(self._served, message)
        addressed = self._addressed_by_edit(message, active) if command is None else []
        changed: list[ActiveTurn] = []
        for turn in active:
            if turn.persona.id not in addressed:
                await self._served.stop([turn], by=message.sender, how="by editing the message")
            elif turn.message.body != message.body:
                changed.append(turn)
        if changed and not self._is_flooding(message, []):
            for turn in changed:
                turn.begin_again(message)
        known = await self._served.ledger.known(self._served.chat.id, [message.id])
        fresh = [id_ for id_ in addressed if id_ not in {t.persona.id for t in active}]
        was_asked = not active and any(persona_id != NOBODY for _, persona_id in known)
        if was_asked and self._is_answered(message):
            # An edit of what was answered changes nothing, now or later.
            if fresh:
                self._served.ledger.refuse(self._served.chat.id, message.id, fresh)
        elif fresh and not self._is_flooding(message, fresh):
            # What was refused as one message too many may be asked again.
            chain = Chain(message.id)
            await self._served.accept(message, fresh, chain, person=message.sender, anew=was_asked)

    def _addressed_by_edit(self, message: Message, active: list[ActiveTurn]) -> list[str]:
        explicit = self.addressed(message, by_default=False)
        # Who was asked by default, of one who was alone then, goes on being asked.
        by_default = [
            t.persona.id for t in active if not self.addressed(t.message, by_default=False)
        ]
        return explicit or by_default or self.addressed(message)

    def _is_answered(self, message: Message) -> bool:
        end = self._served.chat.before(None, RECENT)
        return any(reply.reply_to == message.id and reply.by_persona for reply in end)

    def _without_stale_mentions(self, message: Message, active: list[ActiveTurn]) -> Message:
        # JupyterLab's chat leaves in an edited message's mentions whose names were edited out.
        names = self._runtime.personas.names
        before = {id_ for turn in active for id_ in find_mentions(turn.message.body, names)}
        stale = before.difference(find_mentions(message.body, names))
        return replace(message, mentions=tuple(m for m in message.mentions if m not in stale))

    def _deleted(self, event: MessageDeleted) -> None:
        for turn in list(self._served.turns.values()):
            if turn.message.id == event.message.id:
                by = event.message.sender if event.message.by_person else None
                self._served.begin_stop(turn, by=by, how="by deleting the message")
            elif any(reply.id == event.message.id for reply in turn.replies.growing):
                self._served.begin_stop(turn, by=None, how="by deleting the reply")
