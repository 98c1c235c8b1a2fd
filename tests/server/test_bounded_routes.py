"""Routes that cannot answer yet say so after some seconds, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from server.hostile import install
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = pytest.mark.server

LATE = """
import time
from pathlib import Path

while not Path("go").exists():
    time.sleep(0.01)

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Late(BasePersona):
    defaults = PersonaDefaults(name="Late")
"""

NEVER_STARTED = """
from jupyter_ai_personas.server.extension import AiExtension
from jupyter_ai_personas.server.handlers import base


async def start(self, serverapp):
    # As with jupyter_server 2.15, which has no such hook.
    pass


AiExtension._start_jupyter_server_extension = start
base.START_SECONDS = 0.1
"""

HURRIED = """
from jupyter_ai_personas.server.handlers import base, message

base.LOAD_SECONDS = 0.1
message.WAIT_SECONDS = 0.1 - 900.0
"""

ROUTES = [
    ("GET", "/api/ai/personas"),
    ("GET", "/api/ai/model_providers"),
    ("GET", "/api/ai/avatars/x"),
    ("POST", "/api/ai/personas/cancel?chat_path=a.chat"),
    ("POST", "/api/ai/message/Guide"),
]


def make_server(directory: Path, python: str, *packages: Path) -> JupyterServer:
    server = JupyterServer(directory / "server", pythonpath=packages)
    config = server.directory / "config"
    config.mkdir(parents=True)
    (config / "jupyter_server_config.py").write_text(python, encoding="utf-8")
    return server


async def assert_unavailable(server: JupyterServer, reason: str) -> None:
    for method, route in ROUTES:
        response = await server.request(method, route, json={"message": "hi"})
        assert response.status_code == 503, route
        assert reason in response.json()["message"]
        assert response.headers["Retry-After"]


async def test_a_route_of_an_extension_that_was_not_started_says_so(tmp_path: Path) -> None:
    async with make_server(tmp_path, NEVER_STARTED) as server:
        await assert_unavailable(server, "not started")


async def test_a_route_waits_for_packages_and_answers_within_its_bound(tmp_path: Path) -> None:
    points = {"jupyter_ai.personas": {"late": "late:Late"}}
    late = make_plugin(tmp_path / "packages", "late", {"__init__.py": LATE}, points)
    async with make_server(tmp_path, HURRIED, late, install(tmp_path / "hostile")) as server:
        await assert_unavailable(server, "still being loaded")
        (server.root_dir / "go").touch()
        await server.wait_for_log("Registered model provider `openrouter`")
        _, listed = await server.get("/api/ai/personas")
        assert {row["name"] for row in listed["personas"]} >= {"Guide", "Late"}
        for accept, status in (("application/json", 503), ("application/x-ndjson", 200)):
            response = await server.request(
                "POST", "/api/ai/message/Silent", json={"message": "hi"}, headers={"Accept": accept}
            )
            assert response.status_code == status
            assert "`Silent` did not answer within 0.1 seconds" in response.text
