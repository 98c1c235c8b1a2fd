from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.desk import Desk
from support.room import LOG, Room, room, wait_for_processes

from agents.obedient import SCRIPT, noted
from jupyter_ai_personas.acp import AgentsTable, agent_personas
from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.server.workspace import Workspace
from jupyter_ai_personas.tools import McpServers, PackageToolsets, ToolRegistry, ToolSettings


class Agents:
    """A workspace with real files and documents, and the agent `Ada's` as a subprocess."""

    def __init__(self, root: Path, memory: Path) -> None:
        self.desk = Desk(root)
        self.root = root
        self._memory = memory

    @asynccontextmanager
    async def room(
        self,
        *args: str,
        policy: Mapping[str, Any] | None = None,
        tools: Mapping[str, Any] | None = None,
        mcp: McpServers | None = None,
        **options: Any,
    ) -> AsyncIterator[Room]:
        agent = {
            "command": [sys.executable, SCRIPT],
            "args": list(args),
            "env": {"AGENT_MEMORY": str(self._memory), **options.pop("env", {})},
            "mode": options.pop("mode", ""),
        }
        agents = AgentsTable().read({"Bot": agent, **options.pop("more", {})}, "acp_agents")
        packages = PackageToolsets(log=LOG)
        packages.load()
        settings = ToolSettings(tool_policy=policy or {}, **(tools or {}))
        toolbox = ToolRegistry(settings, packages, executors=self.desk.tools.executors, mcp=mcp)
        async with room(
            configured=agent_personas(agents),
            tools=toolbox,
            changes=self.desk.tools,
            workspace=Workspace(self.desk.settings, root=self.root, log=LOG),
            root_dir=str(self.root),
            **{"make_host": ThreadHost, **options},
        ) as here:
            yield here

    def noted(self, what: str) -> list[Any]:
        """What the agent noted of one kind, in order, in all its lives."""
        return noted(self._memory, what)


@pytest.fixture
async def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agents:
    wait_for_processes(monkeypatch)
    (tmp_path / "root").mkdir()
    agents = Agents(tmp_path / "root", tmp_path / "memory.jsonl")
    await agents.desk.begin()
    return agents
