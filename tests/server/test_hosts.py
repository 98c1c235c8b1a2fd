"""A real server whose personas run in worker processes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server

WAIT = 60.0
"""Seconds after which something is taken never to come: processes start and end."""

SOURCE = """
import asyncio, json, os

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from jupyter_ai_personas import BasePersona, BaseProvider, EnvAuthStrategy, PersonaDefaults


class Keyed(BaseProvider, BaseChatModel):
    id = "keyed"
    name = "Keyed"
    models = ["m"]
    auth_strategy = EnvAuthStrategy("KEYED_API_KEY", "api_key")
    api_key: str = ""

    @property
    def _llm_type(self):
        return "keyed"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        text = f"a key of {len(self.api_key)} characters"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])


class Other(Keyed):
    id = "other"
    auth_strategy = EnvAuthStrategy("OTHER_API_KEY", "api_key")


class Asker(BasePersona):
    defaults = PersonaDefaults(name="Asker", model="keyed:m")


class Where(BasePersona):
    defaults = PersonaDefaults(name="Where", model="keyed:m")

    async def process_message(self, message):
        credentials = self._context.models.registry.settings.credentials
        seen = {"pid": os.getpid(), "environ": dict(os.environ), "credentials": credentials}
        self.send_message(json.dumps({**seen, "credentials": sorted(credentials)}))


class Holder(BasePersona):
    defaults = PersonaDefaults(name="Holder")

    async def process_message(self, message):
        async def chunks():
            yield f"held by process {os.getpid()}"
            await asyncio.Event().wait()

        await self.stream_message(chunks())
"""

KEYS = {"KEYED_API_KEY": "kept-4711-of-keyed", "OTHER_API_KEY": "kept-4711-of-other"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[JupyterServer]:
    names = ("Asker", "Where", "Holder")
    points = {
        "jupyter_ai.personas": {name.lower(): f"placed:{name}" for name in names},
        "jupyter_ai.model_providers": {"keyed": "placed:Keyed", "other": "placed:Other"},
    }
    plugin = make_plugin(tmp_path / "packages", "placed", {"__init__.py": SOURCE}, points)
    server = JupyterServer(
        tmp_path / "server",
        config={"AiExtension.hosts": "processes", "AiExtension.host_processes": 2},
        env=KEYS,
        pythonpath=[plugin],
    )
    server.create_chat("room.chat")
    async with server:
        yield server


def workers_of(server: JupyterServer) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(server.pid).children(recursive=True)
        if any("worker_process" in word for word in child.cmdline())
    ]


async def test_personas_answer_from_processes_that_know_only_what_they_need(
    server: JupyterServer,
) -> None:
    async with ChatClient(server, "room.chat", "Ada") as ada:
        asked = await ada.wait_for_reply(ada.post("@Asker who are you?"))
        assert asked["body"] == f"a key of {len(KEYS['KEYED_API_KEY'])} characters"
        where = json.loads((await ada.wait_for_reply(ada.post("@Where ?")))["body"])
        workers = workers_of(server)
        assert where["pid"] in {worker.pid for worker in workers}
        assert where["credentials"] == ["KEYED_API_KEY"]
        assert not KEYS.keys() & where["environ"].keys()
        known = json.dumps([[worker.cmdline(), worker.environ()] for worker in workers])
        assert "kept-4711" not in known
        assert server.token not in known
        status = await ada.wait_for_reply(ada.post("/status"), state=None)
        assert "2 of 2 worker processes ready" in status["body"]
    assert not server.lines("kept-4711")


async def test_a_killed_worker_ends_its_turn_and_the_chat_goes_on(server: JupyterServer) -> None:
    async with ChatClient(server, "room.chat", "Ada") as ada:
        held = ada.post("@Holder hold")
        begun = await ada.wait_for_reply(held, state="streaming")
        [pid] = re.findall(r"process (\d+)", begun["body"])
        psutil.Process(int(pid)).kill()
        ended = await ada.wait_for_reply(held, state="failed")
        assert f"its worker (process {pid}) was ended by SIGKILL" in ended["body"]
        again = json.loads((await ada.wait_for_reply(ada.post("@Where ?")))["body"])
        assert again["pid"] != int(pid)


@pytest.mark.parametrize("end", ["terminate", "kill"])
async def test_workers_end_with_the_server(server: JupyterServer, end: str) -> None:
    async with ChatClient(server, "room.chat", "Ada") as ada:
        await ada.wait_for_reply(ada.post("@Holder hold"), state="streaming")
        workers = workers_of(server)
        assert len(workers) == 2
    if end == "terminate":
        assert await server.terminate() == 0
    else:
        server.kill()
    _, alive = psutil.wait_procs(workers, timeout=WAIT)
    assert alive == []
