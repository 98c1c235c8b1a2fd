"""The clients of MCP servers in the plug-in process."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.hosts.plugin_frames import (
    CallMcp,
    EndMcp,
    GetPrompt,
    McpChanged,
    Reply,
    StartMcp,
)
from jupyter_ai_personas.redaction import remember
from jupyter_ai_personas.tools.mcp_server import McpServer

__all__ = ["RunningClients"]


class RunningClients:
    """The clients by the server's numbers for them; ``send`` reports changes."""

    def __init__(self, send: Callable[[Reply], None], *, log: logging.Logger) -> None:
        self._send = send
        self._log = log
        self._clients: dict[int, McpServer] = {}

    async def do(self, request: StartMcp | CallMcp | GetPrompt | EndMcp) -> Any:
        """Carry out a request.

        Raises:
            RequestRefusedError: it cannot be; the message says why.
        """
        match request:
            case StartMcp():
                client = self._started(request)
                within = math.inf if request.within is None else request.within
                await client.ready(within=within)
                return _state(request.server, client)
            case CallMcp(server, tool, arguments, seconds):
                return await self._known(server).call(tool, arguments, seconds=seconds)
            case GetPrompt(server, prompt, arguments, seconds):
                return await self._known(server).prompt(prompt, arguments, seconds=seconds)
            case EndMcp(server):
                if (ended := self._clients.pop(server, None)) is not None:
                    await ended.aclose()
        return None

    def _started(self, request: StartMcp) -> McpServer:
        client = self._clients.get(request.server)
        if client is None:
            connection = request.connection
            remember(_secrets(connection))
            client = self._clients[request.server] = McpServer(
                request.name,
                _Filled(connection),
                source=request.source,
                is_trusted=request.is_trusted,
                log=self._log,
                changed=lambda: self._send(_state(request.server, self._clients[request.server])),
            )
        return client

    def _known(self, server: int) -> McpServer:
        if (client := self._clients.get(server)) is None:
            raise RequestRefusedError("This MCP server was not started here.")
        return client

    async def aclose(self) -> None:
        """End all servers."""
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.aclose() for client in clients.values()))


class _Filled:
    """Settings whose secrets are filled in."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._connection = connection

    def connection(self) -> dict[str, Any]:
        """See :meth:`McpServerSettings.connection`."""
        return dict(self._connection)


def _state(number: int, client: McpServer) -> McpChanged:
    return McpChanged(number, client.toolset, client.prompts)


def _secrets(connection: Mapping[str, Any]) -> list[str]:
    """Return the values that may be secrets: those of variables and headers, and the URL."""
    values = [*connection.get("env", {}).values(), *connection.get("headers", {}).values()]
    return [*values, *filter(None, [connection.get("url")])]
