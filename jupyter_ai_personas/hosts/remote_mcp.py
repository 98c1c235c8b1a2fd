"""The server's side of MCP servers whose clients live in the plug-in process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable, Mapping
from itertools import count
from typing import Any, TypeVar

from jupyter_ai_personas.errors import (
    ConfigurationError,
    HostUnavailableError,
    RequestRefusedError,
)
from jupyter_ai_personas.hosts.plugin_frames import (
    CallMcp,
    EndMcp,
    GetPrompt,
    McpChanged,
    StartMcp,
)
from jupyter_ai_personas.hosts.plugin_process import PluginProcess
from jupyter_ai_personas.hosts.workers import ConnectionLostError
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.tools.descriptions import Toolset
from jupyter_ai_personas.tools.mcp_clients import McpClient
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings
from jupyter_ai_personas.tools.prompts import Prompt

__all__ = ["RemoteMcp"]

T = TypeVar("T")


class RemoteMcp:
    """The plug-in process as :class:`~jupyter_ai_personas.tools.mcp_clients.McpClients`."""

    def __init__(self, process: PluginProcess) -> None:
        self._process = process
        self._numbers = count(1)
        self._clients: dict[int, _Client] = {}
        self._ending: set[asyncio.Task[None]] = set()
        process.on_change = self._take
        process.on_loss = self._lose

    def client(
        self, name: str, settings: McpServerSettings, *, source: str, is_trusted: bool
    ) -> McpClient:
        """See :meth:`McpClients.client`."""
        number = next(self._numbers)
        client = _Client(number, name, settings, source, is_trusted, self._process)
        self._clients[number] = client
        return client

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """See :meth:`McpClients.run`."""
        return await work

    def end(self, client: McpClient) -> None:
        """See :meth:`McpClients.end`."""
        task = asyncio.ensure_future(client.aclose())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def aclose(self, clients: Iterable[McpClient]) -> None:
        """See :meth:`McpClients.aclose`. The servers end with the process."""
        await self._process.aclose()

    def _take(self, change: McpChanged) -> None:
        if (client := self._clients.get(change.server)) is not None:
            client.take(change)

    def _lose(self, reason: str) -> None:
        for client in self._clients.values():
            client.lose()


class _Client:
    """The client of one server; see :class:`McpClient`."""

    def __init__(
        self,
        number: int,
        name: str,
        settings: McpServerSettings,
        source: str,
        is_trusted: bool,
        process: PluginProcess,
    ) -> None:
        self.settings = settings
        self.prompts: tuple[Prompt, ...] = ()
        self._number = number
        self._name = name
        self._source = source
        self._is_trusted = is_trusted
        self._process = process
        self._is_started = False
        self.toolset = Toolset(f"mcp:{name}", source, (), "starting")

    def take(self, change: McpChanged) -> None:
        """Take over the status of the server."""
        self.toolset, self.prompts = change.toolset, change.prompts

    def lose(self) -> None:
        """Note that the server ended with its process."""
        if self._is_started:
            self._is_started = False
            self._break("It ended. It is started again when it is needed.")

    def _break(self, problem: str) -> None:
        self.toolset = Toolset(
            self.toolset.name, self._source, self.toolset.tools, "broken", problem
        )

    async def ready(self, *, within: float = math.inf) -> None:
        """See :meth:`McpClient.ready`."""
        try:
            await self._start(within)
        except (ConfigurationError, RequestRefusedError, HostUnavailableError) as error:
            self._break(str(error))
        except ConnectionLostError as error:
            self._break(f"The plug-in process is gone: {error.reason}")

    async def _start(self, within: float) -> None:
        # With the variables of this process: the other one has no secrets.
        start = StartMcp(
            self._number,
            self._name,
            self._source,
            self._is_trusted,
            self.settings.connection(),
            None if within == math.inf else within,
        )
        self._process.keepers.add(self._number)
        self._is_started = True
        self.take(await self._process.ask(start))

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, seconds: float
    ) -> dict[str, Any]:
        """See :meth:`McpClient.call`. Never repeated: a lost process may have made the call."""
        begun = False
        try:
            async with asyncio.timeout(seconds):
                await self._start(math.inf)
                begun = True
                call = CallMcp(self._number, tool, arguments, seconds)
                result = await self._process.ask(call)
        except TimeoutError:
            return {"error": f"`{tool}` took longer than {seconds:g} s and was given up."}
        except (ConfigurationError, RequestRefusedError, HostUnavailableError) as error:
            return {"error": f"The MCP server `{self._name}` does not run. {error}"}
        except ConnectionLostError:
            when = "during the call" if begun else "before the call"
            return {"error": f"The MCP server `{self._name}` ended {when}."}
        if not isinstance(result, dict):
            return {"error": f"The MCP server `{self._name}` gave no result."}
        if isinstance(error_text := result.get("error"), str):
            return {**result, "error": redact(error_text)}
        return result

    async def prompt(self, prompt: str, arguments: Mapping[str, str], *, seconds: float) -> str:
        """See :meth:`McpClient.prompt`.

        Raises:
            RequestRefusedError: it cannot be had; the message says why.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._start(math.inf)
                ask = GetPrompt(self._number, prompt, arguments, seconds)
                return str(await self._process.ask(ask))
        except TimeoutError:
            raise RequestRefusedError(
                f"`{prompt}` of the MCP server `{self._name}` took longer than {seconds:g} s."
            ) from None
        except (ConfigurationError, HostUnavailableError, ConnectionLostError) as error:
            raise RequestRefusedError(
                f"The MCP server `{self._name}` does not run. {error}"
            ) from None

    async def aclose(self) -> None:
        """See :meth:`McpClient.aclose`."""
        self._process.keepers.discard(self._number)
        if self._is_started:
            self._is_started = False
            await self._process.ask(EndMcp(self._number))
