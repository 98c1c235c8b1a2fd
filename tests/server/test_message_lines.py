"""``POST message/<persona>``: who asks, and the reply for who wants to see it grow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = pytest.mark.server

PERSONA = """
from jupyter_ai_personas import BasePersona, PersonaDefaults

class Echo(BasePersona):
    defaults = PersonaDefaults(name="Echo")

    async def process_message(self, message):
        await self.stream_message(word + " " for word in message.body.split())
        if "fail" in message.body:
            raise ValueError("no")
        self.send_message("That was it.")

class Anew(BasePersona):
    defaults = PersonaDefaults(name="Anew")

    async def process_message(self, message):
        from jupyter_ai_personas.text import Anew
        await self.stream_message(["let me see", Anew(""), "4", "2"])

class Who(BasePersona):
    defaults = PersonaDefaults(name="Who")

    async def process_message(self, message):
        self.send_message(self.turn.speaker)
"""
IDENTITY = """
from jupyter_server.auth import IdentityProvider, User

class Named(IdentityProvider):
    def generate_anonymous_user(self, handler):
        return User("0815", "ada", "Ada Lovelace")
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    plugin = make_plugin(
        tmp_path_factory.mktemp("plugin"),
        "lines_plugin",
        {"__init__.py": "", "bots.py": PERSONA, "identity.py": IDENTITY},
        {
            "jupyter_ai.personas": {
                n.lower(): f"lines_plugin.bots:{n}" for n in ("Anew", "Echo", "Who")
            }
        },
    )
    config = {"ServerApp.identity_provider_class": "lines_plugin.identity.Named"}
    folder = tmp_path_factory.mktemp("server")
    async with JupyterServer(folder, config=config, pythonpath=[plugin]) as server:
        yield server


async def ask(server: JupyterServer, persona: str, message: str) -> tuple[int, list[Any]]:
    response = await server.request(
        "POST",
        f"/api/ai/message/{persona}",
        json={"message": message},
        headers={"Accept": "application/x-ndjson"},
    )
    return response.status_code, [json.loads(line) for line in response.text.splitlines()]


async def test_the_pieces_and_then_all_of_the_reply(server: JupyterServer) -> None:
    status, lines = await ask(server, "Echo", "one two")
    assert status == 200
    *pieces, last = lines
    assert "".join(piece["text"] for piece in pieces) == "one two \n\nThat was it."
    assert last == {"response": "one two \n\nThat was it."}


async def test_a_failure_is_the_last_line(server: JupyterServer) -> None:
    status, lines = await ask(server, "Echo", "please fail")
    assert status == 200
    assert "".join(line.get("text", "") for line in lines).startswith("please fail")
    assert list(lines[-1]) == ["message"]
    assert "please fail" not in lines[-1]["message"]


async def test_who_is_not_there_is_told_before_any_line(server: JupyterServer) -> None:
    status, (told,) = await ask(server, "Eco", "hi")
    assert (status, told) == (404, {"message": "There is no persona `Eco`. Did you mean `Echo`?"})


async def test_who_asks_has_the_name_that_a_chat_shows(server: JupyterServer) -> None:
    answer = await server.post("/api/ai/message/Who", json={"message": "who am I?"})
    assert answer == (200, {"response": "Ada Lovelace"})


async def test_a_reply_that_begins_anew_says_so(server: JupyterServer) -> None:
    status, lines = await ask(server, "Anew", "hi")
    assert status == 200
    text = ""
    for piece in lines[:-1]:
        text = piece["text"] if piece.get("anew") else text + piece["text"]
    assert text == "42"
    assert lines[-1] == {"response": "42"}


async def test_text_that_is_none_is_answered(server: JupyterServer) -> None:
    body = json.dumps({"message": "caf\udce9 \ud83d\ude00"})
    status, answer = await server.post("/api/ai/message/Echo", content=body)
    assert status == 200
    assert answer["response"].startswith("caf\ufffd 😀")
