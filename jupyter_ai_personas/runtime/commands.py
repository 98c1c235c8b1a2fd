"""The interface between the runtime and the commands of a chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from jupyter_ai_personas.chat import Chat, Message
from jupyter_ai_personas.chat.history import HistoryEntry
from jupyter_ai_personas.personas import ChatPersonas, Persona, Personas
from jupyter_ai_personas.runtime.approvals import Approval, Decision
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.retry import Retry
from jupyter_ai_personas.runtime.scheduler import Scheduler
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.turn import ActiveTurn
from jupyter_ai_personas.tools import ToolRegistry, Toolset
from jupyter_ai_personas.tools.changes import UndoReport

__all__ = ["Command", "CommandContext", "CommandInfo", "Commands", "CommandsOf"]


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command that can be typed: its ``name`` with the slash, and what it does.

    ``source`` is the package that it comes from, or the MCP server as a toolset; ``persona`` is
    the name of the persona that has it, or empty. ``is_reported``: the persona reported it while it
    answered.
    """

    name: str
    help: str
    source: str
    persona: str = ""
    is_reported: bool = False


class CommandContext:
    """The operations available to the commands of a chat."""

    def __init__(
        self,
        services: Services,
        chat: ChatHandle,
        scheduler: Scheduler,
        retry: Retry,
        personas: ChatPersonas,
    ) -> None:
        self.personas = personas
        """The personas of this chat."""
        self.models = services.models
        """All providers and models."""
        self.tools = services.tools
        """The tools of the server."""
        self.gathering = services.gathering
        """Collects a model's context beside the chat: attachments, notebooks, instructions."""
        self.usage: Mapping[str, tuple[int, int]] = scheduler.usage
        """Model → replies and tokens since the chat was opened."""
        self.blocked: Mapping[str, str] = services.hosts.blocked
        """Name of a persona → where it blocks its event loop."""
        self._services = services
        self._handle = chat
        self._scheduler = scheduler
        self._retry = retry

    @property
    def chat(self) -> Chat:
        """The chat, as it is open now."""
        return self._handle.current

    @property
    def default_persona(self) -> str | None:
        """The id of the persona that answers messages without mentions, or ``None``."""
        return self._services.default_persona

    # -- turns ------------------------------------------------------------------------------

    @property
    def turns(self) -> Sequence[ActiveTurn]:
        """The turns that run or wait in this chat."""
        return tuple(self._scheduler.turns.values())

    @property
    def workers(self) -> Sequence[str]:
        """Lines about the processes that personas run in, other than the server's."""
        return self._services.hosts.status()

    async def stop(self, turns: Sequence[ActiveTurn], person: str) -> None:
        """Stop turns for a user and wait until they have ended."""
        await self._scheduler.stop(turns, by=person)

    async def retry(self, reply: Message, person: str) -> None:
        """Run the turn of a reply again for a user.

        Raises:
            TurnStateError: it cannot run again.
        """
        await self._retry.reply(reply, person)

    # -- personas and models ----------------------------------------------------------------

    def history_of(self, persona: Persona, until: Message) -> Sequence[HistoryEntry]:
        """Return what a persona is shown of the chat up to a message."""
        return self._services.shown(self._services.history(self.chat, persona, until))

    def commands_of(self, persona: Persona) -> Mapping[str, str]:
        """Return the commands of a persona in this chat, with the slash → what they do."""
        return self._services.reports.commands(self.chat.id, persona)

    def model_of(self, persona: Persona) -> tuple[str | None, str]:
        """Return the reference of a persona's model in this chat, or ``None`` and why not."""
        return self._services.model_in(self.chat, persona)

    async def choose_model(self, persona: Persona, wanted: str | None) -> None:
        """Choose a persona's model in this chat; see :meth:`Services.choose_model`."""
        await self._services.choose_model(self.chat, persona, wanted)

    # -- tools ------------------------------------------------------------------------------

    async def own_tools(self, persona: Persona) -> Toolset | None:
        """Return the tools of a persona's class, ``None`` if it has none."""
        return await self._services.own_tools.toolset(persona)

    async def undo(self, persona_id: str | None) -> UndoReport | None:
        """Undo the latest turn, of one persona or of any, that changed something."""
        return await self._services.changes.undo(self.chat.id, persona_id)

    @property
    def approvals(self) -> Sequence[Approval]:
        """The open approvals of this chat."""
        return self._services.approvals.open(chat_id=self.chat.id)

    async def decide(self, approval_id: str, decision: Decision) -> None:
        """Decide an approval by what was typed.

        Raises:
            ApprovalError: it is unknown or decided, or its approvers must prove who they are.
        """
        await self._services.approvals.decide(approval_id, decision, proven=False)

    async def allowed(self) -> set[tuple[str, str]]:
        """Return persona id and tool of each call that needs no approval in this chat."""
        return await self._services.ledger.allowed(self.chat.id)

    async def disallow(self) -> None:
        """Revoke what :meth:`allowed` returns."""
        await self._services.ledger.disallow(self.chat.id)


CommandsOf = Callable[[Persona], Mapping[str, str]]
"""Returns the commands of a persona in a chat, with the slash → what they do."""

Command = Callable[[CommandContext], Awaitable[str]]
"""Does what was typed and returns the answer, in Markdown; an empty one is not shown."""


class Commands:
    """The commands that may be typed in a chat: here, none."""

    names: frozenset[str] = frozenset()

    async def listed(
        self, personas: Personas, tools: ToolRegistry, chat_path: str, commands_of: CommandsOf
    ) -> list[CommandInfo]:
        """Return the commands that can be typed in a chat, those of ``personas`` last."""
        return []

    def find(self, message: Message) -> Command | None:
        """Return what to do for ``message``, or ``None`` if it is no command."""
        return None

    def always(self, message: Message) -> bool:
        """Return whether the command in ``message`` is exempt from the flood limit."""
        return False

    def asked(self, message: Message, context: CommandContext) -> str | None:
        """Return the id of the persona that the command in ``message`` asks, or ``None``.

        It is the persona's own, or a prompt of an MCP server that it has.
        """
        return None
