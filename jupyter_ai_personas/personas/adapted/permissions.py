"""Permissions that an agent of ``jupyter_ai_acp_client`` asks for become approvals of the server.

That package shows the question in a message's metadata, ``{"tool_calls": [{"permission_status":
"pending", "permission_options": [...]}]}``, and waits for a click on its own button, which posts to
its own route. Here the question is asked like one about any tool: the policy first,
then people, in a message that lasts. The tool is ``<mention name>.<kind>``: ``Claude.edit``, say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.errors import RequestRefusedError, TurnEndedError
from jupyter_ai_personas.personas.turn import Turn
from jupyter_ai_personas.tools.descriptions import ToolInfo

__all__ = ["Permissions"]

_EFFECTS = {"edit": "write", "delete": "write", "move": "write"}
_KINDS = (
    *("edit", "delete", "move", "read", "search", "execute"),
    *("think", "fetch", "switch_mode", "other"),
)
_SHOWN = ("title", "raw_input", "locations", "diffs")
_ENDED = ("completed", "failed")


class Permissions:
    """The permissions that a persona asks for in one turn.

    ``toolset`` is the persona's mention name. ``inner`` is the persona, whose client is told what
    was decided.
    """

    def __init__(self, turn: Turn, inner: Any, *, toolset: str, log: logging.Logger) -> None:
        self._turn = turn
        self._inner = inner
        self._toolset = toolset
        self._log = log
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, str] = {}
        self._count = 0
        self._announced = False

    def shown(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for what ``metadata`` asks for, and return it without the buttons."""
        calls = metadata.get("tool_calls")
        if not isinstance(calls, list):
            return dict(metadata)
        return {**metadata, "tool_calls": [self._without_buttons(call) for call in calls]}

    def _without_buttons(self, call: Any) -> Any:
        if not isinstance(call, Mapping) or not isinstance(id_ := call.get("tool_call_id"), str):
            return call
        if call.get("permission_status") == "pending":
            if id_ not in self._asking:
                task = asyncio.get_running_loop().create_task(self._ask(id_, call))
                self._asking[id_] = task
        elif (asked := self._asking.get(id_)) is not None and asked.done():
            del self._asking[id_]
        if call.get("status") in _ENDED and id_ in self._running:
            self._asking[f"end of {id_}"] = asyncio.get_running_loop().create_task(
                self._tell(id_, str(call["status"]))
            )
        hidden = ("permission_options", "permission_status", "selected_option_id")
        return {key: value for key, value in call.items() if key not in hidden}

    async def _ask(self, id_: str, call: Mapping[str, Any]) -> None:
        is_allowed = False
        try:
            is_allowed = await self._is_allowed(id_, call)
        except TurnEndedError:
            return
        except (RequestRefusedError, TypeError) as error:
            self._log.warning("A permission could not be asked for: %s", error)
        kinds = ("allow_once", "allow_always") if is_allowed else ("reject_once", "reject_always")
        options = call.get("permission_options") or []
        by_kind = {str(option.get("kind")): option.get("option_id") for option in options}
        chosen = next((by_kind[kind] for kind in kinds if kind in by_kind), None)
        client = await self._inner.get_client()
        client.resolve_permission(call.get("session_id"), id_, chosen)

    async def _is_allowed(self, id_: str, call: Mapping[str, Any]) -> bool:
        if not self._announced:
            self._announced = True
            tools = [self._tool(kind).as_json() for kind in _KINDS]
            await self._turn.request("tool.announce", {"tools": tools})
        self._count += 1
        asked = f"acp-{self._count}-{id_}"[:200]
        kind = call.get("kind") if call.get("kind") in _KINDS else "other"
        arguments = {key: call[key] for key in _SHOWN if call.get(key)}
        answer = await self._turn.request(
            "tool.call",
            {"call": asked, "tool": f"{self._toolset}.{kind}", "arguments": arguments},
        )
        if answer.get("run"):
            self._running[id_] = asked
            return True
        return False

    def _tool(self, kind: str) -> ToolInfo:
        effect: Any = _EFFECTS.get(kind, "run")
        return ToolInfo(f"{self._toolset}.{kind}", "What the agent asks for.", effect)

    async def _tell(self, id_: str, status: str) -> None:
        """Record the end of what was allowed."""
        if (asked := self._running.pop(id_, None)) is not None:
            result = {"status": status}
            await self._turn.request("tool.result", {"call": asked, "result": result})

    async def finish(self) -> None:
        """Record the end of all that was allowed, and wait until that has happened."""
        for id_ in list(self._running):
            await self._tell(id_, "ended with the turn")
        pending = [task for task in self._asking.values() if not task.done()]
        await asyncio.gather(*pending, return_exceptions=True)

    def end(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
