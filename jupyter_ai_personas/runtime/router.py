"""Turns events of a chat into turns, stops, and answers to commands."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from difflib import get_close_matches

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
from jupyter_ai_personas.chat.history import command_of
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.chat.messages import GROWING_STATES
from jupyter_ai_personas.personas import ChatPersonas
from jupyter_ai_personas.routing import (
    Chain,
    NameIndex,
    address,
    find_mentions,
    may_mention,
    meant_names,
    mention_name,
)
from jupyter_ai_personas.routing.flood import FloodGate
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.commands import Command, CommandContext, Commands
from jupyter_ai_personas.runtime.file_notices import FileNotices
from jupyter_ai_personas.runtime.retry import Retry
from jupyter_ai_personas.runtime.scheduler import Scheduler
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.turn import ActiveTurn, ReplyFinished, TurnOrder
from jupyter_ai_personas.runtime.unsaved import NO_PERSONA, Unsaved
from jupyter_ai_personas.runtime.wording import INTERRUPTED, cut_off, flooding

__all__ = ["Router"]

MAX_ROOTS = 1000
"""For how many messages of people it is remembered what they have caused."""


@dataclass(slots=True)
class _Root:
    """What a person's message has caused. ``is_told``: people know that a bound ends it."""

    turns: int = 0
    is_told: bool = False


class Router:
    """Handles the events of one chat: submits and stops turns, runs commands."""

    def __init__(
        self,
        services: Services,
        chat: ChatHandle,
        scheduler: Scheduler,
        unsaved: Unsaved,
        commands: Commands,
        personas: ChatPersonas,
    ) -> None:
        self._services = services
        self._chat = chat
        self._scheduler = scheduler
        self._unsaved = unsaved
        self._commands = commands
        self._flood = FloodGate(services.settings.max_messages_per_minute, clock=time.monotonic)
        self._roots: dict[str, _Root] = {}
        self._files = FileNotices()
        self.retry = Retry(services, chat, scheduler, ask=self.ask)
        """Runs turns again."""
        self._context = CommandContext(services, chat, scheduler, self.retry, personas)

    async def handle(self, event: ChatEvent) -> bool:
        """Handle an event; return whether a turn's record in the ledger holds its message."""
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

    async def ask(self, order: TurnOrder) -> list[ActiveTurn]:
        """Submit turns and count them; see :meth:`Scheduler.submit`."""
        for persona_id in order.persona_ids if order.anew else ():
            self._unsaved.runs_again(order.message.id, persona_id)
        turns = await self._scheduler.submit(order)
        if order.chain.hops == 0:
            self._root(order.chain.root).turns += len(turns)
        return turns

    def _root(self, message_id: str) -> _Root:
        root = self._roots[message_id] = self._roots.pop(message_id, _Root())
        while len(self._roots) > MAX_ROOTS:
            del self._roots[next(iter(self._roots))]
        return root

    # -- messages that are posted -----------------------------------------------------------

    async def _posted(self, message: Message) -> bool:
        command = self._commands.find(message)
        if command is not None:
            return await self._obey(message, command)
        if self._is_for_another_runtime(message):
            return False
        addressed = self.addressed(message, by_default=False)
        mistyped = "" if addressed else self._mistyped(message)
        faulty = self._files.about(message, self._services.personas, addressed, self._people)
        if addressed and faulty:
            self._scheduler.notify(faulty, reply_to=message.id)
        elif faulty:
            mistyped = "\n\n".join(filter(None, [mistyped, faulty]))
        # The default persona does not answer in place of one whose name was mistyped.
        addressed = addressed or ([] if mistyped else self.addressed(message))
        if mistyped:
            if self._flood.check(message.sender) == "pass":
                self._scheduler.notify(mistyped, reply_to=message.id)
        elif addressed and not self._is_flooding(message, addressed):
            self._unsaved.in_turn(message.id)
            await self.ask(TurnOrder(message, addressed, Chain(message.id), message.sender))
            return True
        return False

    def _is_deleted(self, message: Message) -> bool:
        now = self._chat.current.get(message.id)
        return message.deleted or (now is not None and now.deleted)

    def is_command(self, message: Message) -> bool:
        """Return whether ``message`` is a command, which addresses no persona."""
        return self._commands.find(message) is not None

    async def _obey(self, message: Message, command: Command) -> bool:
        """Run a command once: the ledger knows it if a browser brings its message back."""
        is_bounded = not self._commands.always(message)
        if is_bounded and self._is_flooding(message, [SYSTEM_ID]):
            return False
        record = self._chat.record(message, SYSTEM_ID)
        self._unsaved.in_turn(message.id)
        if not (await self._services.ledger.accept([record]))[0]:
            return True
        text = await command(self._context)
        if text:
            self._scheduler.notify(text, reply_to=message.id)
        self._unsaved.ended(record.turn_id, message.id, SYSTEM_ID, "done", ())
        return True

    def _mistyped(self, message: Message) -> str:
        """Return a hint for a message that nearly mentions a persona, or nearly is a command."""
        other = self._services.other_runtime(self._chat.id)
        if not may_mention(message.body):
            # The other runtime has commands of its own.
            return _near_command(message.body, self._commands.names) if other is None else ""
        personas, people = self._services.personas, self._people()
        names = (other.personas if other is not None else None) or {}
        theirs = NameIndex({id_: mention_name(name) for id_, name in names.items()})
        unreached = find_mentions(message.body, theirs)
        # Those that run elsewhere work there.
        broken = {one.name: one.name for one in personas.broken if one.stage != "elsewhere"}
        unusable = find_mentions(message.body, NameIndex(broken))
        lines = [
            f"The persona {code(name)} cannot be used: its package failed to load. The operator "
            "finds the reason with `jupyter ai-personas doctor`."
            for name in unusable
        ]
        lines += [
            f"{code(names[id_])} is a persona of Jupyter AI, which a mention does not reach. "
            "Choose it below the chat's input, and send the message again."
            for id_ in unreached
        ]
        near_names = meant_names(message.body, personas.names, [*people, *unusable, *theirs.names])
        for typed, near in near_names.items():
            meant = " or ".join(f"`@{name}`" for name in near)
            if personas.names.id_of(typed) is None:
                lines.append(f"There is no persona {code(typed)}. Did you mean {meant}?")
            else:
                lines.append(f"To ask {code(typed)}, write {meant} as a word of its own.")
        return "\n\n".join(lines)

    def _people(self) -> list[str]:
        """Return the mention names of the people in the chat."""
        users = map(self._chat.current.user, self._chat.current.people())
        return [user.mention_name or mention_name(user.shown_name) for user in users if user]

    def _is_flooding(self, message: Message, addressed: list[str]) -> bool:
        verdict = self._flood.check(message.sender)
        if verdict == "tell":
            self._scheduler.notify(flooding(self._flood.most), reply_to=message.id)
        if verdict != "pass":
            # Recovery must not run it when the chat is opened again.
            self._services.ledger.refuse(self._chat.id, message.id, addressed)
        return verdict != "pass"

    def addressed(self, message: Message, *, by_default: bool = True) -> list[str]:
        """Return the ids of the personas that a person's message asks.

        ``by_default``: a message without mentions may ask the default persona.
        """
        chat = self._chat.current
        asked = self._commands.asked(message, self._context)
        if asked is not None:
            return [asked]
        if self._is_for_another_runtime(message):
            return []
        by_default = by_default and self._services.other_runtime(chat.id) is None
        default = self._services.default_persona if by_default else None
        people = chat.people() | {message.sender} if default is not None else set()
        return address(
            message.body,
            message.mentions,
            self._services.personas.names,
            default=default if len(people) == 1 else None,
        )

    def _is_for_another_runtime(self, message: Message) -> bool:
        """Return whether the other runtime on this server answers ``message``, if there is one."""
        to = message.to_persona
        if to is None or to in self._services.personas:
            return False
        other = self._services.other_runtime(self._chat.id)
        return other is not None and other.answers(to)

    def settle_stray(self, message_id: str) -> None:
        """Mark a reply that says it is streaming although no turn writes it.

        The chat's current state counts: the event may be about an old copy of a final reply.
        """
        message = self._chat.current.get(message_id)
        if (
            message is not None
            and message.by_persona
            and message.state in GROWING_STATES
            and not self._is_written(message)
        ):
            body = message.body.removesuffix(INTERRUPTED).rstrip()
            body = f"{body}\n\n{INTERRUPTED}".lstrip()
            metadata = {**message.metadata, "state": "interrupted"}
            self._chat.current.apply([Update(message.id, body, metadata)])

    def _is_written(self, reply: Message) -> bool:
        turn = self._scheduler.turns.get(str(reply.metadata.get("turn")))
        if turn is None:
            return False
        # Messages of an earlier attempt count only if this attempt writes into them again.
        return not reply.id.startswith(f"{turn.id}.") or reply.id in turn.replies.ids

    # -- messages that change ---------------------------------------------------------------

    async def _edited(self, message: Message) -> None:
        active = [t for t in self._scheduler.turns.values() if t.message.id == message.id]
        message = self._without_stale_mentions(message, active)
        # An edit runs no command, and a command addresses no persona.
        addressed = [] if self.is_command(message) else self._addressed_by_edit(message, active)
        changed: list[ActiveTurn] = []
        for turn in active:
            if turn.persona.id not in addressed:
                await self._scheduler.stop([turn], by=message.sender, how="by editing the message")
            elif turn.message.body != message.body:
                changed.append(turn)
        if changed and not self._is_flooding(message, []):
            for turn in changed:
                turn.begin_again(message)
        known = await self._services.ledger.known(self._chat.id, [message.id])
        fresh = [id_ for id_ in addressed if id_ not in {t.persona.id for t in active}]
        was_asked = not active and any(persona_id != NO_PERSONA for _, persona_id in known)
        if was_asked and self._is_answered(message):
            # An edit of an answered message starts no turns, also not after a restart.
            if fresh:
                self._services.ledger.refuse(self._chat.id, message.id, fresh)
        elif fresh and not self._is_flooding(message, fresh):
            # A message that the flood limit refused may be asked again.
            chain = Chain(message.id)
            await self.ask(TurnOrder(message, fresh, chain, message.sender, anew=was_asked))

    def _addressed_by_edit(self, message: Message, active: list[ActiveTurn]) -> list[str]:
        explicit = self.addressed(message, by_default=False)
        # The default persona keeps its turn, also if more people have joined since.
        by_default = [
            t.persona.id for t in active if not self.addressed(t.message, by_default=False)
        ]
        return explicit or by_default or self.addressed(message)

    def _is_answered(self, message: Message) -> bool:
        end = self._chat.current.before(None, RECENT)
        return any(reply.reply_to == message.id and reply.by_persona for reply in end)

    def _without_stale_mentions(self, message: Message, active: list[ActiveTurn]) -> Message:
        # JupyterLab's chat leaves names in `mentions` that were edited out.
        names = self._services.personas.names
        before = {id_ for turn in active for id_ in find_mentions(turn.message.body, names)}
        stale = before.difference(find_mentions(message.body, names))
        return replace(message, mentions=tuple(m for m in message.mentions if m not in stale))

    def _deleted(self, event: MessageDeleted) -> None:
        for turn in list(self._scheduler.turns.values()):
            if turn.message.id == event.message.id:
                by = event.message.sender if event.message.by_person else None
                self._scheduler.begin_stop(turn, by=by, how="by deleting the message")
            elif any(reply.id == event.message.id for reply in turn.replies.growing):
                self._scheduler.begin_stop(turn, by=None, how="by deleting the reply")

    # -- replies that are finished ----------------------------------------------------------

    async def pass_on(self, event: ReplyFinished, *, again: bool = False) -> None:
        """Submit turns of the personas that finished replies mention.

        ``again``: it may have happened before a crash; the notice about a bound is not repeated.
        """
        root, limits = self._root(event.chain.root), self._services.limits(event.persona_id)
        for message_id, body in event.written if event.state == "done" else ():
            allowed, further, cut = event.chain.next(
                event.persona_id,
                address(body, (), self._services.personas.names),
                limits,
                turns_so_far=root.turns,
            )
            reply = self._chat.current.get(message_id)
            if allowed and reply is not None and not reply.deleted:
                root.turns += len(allowed)
                await self.ask(TurnOrder(reply, allowed, further, event.person))
            if cut is not None and not again and not root.is_told:
                # One notice for each message of a person, however many replies are cut off.
                root.is_told = True
                self._scheduler.notify(cut_off(cut, limits), reply_to=message_id)


def _near_command(body: str, known: frozenset[str]) -> str:
    """Return a hint for a message that begins with a mistyped command, else an empty string."""
    typed = command_of(body)
    near = get_close_matches(typed, sorted(known), n=1, cutoff=0.75) if typed else []
    if not near or typed in known:
        return ""
    return f"There is no command {code(typed)}. Did you mean `{near[0]}`? `/help` lists all."
