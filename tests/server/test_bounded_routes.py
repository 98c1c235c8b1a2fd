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


@pytest.mark.parametrize("python", [NEVER_STARTED, HURRIED])
async def test_a_route_that_cannot_answer_yet_says_so(tmp_path: Path, python: str) -> None:
    points = {"jupyter_ai.personas": {"late": "late:Late"}}
    package = make_plugin(tmp_path / "packages", "late", {"__init__.py": LATE}, points)
    async with make_server(tmp_path, python, package) as server:
        for method, route in ROUTES:
            response = await server.request(method, route, json={"message": "hi"})
            assert response.status_code == 503, route
            reason = "not started" if python == NEVER_STARTED else "still being loaded"
            assert reason in response.json()["message"]
            assert response.headers["Retry-After"]
        (server.root_dir / "go").touch()
        if python == HURRIED:
            await server.wait_for_log("Registered model provider `openrouter`")
            _, listed = await server.get("/api/ai/personas")
            assert {row["name"] for row in listed["personas"]} == {"Guide", "Late"}


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_a_persona_that_does_not_answer_is_not_waited_for_without_a_bound(
    tmp_path: Path, accept: str
) -> None:
    python = HURRIED.replace("base.LOAD_SECONDS = 0.1", "")
    async with make_server(tmp_path, python, install(tmp_path / "packages")) as server:
        response = await server.request(
            "POST", "/api/ai/message/Silent", json={"message": "hi"}, headers={"Accept": accept}
        )
        assert response.status_code == (503 if accept == "application/json" else 200)
        assert "`Silent` did not answer within 0.1 seconds" in response.text
