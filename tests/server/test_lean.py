"""A server without personas in its process: it imports no plug-in, and answers as any other."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import support
from support.plugin import make_plugin
from support.server import DEFAULT_EXTENSIONS, JupyterServer
from support.yclient import METADATA_KEY, ChatClient

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = pytest.mark.server

WEATHER = str(Path(support.__file__).parent / "weather_server.py")

PERSONAS = '''
from langchain_core.tools import tool

from jupyter_ai_personas import BasePersona, PersonaDefaults


@tool
def count(word: str) -> str:
    """Count the letters of a word."""
    return str(len(word))


class Echo(BasePersona):
    defaults = PersonaDefaults(
        name="Echo", description="Says it again.", avatar_path="echo.svg", model="parrot:grey"
    )
    commands = {"/again": "say it again"}

    async def process_message(self, message):
        self.send_message(message.body)


class Handy(BasePersona):
    defaults = PersonaDefaults(name="Handy", tools=("charts", "mcp:weather", "workspace"))

    def tools(self):
        return [count]


class Torn(BasePersona):
    defaults = PersonaDefaults(name="Torn")

    def tools(self):
        raise RuntimeError("no tools today")


class Twin(BasePersona):
    defaults = PersonaDefaults(name="Echo")


class Nameless(BasePersona):
    pass
'''

PROVIDERS = """
from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BaseProvider, EnvAuthStrategy


class Parrot(BaseProvider, FakeListChatModel):
    id = "parrot"
    name = "Parrot"
    models = ["grey", "green"]
    responses: list[str] = ["hello"]


class Vault(Parrot):
    id = "vault"
    name = "Vault"
    auth_strategy = EnvAuthStrategy(name="THE_KEY_OF_THE_VAULT")


class Far(Parrot):
    id = "far"
    name = "Far"
    pypi_package_deps = ["a-package-nobody-has"]


class Wrong(BaseProvider):
    id = "wrong"
"""

TOOLSETS = '''
from langchain_core.tools import tool


@tool
def plot(column: str) -> str:
    """Plot a column."""
    return f"a plot of {column}"


def charts():
    return [plot]


def torn():
    raise ValueError("no data")
'''

PROBE = """
import json, sys

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.application import ExtensionApp
from tornado import web


class Modules(JupyterHandler):
    @web.authenticated
    async def get(self):
        self.finish(json.dumps(sorted(sys.modules)))


class Probe(ExtensionApp):
    name = "module_probe"

    def initialize_handlers(self):
        self.handlers.append(("/probe/modules", Modules))


def _jupyter_server_extension_points():
    return [{"module": "module_probe", "app": Probe}]
"""

ABSENT = ("langchain", "langsmith", "mcp", "openai", "acp", "plain_plugins", "pydantic")
"""Beginnings of the names of modules that a lean server never imports."""


def install(directory: Path) -> Path:
    names = ("Echo", "Handy", "Torn", "Twin", "Nameless")
    providers = ("Parrot", "Vault", "Far", "Wrong")
    make_plugin(directory, "module_probe", {"__init__.py": PROBE}, {})
    return make_plugin(
        directory,
        "plain_plugins",
        {
            "personas.py": PERSONAS,
            "providers.py": PROVIDERS,
            "toolsets.py": TOOLSETS,
            "lacking.py": "import a_module_nobody_has",
            "exits.py": "raise SystemExit(3)",
            "echo.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        },
        {
            "jupyter_ai.personas": {
                **{name.lower(): f"plain_plugins.personas:{name}" for name in names},
                "lacking": "plain_plugins.lacking:Persona",
            },
            "jupyter_ai.model_providers": {
                **{name.lower(): f"plain_plugins.providers:{name}" for name in providers},
                "exits": "plain_plugins.exits:Provider",
            },
            "jupyter_ai_personas.toolsets": {
                "charts": "plain_plugins.toolsets:charts",
                "torn": "plain_plugins.toolsets:torn",
            },
        },
    )


def make_server(directory: Path, *, hosts: str, model: str, packages: Path) -> JupyterServer:
    weather = {
        "command": sys.executable,
        "args": [WEATHER, "stdio"],
        "env": {"PLANTED": "${SKY_TOKEN}"},
    }
    server = JupyterServer(
        directory,
        extensions=(*DEFAULT_EXTENSIONS, "module_probe"),
        config={
            "AiExtension.hosts": hosts,
            "AiExtension.host_processes": 1,
            "AiExtension.endpoints": {"loop": {"base_url": model, "models": ["small"]}},
            "AiExtension.models": {"Handy": "loop:small"},
            "AiExtension.mcp_servers": {"weather": weather},
            "AiExtension.tool_policy": {"charts.*": "deny", "mcp:weather.forecast": "allow"},
            "AiExtension.blocked_providers": ["groq"],
            "AiExtension.local_personas": "text",
            "AiExtension.acp_agents": {"Agent": {"command": [sys.executable, "-c", "pass"]}},
        },
        env={"SKY_TOKEN": "planted-4711-sky"},
        pythonpath=[packages],
    )
    server.create_chat("room.chat")
    folder = server.root_dir / ".jupyter" / "personas"
    folder.mkdir(parents=True)
    (folder / "scribe.md").write_text("---\nname: Scribe\nmodel: parrot:green\n---\nWrite.\n")
    return server


async def answers_of(server: JupyterServer) -> dict[str, Any]:
    """Return what all routes about plug-ins answer, and what people are told."""
    found: dict[str, Any] = {}
    # It starts the MCP servers of the personas, and does not wait for a slow one.
    await server.get("/api/ai/commands?chat_path=room.chat")
    await server.wait_for_log("MCP server `weather` has started")
    routes = ("personas", "personas?chat_path=room.chat", "model_providers", "toolsets")
    for route in (*routes, "commands?chat_path=room.chat"):
        found[route] = await server.get(f"/api/ai/{route}")
    for name in ("Echo", "Nobody"):
        answer = await server.request("POST", f"/api/ai/message/{name}", json={"message": "Hi"})
        found[f"message/{name}"] = answer.status_code, answer.json()
    async with ChatClient(server, "room.chat", "Ada") as ada:
        echo = "jupyter-ai-personas::plain_plugins::Echo"
        for reference in ("parrot:green", "vault:grey", "parot:green", "far:grey", None):
            answer = await server.request(
                "PUT",
                f"/api/ai/models?chat_path=room.chat&persona_id={echo}",
                json={"model": reference},
            )
            found[f"models {reference}"] = answer.status_code, answer.json()
        for command in ("/models", "/personas", "/tools", "/tools @Handy", "/model @Echo"):
            reply = await ada.wait_for_reply(ada.post(command), state=None)
            found[command] = reply["body"]
        found["/scribe"] = (await ada.wait_for_reply(ada.post("@Scribe write")))["body"]
    return found


async def test_a_lean_server_answers_as_one_with_threads(tmp_path: Path) -> None:
    packages = install(tmp_path / "packages")
    found, logged = {}, {}
    for hosts in ("threads", "processes"):
        server = make_server(
            tmp_path / hosts, hosts=hosts, model="http://127.0.0.1:9/v1", packages=packages
        )
        async with server:
            found[hosts] = await answers_of(server)
            lines = (line.partition(" AiExtension] ")[2].strip() for line in server.log)
            about = re.compile(
                r"Registered (persona|model|toolset)|Persona |Cannot use |The persona"
            )
            logged[hosts] = sorted(filter(about.match, lines))
    for what, answer in found["threads"].items():
        assert json.dumps(found["processes"][what]) == json.dumps(answer), what
    statuses = {what: answer[0] for what, answer in found["threads"].items() if what[0] != "/"}
    assert statuses["message/Echo"] == 200
    assert (statuses["models parrot:green"], statuses["models parot:green"]) == (200, 400)
    broken = [p["name"] for p in found["threads"]["personas"][1]["personas"] if not p["id"]]
    assert sorted(broken) == ["lacking", "nameless"]
    assert "Registered model provider `parrot`." in logged["processes"]
    assert logged["processes"] == logged["threads"]


async def test_a_lean_server_imports_no_plug_in(tmp_path: Path) -> None:
    with OpenAIServer() as model:
        server = make_server(
            tmp_path / "server",
            hosts="processes",
            model=model.url,
            packages=install(tmp_path / "packages"),
        )
        async with server, ChatClient(server, "room.chat", "Ada") as ada:
            await answers_of(server)
            model.answer(
                Answer(calls=[Call("mcp__weather__forecast", {"city": "Ulm"})]),
                Answer(calls=[Call("mcp__weather__variable", {"name": "PLANTED"})]),
                Answer(calls=[Call("Handy__count", {"word": "bees"})]),
                Answer(text="Done."),
            )
            asked = ada.post("@Handy what is it like in Ulm?")
            for _ in range(2):
                await ada.wait_for_reply(asked, "Handy", "waiting")
                ada.post("/approve")
                await ada.wait_for(lambda me: not me.replies(asked, "Handy", "waiting"))
            reply = await ada.wait_for_reply(asked, "Handy")
            assert reply["body"].endswith("Done.")
            said = str(model.requests[-1].json["messages"])
            assert "Sun in Ulm" in said
            assert METADATA_KEY in reply["metadata"]
            _, toolsets = await server.get("/api/ai/toolsets")
            [weather] = [t for t in toolsets["toolsets"] if t["name"] == "mcp:weather"]
            assert weather["status"] == "ok"
            children = psutil.Process(server.pid).children(recursive=True)
            ours = [one for one in children if "jupyter_ai_personas.hosts." in str(one.cmdline())]
            assert len(ours) == 2
            assert "planted-4711" not in str([one.environ() for one in ours])
            modules = (await server.request("GET", "/probe/modules")).json()
        tops = {name.partition(".")[0] for name in modules}
        assert "jupyter_ai_personas" in tops
        assert sorted(top for top in tops if top.startswith(ABSENT)) == []
        assert "planted-4711" not in json.dumps(server.log)
