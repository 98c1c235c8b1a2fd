"""The persona's side of tool calls: the server decides, tools of packages and personas run here."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.errors import RequestRefusedError, did_you_mean, near_matches
from jupyter_ai_personas.tools.descriptions import ToolBounds, ToolInfo
from jupyter_ai_personas.tools.langchain import run_tool
from jupyter_ai_personas.tools.names import model_names

__all__ = ["Called", "Caller"]

MAX_SENT = 800_000
"""Characters of JSON that a result may have which is sent to the server."""


@dataclass(frozen=True, slots=True)
class Called:
    """A call that has ended. ``tool`` is the name for people; the result is a JSON object."""

    tool: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]
    seconds: float | None = None


class Caller:
    """Calls tools in one turn.

    ``granted`` are the tools that the server offers, ``own`` those of the persona's class with
    their LangChain tools. ``local`` returns the LangChain tool of a package, or ``None``.
    ``request`` asks the server; ``status`` shows people what is done. ``images``: the model takes
    images.
    """

    def __init__(
        self,
        granted: Sequence[ToolInfo],
        own: Mapping[str, tuple[ToolInfo, Any]],
        *,
        bounds: ToolBounds,
        local: Callable[[str], Any],
        request: Callable[[str, Mapping[str, Any]], Awaitable[Any]],
        status: Callable[[str | None], None] = lambda text: None,
        images: bool = False,
    ) -> None:
        infos = {tool.name: tool for tool in granted}
        infos.update((name, info) for name, (info, _) in own.items() if name not in infos)
        self.bounds = bounds
        self.tools = {shown: infos[name] for shown, name in model_names(infos).items()}
        """The tools by the names that the model sees."""
        self._own = own
        self._local = local
        self._request = request
        self._status = status
        self.images = images
        self._is_announced = not own
        self._made = 0
        self.has_refused = False
        """Whether a call was refused since the turn has made all that it may make."""
        self._answers = 0

    async def announce(self) -> None:
        """Tell the server of the tools of the persona's class, once."""
        if not self._is_announced:
            self._is_announced = True
            infos = [info.as_json() for info, _ in self._own.values()]
            await self._request("tool.announce", {"tools": infos})

    async def steps(self) -> list[Any]:
        """Return the answers and results that are recorded, if the turn began before."""
        try:
            found = await self._request("tool.steps", {})
        except RequestRefusedError:
            return []
        return found if isinstance(found, list) else []

    async def record(self, message: Mapping[str, Any] | None) -> int:
        """Record an answer of the model that calls tools; return its number in the turn."""
        self._answers += 1
        number = self._answers
        try:
            await self._request("tool.answer", {"message": message})
        except (RequestRefusedError, TypeError):
            # It may be too large. The server resumes no turn with an answer that is not recorded.
            if message is not None:
                with suppress(RequestRefusedError):
                    await self._request("tool.answer", {"message": None})
        return number

    def replayed(self) -> int:
        """Count an answer that is recorded already; return its number in the turn."""
        self._answers += 1
        return self._answers

    def find(self, name: str) -> ToolInfo | None:
        """Return the tool that a model means: by the name that it was told, or the tool's own."""
        found = self.tools.get(name)
        return found or next((t for t in self.tools.values() if t.name == name), None)

    def unknown(self, name: str) -> str:
        """Say that there is no such tool."""
        hint = did_you_mean(near_matches(name, self.tools))
        return f"There is no tool `{name[:100]}`.{hint}"

    async def call(self, id_: str, tool: ToolInfo, arguments: Mapping[str, Any]) -> Called:
        """Call a tool. Errors are part of the result.

        Raises:
            TurnEndedError: the turn was stopped or is over.
        """
        began = time.monotonic()
        if self._made >= self.bounds.calls:
            self.has_refused = True
            text = f"This turn has made {self.bounds.calls} calls, which is the most. Answer now."
            return Called(tool.name, arguments, {"error": text})
        self._made += 1
        self._status(f"is using {tool.name}")
        try:
            asked: dict[str, Any] = {"call": id_, "tool": tool.name, "arguments": dict(arguments)}
            if self.images:
                asked["images"] = True
            answer = await self._request("tool.call", asked)
            if answer.get("run"):
                began = time.monotonic()
                result = await self._run(tool, arguments)
                told = {"call": id_, "result": result, "seconds": time.monotonic() - began}
                await self._request("tool.result", told)
            else:
                result = answer.get("result") or {}
        except (RequestRefusedError, TypeError) as error:
            result = {"error": str(error)}
        finally:
            self._status(None)
        return Called(tool.name, arguments, result, time.monotonic() - began)

    async def _run(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run a tool that lives here."""
        found = self._own[tool.name][1] if tool.name in self._own else self._local(tool.name)
        if found is None:
            return {"error": f"`{tool.name}` is not installed where this persona runs."}
        try:
            async with asyncio.timeout(self.bounds.seconds):
                return _sendable(await run_tool(found, arguments))
        except TimeoutError:
            seconds = f"{self.bounds.seconds:g}"
            return {"error": f"`{tool.name}` took longer than {seconds} s and was given up."}


def _sendable(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return as much of ``result`` as may be sent."""
    text = json.dumps(result, ensure_ascii=False)
    if len(text) <= MAX_SENT:
        return result
    return {"text": text[: MAX_SENT // 2], "cut": f"{len(text):,} characters in all"}
