"""Where the clients of MCP servers live: here, on an event loop of their own, or elsewhere."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from jupyter_ai_personas.tools.descriptions import Toolset
from jupyter_ai_personas.tools.mcp_server import McpServer
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings
from jupyter_ai_personas.tools.prompts import Prompt

__all__ = ["McpClient", "McpClients", "McpThread"]

STOP_SECONDS = 3.0

T = TypeVar("T")


class McpClient(Protocol):
    """The client of one MCP server; see :class:`McpServer`."""

    @property
    def settings(self) -> object:
        """How the server is reached, to be compared."""

    @property
    def toolset(self) -> Toolset:
        """Its tools, as far as it has started."""

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Its prompts."""

    async def ready(self, *, within: float = math.inf) -> None:
        """Start the server, unless it runs or has failed just now; return when that is known."""

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, seconds: float
    ) -> dict[str, Any]:
        """Call a tool by its full name, once; whatever goes wrong is in the result."""

    async def prompt(self, prompt: str, arguments: Mapping[str, str], *, seconds: float) -> str:
        """Return the text of a prompt.

        Raises:
            RequestRefusedError: it cannot be had; the message says why.
        """

    async def aclose(self) -> None:
        """End the server."""


class McpClients(Protocol):
    """Makes clients, and runs what is awaited of them."""

    def client(
        self, name: str, settings: McpServerSettings, *, source: str, is_trusted: bool
    ) -> McpClient:
        """Return a client, which has started nothing; see :class:`McpServer`."""

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a client's coroutine."""

    def end(self, client: McpClient) -> None:
        """Begin to end a client that is replaced."""

    async def aclose(self, clients: Iterable[McpClient]) -> None:
        """End all clients, within a bound."""


class McpThread:
    """An event loop of this process, in a thread that starts with the first client in use."""

    def __init__(self, *, log: logging.Logger) -> None:
        self._log = log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def client(
        self, name: str, settings: McpServerSettings, *, source: str, is_trusted: bool
    ) -> McpServer:
        """See :meth:`McpClients.client`."""
        return McpServer(name, settings, source=source, is_trusted=is_trusted, log=self._log)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """See :meth:`McpClients.run`."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_serve, args=(self._loop,), name="mcp servers", daemon=True
                ).start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def end(self, client: McpClient) -> None:
        """See :meth:`McpClients.end`."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(client.aclose(), self._loop)

    async def aclose(self, clients: Iterable[McpClient]) -> None:
        """See :meth:`McpClients.aclose`; ``STOP_SECONDS`` at most."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        ending = asyncio.run_coroutine_threadsafe(_end(clients), loop)
        await asyncio.wait([asyncio.wrap_future(ending)], timeout=STOP_SECONDS)
        loop.call_soon_threadsafe(loop.stop)


async def _end(clients: Iterable[McpClient]) -> None:
    await asyncio.gather(*(client.aclose() for client in clients))


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
