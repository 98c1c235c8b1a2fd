"""Tools, and a conversation with a persona that calls them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.providers.tool_calling import whole_answer
from jupyter_ai_personas.testing import Conversation, FakeEntryPoint, FakeModel
from jupyter_ai_personas.testing.conversation import converse
from jupyter_ai_personas.tools import PackageToolsets, ToolBounds, ToolRegistry, ToolSettings
from jupyter_ai_personas.tools.calling import Caller
from jupyter_ai_personas.tools.langchain import named_tools
from jupyter_ai_personas.tools.loop import Answered, answer_with_tools

LOG = logging.getLogger("tests.tools")
WAIT = 10.0

ran: list[str] = []


@tool
def plot(column: str, bins: int = 10) -> str:
    """Plot a column."""
    ran.append(f"plot {column} {bins}")
    return f"plotted {column}"


@tool
async def lookup(name: str) -> dict[str, str]:
    """Look a name up."""
    ran.append(f"lookup {name}")
    return {"found": name.upper()}


@tool
def broken_tool() -> str:
    """Break."""
    raise ValueError("no such table")


@tool
def quits() -> str:
    """Quit."""
    raise SystemExit(3)


@tool
async def sleeps() -> str:
    """Sleep."""
    await asyncio.sleep(WAIT)
    return "late"


@tool
def large() -> str:
    """Return much."""
    return "x" * 5_000 + "END"


lookup.metadata = {"effect": "read"}


class Desk:
    """The server's side of calls: lets everything run, and notes what it is asked."""

    def __init__(self, *steps: Any) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.steps = list(steps)

    async def __call__(self, kind: str, arguments: Mapping[str, Any]) -> Any:
        self.asked.append((kind, arguments))
        if kind == "tool.steps":
            return self.steps
        return await self.call(arguments) if kind == "tool.call" else None

    async def call(self, arguments: Mapping[str, Any]) -> Any:
        return {"run": True}

    def of(self, kind: str) -> list[Any]:
        return [arguments for each, arguments in self.asked if each == f"tool.{kind}"]


class Loop:
    """The loop alone: what the model says, answer by answer, and the server's side."""

    def __init__(self, *replies: Any, desk: Desk | None = None) -> None:
        self.desk = desk or Desk()
        self.replies = list(replies)
        self.sent: list[Any] = []

    async def ask(self, messages: Any, tools: Any, answered: Answered) -> AsyncIterator[str]:
        self.sent = list(messages)
        reply = self.replies.pop(0)
        chunks = [reply] if isinstance(reply, str) else reply
        raws = [AIMessageChunk(content=c) if isinstance(c, str) else c for c in chunks]
        answered.message = whole_answer(raws)
        for raw in raws:
            yield str(raw.content)

    async def run(self, *, own: Any = (), replay: bool = False) -> str:
        infos = named_tools("charts", "tests", charts())
        caller = Caller(
            [info for info, _ in infos.values()],
            named_tools("Bee-Keeper", "p", own),
            bounds=ToolBounds(),
            local=lambda name: infos[name][1],
            request=self.desk,
        )
        pieces = answer_with_tools(self.ask, [HumanMessage("hi")], caller, replay=replay)
        with anyio.fail_after(WAIT):
            return "".join([piece async for piece in pieces])

    @property
    def results(self) -> list[Any]:
        return [text_of(str(m.content)) for m in self.sent if isinstance(m, ToolMessage)]


class Helper(BasePersona):
    defaults = PersonaDefaults(name="Helper", system_prompt="Help.", tools=["charts"])


def charts() -> list[Any]:
    return [plot, lookup, broken_tool, quits, sleeps, large]


@asynccontextmanager
async def talk(*replies: Any, persona: type = Helper, **more: Any) -> AsyncIterator[Conversation]:
    settings = {"tool_policy": {"*": "allow"}, **more.pop("settings", {})}
    packages = PackageToolsets(log=LOG, entry_points=[FakeEntryPoint(charts, name="charts")])
    packages.load()
    tools = ToolRegistry(ToolSettings(**settings), packages)
    model = more.pop("model", None) or FakeModel(replies)
    async with converse(persona, model=model, tools=tools, **more) as here:
        yield here


async def answer(*replies: Any, **more: Any) -> tuple[str, Conversation]:
    async with talk(*replies, **more) as here:
        with anyio.fail_after(WAIT):
            [reply] = await here.ask("hi")
        assert reply.state == "done", reply.body
        return reply.body, here


def results(here: Conversation) -> list[str]:
    """What the model was told of its calls at last."""
    return [str(m.content) for m in here.model.prompts[-1] if isinstance(m, ToolMessage)]


def text_of(result: str) -> Any:
    head, body, tail = result.split("\n", 2)
    assert head.startswith("<tool_result tool=")
    assert tail == "</tool_result>"
    return json.loads(body)
