"""Answers an agent's requests in one turn: permissions, files and commands.

Everything becomes a call of a tool, which the server allows, asks people about or refuses: files
are the toolset ``workspace``, the rest is ``<mention name>.<kind>``, such as ``Claude.edit``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from acp import schema
from pydantic import BaseModel, ValidationError

from jupyter_ai_personas.acp.place import Place
from jupyter_ai_personas.acp.reply import Reply
from jupyter_ai_personas.acp.rpc import INVALID, METHOD_NOT_FOUND, NOT_FOUND, RpcError
from jupyter_ai_personas.acp.terminals import Terminal
from jupyter_ai_personas.errors import RequestRefusedError, TurnEndedError
from jupyter_ai_personas.personas import Turn
from jupyter_ai_personas.tools.descriptions import ToolInfo

__all__ = ["TurnWork"]

MAX_TERMINALS = 8
"""Commands of one turn that may run, or be kept, at once."""

MAX_OUTPUT = 10_000
"""Characters of a command's output that are recorded and shown, the newest."""

_LINES = 5_000
_READS = 20
_EFFECTS = {"edit": "write", "delete": "write", "move": "write"}
_KINDS = (
    *("edit", "delete", "move", "read", "search", "execute"),
    *("think", "fetch", "switch_mode", "other", "terminal"),
)
_ENDED = ("completed", "failed")
_CANCELLED = {"outcome": {"outcome": "cancelled"}}


class TurnWork:
    """Answers the requests of an agent while it works on one turn."""

    def __init__(
        self,
        turn: Turn,
        *,
        session_id: str,
        toolset: str,
        place: Place,
        reply: Reply,
        log: logging.Logger,
    ) -> None:
        self._turn = turn
        self._session_id = session_id
        self._toolset = toolset
        self._place = place
        self._reply = reply
        self._log = log
        self._counts: Counter[str] = Counter()
        self._beginning = asyncio.Lock()
        self._has_begun = False
        # Calls of an earlier attempt, before a restart.
        self._finished: set[str] = set()
        # Calls that people allowed: the agent's id and the server's id of each.
        self._allowed: list[tuple[str, str]] = []
        self._terminals: dict[str, Terminal] = {}
        # What the agent has released is still shown.
        self._outputs: dict[str, str] = {}
        reply.output_of = self._output_of
        self._telling: set[asyncio.Task[None]] = set()
        self._methods: dict[str, tuple[type[BaseModel], Callable[[Any], Awaitable[Any]]]] = {
            "session/request_permission": (schema.RequestPermissionRequest, self._permission),
            "fs/read_text_file": (schema.ReadTextFileRequest, self._read),
            "fs/write_text_file": (schema.WriteTextFileRequest, self._write),
            "terminal/create": (schema.CreateTerminalRequest, self._create_terminal),
            "terminal/output": (schema.TerminalOutputRequest, self._terminal_output),
            "terminal/wait_for_exit": (schema.WaitForTerminalExitRequest, self._wait_for_exit),
            "terminal/kill": (schema.KillTerminalRequest, self._kill_terminal),
            "terminal/release": (schema.ReleaseTerminalRequest, self._release_terminal),
        }

    async def answer(self, method: str, params: Any) -> Any:
        """Return the answer to a request of the agent.

        Raises:
            RpcError: what the agent is answered instead.
        """
        if method not in self._methods:
            raise RpcError(METHOD_NOT_FOUND, f"There is no method `{method[:100]}` here.")
        model, handler = self._methods[method]
        try:
            asked: Any = model.model_validate(params)
        except ValidationError as error:
            places = "; ".join(str(one["loc"]) for one in error.errors()[:3])
            raise RpcError(INVALID, f"The parameters of `{method}` are wrong: {places}") from None
        if asked.session_id != self._session_id:
            raise RpcError(INVALID, "There is no such session.")
        try:
            return await handler(asked)
        except TurnEndedError:
            if method == "session/request_permission":
                return _CANCELLED
            raise RpcError(INVALID, "The turn has ended.") from None
        except (RequestRefusedError, TypeError) as error:
            raise RpcError(INVALID, str(error)) from None

    def updated(self) -> None:
        """Record the end of calls that were allowed and have ended."""
        for known, id_ in list(self._allowed):
            call = self._reply.calls.get(known)
            if call is not None and call.status in _ENDED:
                self._allowed.remove((known, id_))
                task = asyncio.ensure_future(self._tell(id_, call.status))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    async def finish(self) -> None:
        """Record the end of everything that was allowed."""
        allowed, self._allowed = self._allowed, []
        for _, id_ in allowed:
            await self._tell(id_, "ended with the turn")
        await self.leave()

    async def leave(self) -> None:
        """End the commands of the turn."""
        for terminal in self._terminals.values():
            terminal.kill()
        await asyncio.gather(*self._telling, return_exceptions=True)

    # -- permissions --------------------------------------------------------------------------

    async def _permission(self, asked: schema.RequestPermissionRequest) -> Any:
        options = _options(asked.options)
        call = self._reply.note(asked.tool_call)
        if call is None:
            raise RpcError(INVALID, "There are too many calls in this turn.")
        kind = call.kind if call.kind in _KINDS else "other"
        id_ = await self._is_allowed(f"{self._toolset}.{kind}", call.described())
        if id_ is not None:
            self._allowed.append((call.id, id_))
        kinds = ("allow_once",) if id_ else ("reject_once", "reject_always")
        chosen = next((options[kind] for kind in kinds if kind in options), None)
        if chosen is None:
            return _CANCELLED
        return {"outcome": {"outcome": "selected", "optionId": chosen}}

    async def _is_allowed(self, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """Return the id of a call that may run, ``None`` if it may not."""
        await self._begin()
        id_ = self._id(tool, arguments)
        asked = {"call": id_, "tool": tool, "arguments": dict(arguments)}
        answer = await self._turn.request("tool.call", asked)
        return id_ if answer.get("run") else None

    async def _begin(self) -> None:
        """Before the first call: read what was recorded of the turn, and record its session."""
        async with self._beginning:
            if self._has_begun:
                return
            steps = await self._turn.request("tool.steps")
            self._finished = {step["call"] for step in steps if step["kind"] == "result"}
            await self._turn.request("tool.answer", {"message": {"session": self._session_id}})
            tools = [self._tool(kind).as_json() for kind in _KINDS]
            await self._turn.request("tool.announce", {"tools": tools})
            self._has_begun = True

    def _tool(self, kind: str) -> ToolInfo:
        # An agent may ask to read and do anything: only the operator allows that unasked.
        effect: Any = _EFFECTS.get(kind, "run")
        return ToolInfo(f"{self._toolset}.{kind}", "What the agent asks for.", effect)

    def _id(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Return an id that is the same if a continued turn makes the same call.

        Finished calls are skipped: the agent knows their results, so it wants another call.
        """
        text = json.dumps([tool, arguments], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        while True:
            self._counts[digest] += 1
            id_ = f"acp-{digest}-{self._counts[digest]}"
            if id_ not in self._finished:
                return id_

    async def _tell(self, id_: str, status: str, **facts: Any) -> None:
        try:
            result = {"status": status, **facts}
            await self._turn.request("tool.result", {"call": id_, "result": result})
        except (TurnEndedError, RequestRefusedError):
            return

    # -- files --------------------------------------------------------------------------------

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool of the server. Raises :class:`RpcError` with its error."""
        await self._begin()
        asked = {"call": self._id(tool, arguments), "tool": tool, "arguments": dict(arguments)}
        answer = await self._turn.request("tool.call", asked)
        result: dict[str, Any] = answer.get("result") or {}
        if (error := result.get("error")) is not None:
            raise RpcError(NOT_FOUND, str(error))
        return result

    async def _read(self, asked: schema.ReadTextFileRequest) -> Any:
        path = self._place.relative(asked.path)
        if path.endswith(".ipynb"):
            found = await self._call("notebook.read", {"path": path})
            return {"content": json.dumps(found, ensure_ascii=False, indent=1)}
        start, left = max(1, asked.line or 1), asked.limit
        parts = []
        for _ in range(_READS):
            lines = _LINES if left is None else min(_LINES, left)
            if lines < 1:
                break
            arguments = {"path": path, "start": start, "lines": lines}
            found = await self._call("workspace.read_file", arguments)
            parts.append(str(found.get("text") or ""))
            read = int(found.get("lines") or 0)
            start += read
            left = None if left is None else left - read
            if read == 0 or start > int(found.get("total") or 0):
                return {"content": "".join(parts)}
        if left is None:
            raise RpcError(
                INVALID, "The file is too long. Read it in parts, by `line` and `limit`."
            )
        return {"content": "".join(parts)}

    async def _write(self, asked: schema.WriteTextFileRequest) -> Any:
        path = self._place.relative(asked.path)
        expected = await self._current(path)
        arguments = {"path": path, "content": asked.content, "expected": expected}
        await self._call("workspace.write_file", arguments)
        return {}

    async def _current(self, path: str) -> str | None:
        """Return what a file has, so that a change made meanwhile is not overwritten."""
        try:
            found = await self._turn.workspace.read(path)
        except RequestRefusedError:
            # If there is one that cannot be read, the tool refuses to replace it.
            return None
        if found.get("cut"):
            raise RpcError(INVALID, "The file is too large to be replaced.")
        return found.get("text")

    # -- commands -----------------------------------------------------------------------------

    async def _create_terminal(self, asked: schema.CreateTerminalRequest) -> Any:
        if len(self._terminals) >= MAX_TERMINALS:
            raise RpcError(INVALID, f"{MAX_TERMINALS} terminals are open. Release some first.")
        folder = self._place.folder(asked.cwd or self._place.cwd)
        env = {one.name: one.value for one in asked.env or ()}
        arguments: dict[str, Any] = {"command": asked.command, "args": list(asked.args or ())}
        arguments |= {"folder": folder} | ({"env": env} if env else {})
        id_ = await self._is_allowed(f"{self._toolset}.terminal", arguments)
        if id_ is None:
            raise RpcError(INVALID, "The command was not allowed. Do not try it again.")
        try:
            terminal = await Terminal.start(
                self._command(asked),
                env=env,
                cwd=str(Path(self._place.cwd, asked.cwd or "")),
                limit=asked.output_byte_limit,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            await self._tell(id_, "failed", error=f"It cannot be started: {reason}")
            raise RpcError(INVALID, f"The command cannot be started: {reason}") from None
        name = uuid4().hex
        self._terminals[name] = terminal
        task = asyncio.ensure_future(self._tell_end(id_, terminal))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        if self._turn.ended:
            terminal.kill()
        return {"terminalId": name}

    def _command(self, asked: schema.CreateTerminalRequest) -> list[str]:
        """Return what runs: without arguments, agents send a line for a shell."""
        if asked.args or os.name == "nt":
            return [asked.command, *(asked.args or ())]
        return ["/bin/sh", "-c", asked.command]

    async def _tell_end(self, id_: str, terminal: Terminal) -> None:
        status = await terminal.wait()
        await self._tell(id_, "ended", **status, output=terminal.output[-MAX_OUTPUT:])

    def _terminal(self, name: str) -> Terminal:
        if name not in self._terminals:
            raise RpcError(INVALID, "There is no such terminal.")
        return self._terminals[name]

    async def _terminal_output(self, asked: schema.TerminalOutputRequest) -> Any:
        terminal = self._terminal(asked.terminal_id)
        answer: dict[str, Any] = {"output": terminal.output, "truncated": terminal.is_truncated}
        if (status := terminal.exit_status) is not None:
            answer["exitStatus"] = status
        return answer

    async def _wait_for_exit(self, asked: schema.WaitForTerminalExitRequest) -> Any:
        return await self._terminal(asked.terminal_id).wait()

    async def _kill_terminal(self, asked: schema.KillTerminalRequest) -> Any:
        self._terminal(asked.terminal_id).kill()
        return {}

    async def _release_terminal(self, asked: schema.ReleaseTerminalRequest) -> Any:
        terminal = self._terminal(asked.terminal_id)
        terminal.kill()
        del self._terminals[asked.terminal_id]
        self._outputs[asked.terminal_id] = terminal.output[-MAX_OUTPUT:]
        return {}

    def _output_of(self, name: str) -> str:
        """Return what a command of the turn has written, to be shown."""
        terminal = self._terminals.get(name)
        return terminal.output[-MAX_OUTPUT:] if terminal else self._outputs.get(name, "")


def _options(options: Sequence[schema.PermissionOption]) -> dict[str, str]:
    """Return the ids of an agent's options by their kinds.

    The operator's policy and people's approval for the chat are kept by the server: the agent must
    not keep a rule of its own.

    Raises:
        RpcError: there is none that allows a call once, or it is not clear what an id means.
    """
    kinds: dict[str, str] = {}
    for option in options:
        if kinds.setdefault(option.option_id, option.kind) != option.kind:
            raise RpcError(INVALID, "Two options have the same `optionId`.")
    found = {kind: id_ for id_, kind in reversed(kinds.items())}
    if "allow_once" not in found:
        raise RpcError(INVALID, "There is no option of the kind `allow_once`.")
    return found
