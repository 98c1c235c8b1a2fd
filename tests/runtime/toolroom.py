"""Personas that call tools as the loop below the wall does, and tools that leave a trace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from support.room import LOG, Room

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import ChatError, RequestRefusedError, ToolCallError
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.runtime import Approval, Decision
from jupyter_ai_personas.tools import (
    CallContext,
    PackageToolsets,
    Policy,
    Preview,
    ToolExecutor,
    ToolInfo,
    ToolRegistry,
    ToolSettings,
)
from jupyter_ai_personas.tools import decide as decide_policy

READ = ToolInfo("desk.look", "Looks.", "read")
WRITE = ToolInfo("desk.note", "Notes something.", "write")
RUN = ToolInfo("desk.run", "Runs something.")
HOSTED = ToolInfo("pack.plot", "Plots, in the persona's host.", "write")

APPROVED = Decision("approved", "ada", "Ada")
DENIED = Decision("denied", "bob", "Bob", "Too `dangerous` <b>\n# by far")


class Desk:
    """One executor for all tools of the desk: it notes each run, and waits if it is told to."""

    info = None

    def __init__(self) -> None:
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.contexts: list[CallContext] = []
        self.begun = anyio.Event()
        self.go_on: anyio.Event | None = None
        self.result: Any = None
        self.seconds: float | None = None

    async def run(self, context: CallContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.contexts.append(context)
        self.ran.append((context.call_id, dict(arguments)))
        self.begun.set()
        if self.go_on is not None:
            await self.go_on.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result if self.result is not None else {"did": arguments.get("what")}

    async def preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        if arguments.get("what") == "nonsense":
            raise ChatError("That cannot work.")
        if arguments.get("what") == "stale":
            raise ToolCallError("That is not there now.", current="new")
        if "source" in arguments:
            return Preview(
                target="a.ipynb", code=arguments["source"], language="python", covers=("source",)
            )
        return Preview()


class Box(ToolRegistry):
    """The desk's tools, for every persona."""

    def __init__(
        self,
        desk: Desk,
        policy: Mapping[str, Any] | None = None,
        tools: Sequence[ToolInfo] = (READ, WRITE, RUN, HOSTED),
    ) -> None:
        settings = ToolSettings(max_tool_calls=20, tool_timeout=60)
        super().__init__(settings, PackageToolsets(log=LOG, entry_points=()))
        self._desk = desk
        self._policy = {} if policy is None else policy
        self._tools = tools

    def granted(self, persona: Persona, chat_path: str) -> Sequence[ToolInfo]:
        return self._tools

    def executor(self, tool: str) -> ToolExecutor | None:
        return self._desk if tool.startswith("desk.") else None

    def policy(self, tool: ToolInfo, persona: Persona | None = None) -> Policy:
        names = (persona.id, persona.name, persona.mention_name) if persona is not None else ()
        return decide_policy(self._policy, names, tool.name, tool.effect)


async def call(me: Any, id_: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool as the loop does; return its result."""
    asked = {"call": id_, "tool": tool, "arguments": arguments}
    answer = await me.turn.request("tool.call", asked)
    if answer != {"run": True}:
        return dict(answer["result"])
    result = {"drew": arguments}
    await me.turn.request("tool.result", {"call": id_, "result": result, "seconds": 0.1})
    return result


def caller(tool: str, **arguments: Any) -> Any:
    """Return what a persona does that calls one tool and writes its result."""

    async def act(me: Any, message: Message) -> None:
        try:
            me.send_message(json.dumps(await call(me, "1", tool, **arguments)))
        except RequestRefusedError as error:
            me.send_message(f"refused: {error}")

    return act


def approvals(here: Room) -> list[Approval]:
    return here.runtime.approvals.open()


async def asked(here: Room, count: int = 1) -> list[Approval]:
    """Wait until so many approvals are open, and shown in the chat."""

    def shown() -> list[Approval]:
        ids = {m.id for m in here.messages if m.is_approval}
        found = approvals(here)
        return found if len(found) == count and {a.id for a in found} <= ids else []

    return await here.until(shown)


def asking(here: Room) -> list[Message]:
    """Return the messages that ask people, or asked them."""
    return [m for m in here.messages if m.is_approval]


def result(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.body)
    return found


async def decide(here: Room, decision: Decision = APPROVED, index: int = 0) -> None:
    approval = approvals(here)[index]
    await here.runtime.approvals.decide(approval.id, decision, proven=True)
