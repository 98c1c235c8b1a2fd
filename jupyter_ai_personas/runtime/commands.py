"""Protocols between the runtime and the commands of a chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_ai_personas.chat import Chat, Message
from jupyter_ai_personas.chat.history import HistoryEntry
from jupyter_ai_personas.context.gathering import Gathering
from jupyter_ai_personas.personas import Persona, Personas
from jupyter_ai_personas.runtime.approvals import Approval, Decision
from jupyter_ai_personas.runtime.executors import Toolbox, Undone
from jupyter_ai_personas.runtime.turn import ActiveTurn
from jupyter_ai_personas.tools import Toolset

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelRegistry

__all__ = ["Command", "CommandContext", "CommandInfo", "Commands", "CommandsOf"]


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command that can be typed: its ``name`` with the slash, and what it does.

    ``source`` is the package that it comes from, or the MCP server as a toolset; ``persona`` is
    the name of the persona whose own it is, or empty.
    """

    name: str
    help: str
    source: str
    persona: str = ""


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The operations available to a command.

    ``turns`` run or wait. ``usage`` is model → replies and tokens since the chat was opened.
    ``refresh`` reads the files of local
    personas and returns each with what has changed since, ``None`` if there can be none.
    ``blocked`` is the name of a persona → where it blocks its event loop. ``workers`` are lines
    about the processes that personas run in, if not in this one. ``stop`` takes turns and a
    username. ``retry`` takes a request, its reply and a username, and returns whether a turn
    runs. ``gathering`` collects the context of a model beside the chat.
    ``commands_of`` returns the commands of a persona in this chat.
    ``history_of`` returns what a persona is shown of the chat up to a message. ``tools`` are those
    of the server. ``approvals`` are those of this chat that are open; ``decide`` takes the id of
    one and a decision that was typed. ``allowed`` returns persona id and tool of what needs no
    approval in this chat, and ``disallow`` takes that back. ``undo`` takes back what the latest
    turn changed, of the persona with an id or of any. ``own_tools`` returns
    the tools of a persona's class, if it has any.
    """

    chat: Chat
    personas: Personas
    refresh: Callable[[], Awaitable[list[tuple[str, str]] | None]]
    models: ModelRegistry
    turns: Sequence[ActiveTurn]
    usage: Mapping[str, tuple[int, int]]
    blocked: Mapping[str, str]
    workers: Sequence[str]
    default_persona: str | None
    gathering: Gathering
    tools: Toolbox
    own_tools: Callable[[Persona], Awaitable[Toolset | None]]
    undo: Callable[[str | None], Awaitable[Undone | None]]
    commands_of: CommandsOf
    history_of: Callable[[Persona, Message], tuple[HistoryEntry, ...]]
    model_of: Callable[[Persona], tuple[str | None, str]]
    choose_model: Callable[[Persona, str | None], Awaitable[None]]
    stop: Callable[[Sequence[ActiveTurn], str], Awaitable[None]]
    retry: Callable[[Message, Message, str], Awaitable[bool]]
    approvals: Sequence[Approval]
    decide: Callable[[str, Decision], Awaitable[Decision]]
    allowed: Callable[[], Awaitable[set[tuple[str, str]]]]
    disallow: Callable[[], Awaitable[None]]


CommandsOf = Callable[[Persona], Mapping[str, str]]
"""Returns the commands of a persona in a chat, with the slash → what they do."""

Command = Callable[[CommandContext], Awaitable[str]]
"""Does what was typed and returns the answer, in Markdown; an empty one is not shown."""


class Commands:
    """The commands that may be typed in a chat: here, none."""

    names: frozenset[str] = frozenset()

    async def listed(
        self, personas: Personas, tools: Toolbox, chat_path: str, commands_of: CommandsOf
    ) -> list[CommandInfo]:
        """Return the commands that can be typed in a chat, those of ``personas`` last."""
        return []

    def find(self, message: Message) -> Command | None:
        """Return what to do for ``message``, or ``None`` if it is no command."""
        return None

    def always(self, message: Message) -> bool:
        """Return whether the command in ``message`` is obeyed however many there were."""
        return False

    def asked(
        self,
        message: Message,
        personas: Personas,
        tools: Toolbox,
        chat_path: str,
        commands_of: CommandsOf,
    ) -> str | None:
        """Return the id of the persona that the command in ``message`` asks, or ``None``.

        It is the persona's own, or a prompt of an MCP server that it has.
        """
        return None
