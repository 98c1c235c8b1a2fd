"""Toolsets in a real server: REST, the log, MCP servers that end with Jupyter."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest
import support
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server

SOURCE = '''
from langchain_core.tools import tool

@tool
def plot(column: str) -> str:
    """Plot a column."""
    return column

plot.metadata = {"effect": "read"}

def charts():
    return [plot]

def torn():
    raise ValueError("no data")
'''
WEATHER = str(Path(support.__file__).parent / "weather_server.py")


async def test_rest_lists_toolsets_and_an_mcp_server_ends_with_jupyter(tmp_path: Path) -> None:
    points = {"charts": "acme_charts:charts", "torn": "acme_charts:torn"}
    group = {"jupyter_ai_personas.toolsets": points}
    packages = make_plugin(tmp_path / "packages", "acme_charts", {"__init__.py": SOURCE}, group)
    starts = tmp_path / "starts"
    weather = {"command": sys.executable, "args": [WEATHER, "stdio"], "env": {"STARTS": "${LOG}"}}
    server = JupyterServer(
        tmp_path / "server",
        config={
            "AiExtension.mcp_servers": {"weather": weather},
            "AiExtension.persona_tools": {"Guide": ["charts", "mcp:weather"]},
            "AiExtension.tool_policy": {"mcp:weather.forecast": "deny"},
        },
        env={"LOG": str(starts)},
        pythonpath=[packages],
    )
    async with server:
        rows = {row["name"]: row for row in await toolsets(server)}
        assert rows["charts"] == {
            "name": "charts",
            "source": "acme_charts",
            "tools": [
                {
                    "name": "charts.plot",
                    "description": "Plot a column.",
                    "effect": "read",
                    "policy": "allow",
                }
            ],
            "status": "ok",
            "problem": None,
        }
        assert rows["torn"]["status"] == "broken"
        assert "ValueError: no data" in rows["torn"]["problem"]
        assert (rows["mcp:weather"]["status"], starts.exists()) == ("starting", False)
        _, personas = await server.get("/api/ai/personas")
        assert personas["personas"][0]["tools"] == ["charts", "mcp:weather"]
        async with ChatClient(server, "tools.chat", "Ada") as ada:
            asked = ada.post("/tools @Guide")
            answer = await ada.wait_for(lambda me: next(iter(me.replies(asked, None, None)), None))
            assert "`plot` (allowed)" in answer["body"]
        rows = {row["name"]: row for row in await toolsets(server)}
        policies = {t["name"]: t["policy"] for t in rows["mcp:weather"]["tools"]}
        assert policies["mcp:weather.forecast"] == "deny"
        assert policies["mcp:weather.delete"] == "ask"
        [pid] = map(int, starts.read_text().split())
        os.kill(pid, 0)
    # Where nothing reaps orphans, one that has ended is still listed.
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", server.log[-30:]


async def toolsets(server: JupyterServer) -> list[dict[str, object]]:
    _, found = await server.get("/api/ai/toolsets")
    rows: list[dict[str, object]] = found["toolsets"]
    return rows
