"""The commands that may be typed in a chat, without any front-end plug-in."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal

import anyio.to_thread

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.history import command_of, earlier_attachments
from jupyter_ai_personas.chat.markdown import code, inert
from jupyter_ai_personas.commands.context import Given, describe_context
from jupyter_ai_personas.commands.export import export_chat
from jupyter_ai_personas.commands.refresh import refresh
from jupyter_ai_personas.commands.tools import list_tools
from jupyter_ai_personas.errors import ModelError, PersonasError
from jupyter_ai_personas.hosts import in_words
from jupyter_ai_personas.personas import Personas
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.routing import NameIndex, find_mentions
from jupyter_ai_personas.runtime import (
    ActiveTurn,
    Approval,
    Command,
    CommandContext,
    CommandInfo,
    Commands,
    Decision,
)
from jupyter_ai_personas.runtime.commands import CommandsOf
from jupyter_ai_personas.runtime.file_notices import describe
from jupyter_ai_personas.runtime.retry import RETRIABLE
from jupyter_ai_personas.tools import Prompt, ToolRegistry

__all__ = ["ChatCommands"]

Handler = Callable[[CommandContext, Message, str], Awaitable[str]]

SOURCE = "jupyter_ai_personas"
"""The source of these commands in `/help`."""

MODELS_SHOWN = 6
"""How many models of a provider ``/models`` names."""

MAX_HELP = 200
"""Characters of what an MCP server says of its prompt."""

SEARCHED = 200
"""How many messages from the end ``/retry`` looks through."""


class ChatCommands(Commands):
    """``/help``, ``/personas``, ``/models``, ``/stop``, ``/status``, and the others.

    A message of one line that begins with one of these is a command. A message that begins with a
    command of a persona addresses that persona, as a mention does. Any other message that begins
    with a slash is an ordinary message.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, tuple[str, Handler]] = {
            "/help": ("lists the commands", self._help),
            "/personas": ("who is here, for what, and with which model", _personas),
            "/models": ("which models can be chosen, and what others lack", _models),
            "/model": ("`/model @Name provider:model` chooses a model in this chat", _model),
            "/stop": (
                "ends your turns; `/stop @Name` one persona's, `/stop all` everybody's",
                _stop,
            ),
            "/retry": (
                "asks again for the latest reply that failed or was stopped, or `/retry @Name`",
                _retry,
            ),
            "/approve": (
                "lets a persona do what it asks for, or `/approve id`",
                partial(_decide, "approved"),
            ),
            "/deny": (
                "refuses that; `/deny id reason` tells the persona why",
                partial(_decide, "denied"),
            ),
            "/status": ("what runs, what waits, and what models have used", _status),
            "/context": (
                "what a persona is given with your next message; `/context @Name` for another",
                self._context,
            ),
            "/undo": (
                "takes back what personas changed last in notebooks and files; `/undo @Name` one's",
                _undo,
            ),
            "/tools": (
                "which tools there are, and what is asked about first; `/tools @Name` a persona's",
                list_tools,
            ),
            "/refresh": (
                "reads the files of local personas again, and says what has changed",
                refresh,
            ),
            "/export": (
                "`/export [markdown|notebook] [path]` writes this chat into a file",
                _export,
            ),
        }
        self.names = frozenset(self._handlers)

    async def listed(
        self, personas: Personas, tools: ToolRegistry, chat_path: str, commands_of: CommandsOf
    ) -> list[CommandInfo]:
        """Return the commands that can be typed in a chat, those of ``personas`` last.

        Starts the MCP servers of the personas: only a running server knows its prompts.
        """
        ours = [CommandInfo(name, text, SOURCE) for name, (text, _) in self._handlers.items()]
        theirs: dict[str, CommandInfo] = {}
        for persona in personas.values():
            for name, text in commands_of(persona).items():
                if name not in self.names:
                    # Of several personas with one command, the first is asked.
                    told = name not in persona.commands
                    info = CommandInfo(name, text, persona.source, persona.name, told)
                    theirs.setdefault(name, info)
        await asyncio.gather(*(tools.ready(one, chat_path) for one in personas.values()))
        prompts = {
            prompt.command: CommandInfo(prompt.command, _about(prompt), f"mcp:{prompt.server}")
            for persona in personas.values()
            for prompt in tools.prompts(persona, chat_path)
        }
        return [*ours, *theirs.values(), *prompts.values()]

    def find(self, message: Message) -> Command | None:
        """Return what to do for ``message``, or ``None`` if it is no command."""
        name = command_of(message.body)
        if name not in self._handlers:
            return None
        rest = "".join(message.body.strip().split(None, 1)[1:])
        return partial(self._answer, self._handlers[name][1], message, rest)

    def always(self, message: Message) -> bool:
        """Return whether the command in ``message`` is exempt from the flood limit."""
        return message.body.split(None, 1)[0].casefold() in ("/stop", "/deny")

    def asked(self, message: Message, context: CommandContext) -> str | None:
        """Return the id of the persona that the command in ``message`` asks, or ``None``.

        Of several that have the command, or the MCP server of a prompt, the one that the message
        mentions, or the first.
        """
        word = message.body.split(None, 1)[:1]
        if not word or not word[0].startswith("/"):
            return None
        name, personas, tools = word[0].casefold(), context.personas, context.tools
        able = [p.id for p in personas.values() if name in context.commands_of(p)]
        if not able or name in self.names:
            path = context.chat.path
            able = [p.id for p in personas.values() if tools.is_prompt(p, message.body, path)]
        mentioned = [id_ for id_ in find_mentions(message.body, personas.names) if id_ in able]
        return next(iter([*mentioned, *able]), None)

    async def _answer(
        self, handler: Handler, message: Message, rest: str, context: CommandContext
    ) -> str:
        try:
            return await handler(context, message, rest)
        except PersonasError as error:
            return in_words(str(error))

    async def _help(self, context: CommandContext, message: Message, rest: str) -> str:
        listed = await self.listed(
            context.personas, context.tools, context.chat.path, context.commands_of
        )
        lines = [
            f"- `{one.name}`: {one.help}"
            if one.source == SOURCE
            else f"- {code(one.name)} ({inert(one.persona or one.source)}): {inert(one.help)}"
            for one in listed
        ]
        first = "Mention a persona with `@` to ask it something, or type a command:"
        return "\n".join([first, "", *lines])

    async def _context(self, context: CommandContext, message: Message, rest: str) -> str:
        personas, named = context.personas, rest.split()[:1]
        if not named and not personas:
            return "No personas are installed."
        default = personas.get(context.default_persona or "") or next(iter(personas.values()), None)
        persona = personas.find(named[0]) if named else default
        assert persona is not None
        model, problem = context.model_of(persona)
        gathering, path = context.gathering, context.chat.path
        history = context.history_of(persona, message)
        uses = gathering.uses_beside
        return describe_context(
            Given(
                persona=persona.name,
                model=model,
                problem=problem,
                system_prompt=persona.system_prompt,
                instructions=await gathering.instructions(path),
                # Without the command itself.
                history=history[:-1],
                earlier=await gathering.attached_earlier(earlier_attachments(history)),
                beside=await gathering.beside(path, message.sender) if uses else (),
                uses_beside=uses,
                attached_chars=gathering.limits.total_chars,
                searched_chars=0 if persona.has_own_models else persona.searched_chars,
            )
        )


def _about(prompt: Prompt) -> str:
    """Return what is said of a prompt: the server's text, on one line, and its arguments."""
    text = prompt.description[:MAX_HELP].rstrip(".") or "a prompt"
    return f"{text} ({prompt.usage})" if prompt.usage else text


async def _export(context: CommandContext, message: Message, rest: str) -> str:
    return await export_chat(context.chat, context.gathering.workspace, rest, until=message.id)


async def _personas(context: CommandContext, message: Message, rest: str) -> str:
    lines = []
    for persona in context.personas.values():
        model, problem = context.model_of(persona)
        about = inert(persona.description) or "no description"
        none = f"no model: {in_words(problem)}" if problem else "a model of its own"
        with_ = code(model) if model else none
        whose = f", from {code(persona.file)}" if persona.file else ""
        lines.append(
            f"- **{inert(persona.name)}** (`@{persona.mention_name}`): {about} ({with_}{whose})"
        )
    for entry in context.personas.broken:
        if entry.is_fault:
            lines.append(f"- {inert(entry.name)} cannot be used: see `jupyter ai-personas doctor`")
    lines += [f"- {describe(problem)}" for problem in context.personas.problems]
    return "\n".join(lines) or "No personas are installed."


async def _models(context: CommandContext, message: Message, rest: str) -> str:
    infos = await anyio.to_thread.run_sync(context.models.infos)
    lines, unready = [], []
    for info in sorted((i for i in infos if i.chat), key=lambda i: i.id):
        if info.available:
            listed = [model for model in info.models if model != "*"]
            shown = [code(f"{info.id}:{model}") for model in listed[:MODELS_SHOWN]]
            more = len(listed) - len(shown)
            shown += [f"{more} more"] if more > 0 else []
            shown += [code(f"{info.id}:<any model>")] if info.registry else []
            lines.append(f"- {inert(info.name)}: {', '.join(shown)}")
        else:
            problem = for_people(info.problem or "not ready")
            unready.append(f"- {inert(info.name)}: {_with_names(problem)}")
    if lines:
        lines = ["These can be chosen:", "", *lines, ""]
    if unready:
        lines += ["These lack something:", "", *unready]
    try:
        default, why = context.models.default(chat=True)
        lines.append(f"\nThe default is {code(str(default))} ({inert(why)}).")
    except ModelError as error:
        lines.append(f"\nThere is no default: {in_words(str(error))}")
    return "\n".join(lines)


def _with_names(text: str) -> str:
    """Return ``text`` with the names of variables and packages as code."""
    return " ".join(
        code(word) if re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", word) else inert(word)
        for word in text.split()
    )


async def _model(context: CommandContext, message: Message, rest: str) -> str:
    words = rest.split()
    if not words or len(words) > 2 or not words[0].startswith("@"):
        return "Write `/model @Name provider:model`; `/models` lists what there is."
    persona = context.personas.find(words[0])
    if len(words) == 1:
        model, problem = context.model_of(persona)
        if not model and not problem:
            return f"{inert(persona.name)} uses a model of its own."
        return f"{inert(persona.name)} uses {code(model)}." if model else in_words(problem)
    await context.choose_model(persona, words[1])
    model, _ = context.model_of(persona)
    return f"{inert(persona.name)} uses {code(model or words[1])} in this chat from now on."


async def _stop(context: CommandContext, message: Message, rest: str) -> str:
    turns = list(context.turns)
    what, whose = "Nothing", "everybody's"
    if rest.casefold() != "all":
        what, whose = "Nothing of yours", "your"
        turns = [turn for turn in turns if turn.person == message.sender]
        if rest:
            # The file of a persona may be gone while it answers.
            answering = NameIndex({turn.persona.id: turn.persona.mention_name for turn in turns})
            id_ = answering.id_of(rest)
            if id_ is None:
                persona = context.personas.find(rest)
                what, id_ = f"Nothing of yours with {inert(persona.name)}", persona.id
            turns = [turn for turn in turns if turn.persona.id == id_]
    if not turns:
        others = " `/stop all` ends everybody's." if context.turns else ""
        return f"{what} is running.{others}"
    await context.stop(turns, message.sender)
    return f"Stopped {whose} turns: {_names(turns)}."


def _names(turns: list[ActiveTurn]) -> str:
    return ", ".join(dict.fromkeys(inert(turn.persona.name) for turn in turns))


async def _retry(context: CommandContext, message: Message, rest: str) -> str:
    persona = context.personas.find(rest) if rest else None
    answer = "There is no reply here that failed or was stopped."
    asked = {(turn.message.id, turn.persona.id) for turn in context.turns}
    for reply in reversed(context.chat.before(message.id, SEARCHED)):
        if not reply.by_persona or reply.deleted or reply.state not in RETRIABLE:
            continue
        if persona is not None and reply.sender != persona.id:
            continue
        if (reply.reply_to, reply.sender) in asked:
            answer = "That is asked again already."
            continue
        await context.retry(reply, message.sender)
        return ""
    return answer


async def _undo(context: CommandContext, message: Message, rest: str) -> str:
    named = context.personas.find(rest.split()[0]) if rest.split() else None
    undone = await context.undo(None if named is None else named.id)
    if undone is None:
        whose = "" if named is None else f" of {inert(named.name)}'s"
        return f"There is nothing{whose} in this chat to take back."
    persona = context.personas.get(undone.persona_id)
    return undone.text(persona.name if persona is not None else undone.persona_id)


async def _decide(
    status: Literal["approved", "denied"], context: CommandContext, message: Message, rest: str
) -> str:
    open_ = context.approvals
    if not open_:
        return "Nothing waits for an approval in this chat."
    first, _, reason = rest.partition(" ")
    named = [a for a in open_ if first and a.id == first.strip("`").casefold()]
    if not named and status == "approved" and rest:
        return f"There is no open approval {code(first)}. {_waiting(open_)}"
    if not named and len(open_) > 1:
        word = message.body.split(None, 1)[0]
        return f"Say which: {code(f'{word} id')}. {_waiting(open_)}"
    [approval] = named or open_
    user = context.chat.user(message.sender)
    name = user.shown_name if user is not None else message.sender
    reason = (reason if named else rest).strip()
    await context.decide(approval.id, Decision(status, message.sender, name, reason))
    return ""


def _waiting(approvals: Sequence[Approval]) -> str:
    waiting = [f"{code(a.id)} ({inert(a.persona_name)}, {code(a.tool)})" for a in approvals]
    return f"Open: {', '.join(waiting)}."


async def _status(context: CommandContext, message: Message, rest: str) -> str:
    now = time.time()
    lines = []
    for turn in context.turns:
        user = context.chat.user(turn.person)
        who = inert(user.shown_name if user is not None else turn.person)
        if turn.waiting_since is not None:
            does, since = f"waits for an approval, asked by {who},", turn.waiting_since
        elif turn.began_at is not None:
            does, since = f"answers a message of {who}", turn.began_at
        else:
            does, since = f"has a message of {who} waiting", turn.accepted_at
        lines.append(f"- {inert(turn.persona.name)} {does}, for {max(0, round(now - since))} s")
    for name, what in context.blocked.items():
        lines.append(f"- {inert(name)} {inert(what)}")
    lines = lines or ["Nothing is running."]
    lines += [f"- {line}" for line in context.workers]
    for model, (turns, tokens) in context.usage.items():
        counted = f", {tokens:,} tokens" if tokens else ""
        lines.append(f"- {code(model)}: {turns} {'reply' if turns == 1 else 'replies'}{counted}")
    lines.append(f"- {await context.gathering.workspace.search_status()}")
    return "\n".join(lines)
