"""JSON-RPC with an agent: what it sends is foreign, and bounded.

The library has a connection of its own, which schedules updates independently of the answer that
ends them, keeps all requests, and bounds neither their size nor their number. Its models of the
protocol are used where messages are made and read.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

from jupyter_ai_personas.acp.process import END_SECONDS, AgentProcess, ProcessBroken
from jupyter_ai_personas.text import well_formed_json

__all__ = ["INVALID", "NOT_FOUND", "Rpc", "RpcError"]

MAX_OPEN = 64
"""Requests of an agent that may be open at once."""

MAX_NOISE = 200
"""Lines in a row that may be no messages: agents print what belongs into a log."""

METHOD_NOT_FOUND = -32601
INVALID = -32602
INTERNAL = -32603
_DETAILS = ("message", "details", "detail", "reason", "error")
"""Fields of an error's data where agents say what it is."""

NOT_FOUND = -32002

OnRequest = Callable[[str, Any], Awaitable[Any]]
OnUpdate = Callable[[Any], Awaitable[None]]


class RpcError(Exception):
    """An error as the protocol has it: one that the agent answered, or one that it gets."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class Rpc:
    """Requests to and from an agent.

    ``on_request`` answers a request of the agent. ``on_update`` takes the parameters of a
    ``session/update``; the next message is not read before it returns, so that an answer comes
    after the updates before it, and an agent that floods waits.
    """

    def __init__(
        self,
        process: AgentProcess,
        *,
        on_request: OnRequest,
        on_update: OnUpdate,
        log: logging.Logger,
    ) -> None:
        self._process = process
        self._on_request = on_request
        self._on_update = on_update
        self._log = log
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._broken: ProcessBroken | None = None

    async def run(self) -> None:
        """Read until the agent ends or breaks the protocol; then all requests fail."""
        noise = 0
        broken = ProcessBroken("ended")
        try:
            async for line in self._process.lines():
                if not line.strip():
                    continue
                if await self._take(line):
                    noise = 0
                elif (noise := noise + 1) > MAX_NOISE:
                    raise ProcessBroken("does not speak the Agent Client Protocol and was ended")
            broken = ProcessBroken(await self._process.reason())
        except ProcessBroken as error:
            broken = error
        except Exception:
            self._log.exception("A message of the agent cannot be handled")
            broken = ProcessBroken("sent what cannot be handled and was ended")
        finally:
            self._broken = broken
            self._process.kill()
            for task in self._answering:
                task.cancel()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(broken)

    async def request(self, method: str, params: Mapping[str, Any]) -> Any:
        """Send a request and return what it is answered.

        Raises:
            ProcessBroken: the agent ended or broke the protocol.
            RpcError: it answered with an error.
        """
        if self._broken is not None:
            raise self._broken
        id_ = next(self._ids)
        waiting = self._waiting[id_] = asyncio.get_running_loop().create_future()
        try:
            try:
                await self._send({"id": id_, "method": method, "params": params})
            except ProcessBroken:
                # How it ended is known once its output is read.
                await asyncio.wait([waiting], timeout=2 * END_SECONDS)
                if not waiting.done():
                    raise
            return await waiting
        finally:
            del self._waiting[id_]

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification. Raises :class:`ProcessBroken`."""
        await self._send({"method": method, "params": params})

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._process.write(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def _take(self, line: bytes) -> bool:
        """Take a message; return whether it is one."""
        try:
            message = well_formed_json(json.loads(line))
        except (ValueError, RecursionError):
            return False
        if not isinstance(message, dict):
            return False
        method, id_ = message.get("method"), message.get("id")
        if isinstance(method, str):
            if method == "session/update":
                await self._on_update(message.get("params"))
            elif "id" in message:
                await self._begin(id_, method, message.get("params"))
            return True
        # An id that was never given out, or was answered before, means nothing.
        waiting = self._waiting.get(id_) if isinstance(id_, int) else None
        if waiting is None or waiting.done():
            return False
        if isinstance(error := message.get("error"), dict):
            code = error.get("code")
            code = code if isinstance(code, int) else INTERNAL
            waiting.set_exception(RpcError(code, _reason(error)))
        else:
            waiting.set_result(message.get("result"))
        return True

    async def _begin(self, id_: Any, method: str, params: Any) -> None:
        if len(self._answering) >= MAX_OPEN:
            text = f"{MAX_OPEN} requests are open"
            await self._send({"id": id_, "error": {"code": INTERNAL, "message": text}})
            return
        task = asyncio.get_running_loop().create_task(self._answer(id_, method, params))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, id_: Any, method: str, params: Any) -> None:
        try:
            answer: dict[str, Any] = {"result": await self._on_request(method, params)}
        except RpcError as error:
            answer = {"error": {"code": error.code, "message": error.message}}
        except Exception:
            self._log.exception("A request of the agent failed: %s", method[:100])
            answer = {"error": {"code": INTERNAL, "message": "The client failed."}}
        try:
            await self._send({"id": id_, **answer})
        except ProcessBroken:
            return  # `run` notices it


def _reason(error: Mapping[str, Any]) -> str:
    """Return what an error says: many agents say "Internal error", and in its data what it is."""
    said = str(error.get("message") or "it gave no reason")
    more = _detail(error.get("data"))
    return said if not more or more in said else f"{said.rstrip('.: ')}: {more}"


def _detail(data: Any) -> str:
    if isinstance(data, Mapping):
        data = next((data[key] for key in _DETAILS if isinstance(data.get(key), str)), "")
    return data.strip() if isinstance(data, str) else ""
