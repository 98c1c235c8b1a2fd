"""``/tools`` lists the tools of the server or of a persona, with the policy of each."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.markdown import code, inert
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.runtime import CommandContext
from jupyter_ai_personas.tools import Policy, ToolInfo, Toolset

__all__ = ["list_tools"]

_WORDS: dict[Policy, str] = {"allow": "allowed", "ask": "asked about first", "deny": "denied"}
_ORDER: tuple[Policy, ...] = ("allow", "ask", "deny")


async def list_tools(context: CommandContext, message: Message, rest: str) -> str:
    """Answer ``/tools``, ``/tools @Name`` or ``/tools reset``, in Markdown."""
    tools, named = context.tools, rest.split()[:1]
    if named and named[0].casefold() == "reset":
        return await _reset(context)
    if not named:
        lines = [_about(toolset, context, None) for toolset in tools.toolsets()]
        for persona in context.personas.values():
            if (own := await context.own_tools(persona)) is not None:
                lines.append(_about(own, context, persona))
        others = "`/tools @Name` shows what a persona has."
        allowed = await _allowed_here(context)
        lines = [*lines, "", others] if lines else ["There are no toolsets."]
        return "\n".join([*lines, *(["", allowed] if allowed else [])])
    persona = context.personas.find(named[0])
    await tools.ready(persona, context.chat.path)
    granted = tools.granted(persona, context.chat.path)
    by_toolset: dict[str, list[ToolInfo]] = {}
    for tool in granted:
        by_toolset.setdefault(tool.toolset, []).append(tool)
    lines = []
    for name, group in by_toolset.items():
        policies = ((tool, tools.policy(tool, persona)) for tool in group)
        lines.append(f"- **{inert(name)}**: {_listed(policies)}")
    if (own := await context.own_tools(persona)) is not None:
        lines.append(_about(own, context, persona))
    answer = [f"{inert(persona.name)} has no tools."]
    if lines:
        answer = [f"{inert(persona.name)} has:", "", *lines]
    if unknown := tools.unknown(persona, context.chat.path):
        names = ", ".join(map(code, unknown))
        answer += ["", f"It also names {names}, which no toolset or tool here is called."]
    if withheld := tools.withheld(persona, context.chat.path):
        names = ", ".join(map(code, withheld))
        answer += [
            "",
            f"Withheld: {names}. A file may only grant tools that read, unless the operator sets "
            "`c.AiExtension.local_personas = 'tools'`.",
        ]
    return "\n".join(answer)


async def _allowed_here(context: CommandContext) -> str:
    """Return what people have allowed for this chat, or nothing."""
    personas = context.personas
    allowed = [
        f"{code(tool)} ({inert(personas[id_].name if id_ in personas else id_)})"
        for id_, tool in sorted(await context.allowed())
    ]
    if not allowed:
        return ""
    return f"Allowed in this chat: {', '.join(allowed)}. `/tools reset` takes that back."


async def _reset(context: CommandContext) -> str:
    allowed = await context.allowed()
    await context.disallow()
    return "Tools are asked about again." if allowed else "Nothing was allowed for this chat."


def _about(toolset: Toolset, context: CommandContext, persona: Persona | None) -> str:
    """Describe a toolset, that of ``persona``'s class or of the server."""
    policies = ((tool, context.tools.policy(tool, persona)) for tool in toolset.tools)
    parts = [_listed(policies)] if toolset.tools else []
    if toolset.status == "broken":
        parts.append(f"cannot be used: {inert(for_people(toolset.problem))}")
    elif toolset.status == "starting":
        parts.append("starts when a persona needs it")
    elif toolset.problem:
        parts.append(inert(for_people(toolset.problem)))
    source = f" (from {inert(toolset.source)})" if toolset.source else ""
    return f"- **{inert(toolset.name)}**{source}: {'; '.join(parts) or 'no tools'}"


def _listed(tools: Iterable[tuple[ToolInfo, Policy]]) -> str:
    """Return the names of tools, those that are allowed first."""
    groups: dict[Policy, list[str]] = {policy: [] for policy in _ORDER}
    for tool, policy in tools:
        groups[policy].append(code(tool.name.partition(".")[2]))
    return "; ".join(
        f"{', '.join(names)} ({_WORDS[policy]})" for policy, names in groups.items() if names
    )
