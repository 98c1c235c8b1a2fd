"""Personas of packages that no index has, after their interface, each with a real server."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import uuid4

import pytest
import support
from support.plugin import make_plugin
from support.server import DEFAULT_EXTENSIONS, JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer
from packages.unpublished import BRAKET, QUICKAGENT, QUICKAGENT_SETTINGS

pytestmark = pytest.mark.server

MCP_SERVER = Path(support.__file__).with_name("weather_server.py")

PACKAGES = ("jupyter_ai_braket 0.1.0", "jupyter_ai_quickagent 0.1.0")


async def test_each_answers_a_mention(tmp_path: Path) -> None:
    icon = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    group = "jupyter_ai.personas"
    make_plugin(
        tmp_path / "packages",
        "braket",
        {"persona.py": BRAKET, "braket.svg": icon},
        {group: {"braket": "braket.persona:BraketPersona"}},
    )
    packages = make_plugin(
        tmp_path / "packages",
        "quickagent",
        {"persona.py": QUICKAGENT, "settings.py": QUICKAGENT_SETTINGS},
        {group: {"quickagent": "quickagent.persona:QuickAgentPersona"}},
    )
    with OpenAIServer() as model:
        server = JupyterServer(
            tmp_path / "server",
            extensions=(*DEFAULT_EXTENSIONS, "quickagent.settings"),
            pythonpath=[packages],
            env={
                "BRAKET_MCP_SERVER": f"{sys.executable} {MCP_SERVER} stdio",
                "BRAKET_URL": model.url,
            },
        )
        async with server, ChatClient(server, f"{uuid4()}.chat", user="Ada") as ada:
            model.answer(Answer(text="a circuit"))
            reply = await ada.wait_for_reply(ada.post("@Braket draw"), "Braket")
            assert reply["body"].startswith("delete, die, fail, forecast, ")
            assert reply["body"].endswith(": a circuit")
            assert "forecast" in str(model.requests[-1].json["tools"])

            reply = await ada.wait_for_reply(ada.post("@QuickAgent create"), "QuickAgent")
            assert reply["body"] == "What does it do?"
            await ada.wait_for_reply(ada.post("@QuickAgent counts"), "QuickAgent")
            asked = ada.post("@QuickAgent go")
            await ada.wait_for(lambda me: len(me.replies(asked, "QuickAgent", "done")) == 2)
            timer, said = ada.replies(asked)
            assert timer["body"] == "*Completed in 0.1s*"
            assert said["body"] == "An agent that counts with a model of the server"
