"""The MCP servers of a Jupyter server: one of each for all chats."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from jupyter_ai_personas.errors import ConfigurationError, RequestRefusedError
from jupyter_ai_personas.tools.descriptions import Toolset
from jupyter_ai_personas.tools.executors import CallContext, Preview
from jupyter_ai_personas.tools.mcp_clients import McpClient, McpClients, McpThread
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings, read_servers
from jupyter_ai_personas.tools.prompts import Prompt

__all__ = ["McpExecutor", "McpServers"]

WAIT_SECONDS = 10.0
"""How long after its start turns wait for a server; later ones have its tools."""

FILE = ".jupyter/mcp_settings.json"
MAX_FILE = 100_000


class McpServers:
    """Servers by name: the operator's ``servers``, and those of files in the chats' folders.

    ``root`` is the server's root directory if such files are read, else ``None``. Methods are
    called on the event loop of the caller. ``clients`` says where the clients live, by default in a
    thread of this process.
    """

    def __init__(
        self,
        servers: Mapping[str, McpServerSettings],
        *,
        log: logging.Logger,
        trusted: Iterable[str] = (),
        seconds: float = 120.0,
        root: Path | None = None,
        clients: McpClients | None = None,
    ) -> None:
        self.seconds = seconds
        self.configured = dict(servers)
        """The operator's servers by name."""
        self._trusted = frozenset(trusted)
        self._log = log
        self._root = root
        # By the folder of the file, "" for the operator's, and the name.
        self._servers: dict[tuple[str, str], McpClient] = {}
        self._files: dict[str, tuple[object, dict[str, McpServerSettings], str]] = {}
        self._clients = clients or McpThread(log=log)

    # -- what there is ----------------------------------------------------------------------

    def _known(self, chat_path: str) -> dict[str, tuple[str, McpServerSettings]]:
        """Return the servers for a chat: name → folder of the file, and how it is reached."""
        found = {name: ("", one) for name, one in self.configured.items()}
        for folder in _folders(chat_path) if self._root is not None else ():
            for name, one in self._files.get(folder, (None, {}, ""))[1].items():
                found.setdefault(name, (f"/{folder}", one))
        return found

    def toolsets(self, chat_path: str | None = None) -> list[Toolset]:
        """Return the servers for a chat, or all that are known, as toolsets."""
        found = []
        known = self._known(chat_path or "")
        for name, (folder, _) in known.items():
            server = self._servers.get((folder, name))
            source = _source(folder)
            found.append(
                server.toolset if server else Toolset(f"mcp:{name}", source, (), "starting")
            )
        if chat_path is None:
            shown = {(folder, name) for name, (folder, _) in known.items()}
            found += [s.toolset for key, s in self._servers.items() if key not in shown]
            found += [
                Toolset("mcp", f"{folder}/{FILE}".lstrip("/"), (), "broken", problem)
                for folder, (_, _, problem) in self._files.items()
                if problem
            ]
        return found

    def may_have(self, wanted: str) -> bool:
        """Return whether a name or pattern may be of a server that has not started yet."""
        toolset = wanted.partition(".")[0]
        return any(fnmatchcase(f"mcp:{name}", toolset) for name in self.configured)

    # -- their life -------------------------------------------------------------------------

    async def ready(self, wanted: Iterable[str], chat_path: str) -> None:
        """Start what ``wanted`` names or matches, and wait for it, at most ``WAIT_SECONDS``."""
        patterns = [name.partition(".")[0] for name in wanted]
        patterns = [pattern for pattern in patterns if pattern.startswith(("mcp", "*"))]
        if not patterns:
            return
        if self._root is not None:
            await asyncio.to_thread(self._read_files, chat_path)
        starting = [
            self._server(folder, name, one).ready(within=WAIT_SECONDS)
            for name, (folder, one) in self._known(chat_path).items()
            if any(fnmatchcase(f"mcp:{name}", pattern) for pattern in patterns)
        ]
        if starting:
            await self._clients.run(_all(starting))

    async def call(
        self, tool: str, arguments: Mapping[str, Any], chat_path: str
    ) -> Mapping[str, Any]:
        """Call a tool; whatever goes wrong is in the result."""
        name = tool.partition(".")[0].removeprefix("mcp:")
        found = self._known(chat_path).get(name)
        if found is None:
            raise RequestRefusedError(f"There is no MCP server `{name}` here.")
        server = self._server(found[0], name, found[1])
        return await self._clients.run(server.call(tool, arguments, seconds=self.seconds))

    def check(self, name: str, chat_path: str) -> None:
        """Raise :class:`RequestRefusedError` if a server does not run."""
        for toolset in self.toolsets(chat_path):
            if toolset.name == f"mcp:{name}" and toolset.status != "ok":
                why = toolset.problem or "It is starting: try again in a moment."
                raise RequestRefusedError(f"The MCP server `{name}` does not run. {why}")

    def prompts(self, chat_path: str) -> list[Prompt]:
        """Return the prompts for a chat of the servers that have started."""
        found: list[Prompt] = []
        for name, (folder, _) in self._known(chat_path).items():
            server = self._servers.get((folder, name))
            found += server.prompts if server is not None else ()
        return found

    def has(self, name: str, chat_path: str) -> bool:
        """Return whether there is a server of that name for a chat."""
        return name in self._known(chat_path)

    async def prompt(self, prompt: Prompt, arguments: Mapping[str, str], chat_path: str) -> str:
        """Return the text of a prompt.

        Raises:
            RequestRefusedError: it cannot be had; the message says why.
        """
        found = self._known(chat_path).get(prompt.server)
        if found is None:
            raise RequestRefusedError(f"There is no MCP server `{prompt.server}` here.")
        server = self._server(found[0], prompt.server, found[1])
        return await self._clients.run(server.prompt(prompt.name, arguments, seconds=self.seconds))

    async def aclose(self) -> None:
        """End all servers, within a bound."""
        await self._clients.aclose(self._servers.values())

    def _server(self, folder: str, name: str, settings: McpServerSettings) -> McpClient:
        server = self._servers.get((folder, name))
        if server is None or server.settings != settings:
            if server is not None:
                self._clients.end(server)
            server = self._servers[folder, name] = self._clients.client(
                name,
                settings,
                source=_source(folder),
                # Do not trust servers of workspace files by their names.
                is_trusted=not folder and name in self._trusted,
            )
        return server

    # -- files of the workspace -------------------------------------------------------------

    def _read_files(self, chat_path: str) -> None:
        assert self._root is not None
        root = self._root.resolve()
        for folder in _folders(chat_path):
            path = self._root / folder / FILE
            try:
                stat = path.stat()
                stamp: object = (stat.st_mtime_ns, stat.st_size)
                if self._files.get(folder, (None,))[0] == stamp:
                    continue
                if not path.resolve().is_relative_to(root) or stat.st_size > MAX_FILE:
                    raise ConfigurationError(f"It lies elsewhere, or is longer than {MAX_FILE:,}.")
                servers = read_servers(json.loads(path.read_text("utf-8")), FILE)
                self._files[folder] = stamp, servers, ""
            except (FileNotFoundError, NotADirectoryError):
                self._files.pop(folder, None)
            except (OSError, ValueError, RecursionError, ConfigurationError) as error:
                problem = str(error) if isinstance(error, ConfigurationError) else "It is no JSON."
                self._files[folder] = None, {}, problem
                self._log.warning("%s: %s", PurePosixPath(folder, FILE), problem)


class McpExecutor:
    """Runs a tool of an MCP server; see :class:`ToolExecutor`."""

    info = None
    seconds = None

    def __init__(self, servers: McpServers, tool: str) -> None:
        self._servers = servers
        self._tool = tool

    async def run(self, context: CallContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """See :meth:`ToolExecutor.run`."""
        return await self._servers.call(self._tool, arguments, context.chat_path)

    async def preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        """See :meth:`ToolExecutor.preview`."""
        return Preview()


def _folders(chat_path: str) -> list[str]:
    """Return the folders of a chat, the nearest first, relative to the root, which is empty."""
    parents = PurePosixPath(chat_path.strip("/")).parents
    return ["" if str(parent) == "." else str(parent) for parent in parents]


def _source(folder: str) -> str:
    return f"{folder.lstrip('/')}/{FILE}".lstrip("/") if folder else "c.AiExtension.mcp_servers"


async def _all(works: Iterable[Coroutine[Any, Any, Any]]) -> None:
    await asyncio.gather(*works)
