"""What a front end asks about a chat by REST: its commands, and the model of a persona."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.commands import ChatCommands
from jupyter_ai_personas.testing import OpenAIServer

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]

GUIDE = "jupyter-ai-personas::jupyter_ai_personas::Guide"
SOURCE = """
from jupyter_ai_personas import BasePersona, PersonaDefaults


class Clerk(BasePersona):
    defaults = PersonaDefaults(name="Clerk")
    commands = {"/file": "files a message", "/help": "is ours already"}


class Other(BasePersona):
    defaults = PersonaDefaults(name="Other")
    commands = {"/file": "files it elsewhere"}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    points = {"a_clerk": "clerking:Clerk", "b_other": "clerking:Other"}
    groups = {"jupyter_ai.personas": points}
    place = tmp_path_factory.mktemp("packages")
    package = make_plugin(place, "clerking", {"__init__.py": SOURCE}, groups)
    with OpenAIServer() as model:
        endpoint = {"base_url": model.url, "models": ["small", "large"]}
        config = {
            "AiExtension.endpoints": {"loop": endpoint},
            "AiExtension.default_model": "loop:small",
        }
        directory = tmp_path_factory.mktemp("server")
        async with JupyterServer(directory, config=config, pythonpath=[package]) as server:
            yield server


async def choose(
    server: JupyterServer, body: Any, *, path: str = "models.chat", persona: str = GUIDE
) -> tuple[int, Any]:
    params = {"chat_path": path, "persona_id": persona}
    return await server.put("/api/ai/models", params=params, json=body)


async def test_the_commands_of_a_chat_are_listed_with_their_source(server: JupyterServer) -> None:
    status, found = await server.get("/api/ai/commands", params={"chat_path": "a.chat"})
    assert status == 200
    rows = found["commands"]
    assert all(set(row) == {"name", "help", "source"} for row in rows)
    ours = [row["name"] for row in rows if row["source"] == "jupyter_ai_personas"]
    assert sorted(ours) == sorted(ChatCommands().names)
    [theirs] = [row for row in rows if row["source"] != "jupyter_ai_personas"]
    assert theirs == {"name": "/file", "help": "files a message", "source": "clerking"}
    assert (await server.get("/api/ai/commands")) == (200, found)


async def test_a_model_is_chosen_for_a_chat_and_taken_back(server: JupyterServer) -> None:
    async with ChatClient(server, "models.chat", "Ada") as ada:
        assert await choose(server, {"model": "loop:large"}) == (200, {"model": "loop:large"})
        asked = ada.post("/model @Guide")
        answer = await ada.wait_for_reply(asked, state=None)
        assert "`loop:large`" in answer["body"]
        # Another persona keeps its own, a name is as good as an id.
        other = await choose(server, {"model": None}, persona="Clerk")
        assert other == (200, {"model": "loop:small"})
        asked = ada.post("/model @Guide")
        assert "`loop:large`" in (await ada.wait_for_reply(asked, state=None))["body"]
        assert await choose(server, {"model": None}) == (200, {"model": "loop:small"})
        asked = ada.post("/model @Guide")
        assert "`loop:small`" in (await ada.wait_for_reply(asked, state=None))["body"]


async def test_a_model_that_cannot_be_chosen_is_named_with_near_matches(
    server: JupyterServer,
) -> None:
    async with ChatClient(server, "models.chat", "Ada"):
        status, answer = await choose(server, {"model": "lop:large"})
        assert (status, set(answer)) == (400, {"message"})
        assert "Did you mean `loop`" in answer["message"]
        for wrong in ({}, {"model": 3}, {"model": ""}, {"model": ["loop:large"]}):
            status, answer = await choose(server, wrong)
            assert (status, set(answer)) == (400, {"message"}), wrong
        assert (await choose(server, {"model": "loop:large"}, persona="Gide"))[0] == 404


async def vote(
    server: JupyterServer, body: Any, *, path: str = "votes.chat", **options: Any
) -> tuple[int, Any]:
    params = {"chat_path": path}
    return await server.post("/api/ai/feedback", params=params, json=body, **options)


async def test_people_vote_on_a_reply_once_each(server: JupyterServer) -> None:
    async with ChatClient(server, "votes.chat", "Ada") as ada:
        asked = ada.post("@Guide hi")
        reply = await ada.wait_for_reply(asked, "Guide")
        # Each request with the token alone is a new anonymous user.
        assert await vote(server, {"message_id": reply["id"], "vote": 1}) == (
            200,
            {"up": 1, "down": 0},
        )
        assert await vote(server, {"message_id": reply["id"], "vote": -1}) == (
            200,
            {"up": 1, "down": 1},
        )
        # A browser stays the same user.
        page = await server.request("GET", f"/nowhere?token={server.token}", authenticated=False)
        cookies = "; ".join(h.partition(";")[0] for h in page.headers.get_list("set-cookie"))
        xsrf = cookies.partition("_xsrf=")[2].partition(";")[0]
        tab = {
            "authenticated": False,
            "headers": {"Cookie": cookies, "X-XSRFToken": xsrf},
        }
        for value, counted in ((1, (2, 1)), (1, (2, 1)), (-1, (1, 2)), (0, (1, 1))):
            answer = await vote(server, {"message_id": reply["id"], "vote": value}, **tab)
            assert answer == (200, {"up": counted[0], "down": counted[1]})

        def stored(me: ChatClient) -> Any:
            message = me.message(reply["id"])
            assert message is not None
            about = message["metadata"]["jupyter_ai_personas"]
            assert (about["reply_to"], about["state"]) == (asked, "done")
            feedback = about.get("feedback") or {}
            return feedback if feedback.get("up") == feedback.get("down") == 1 else None

        feedback = await ada.wait_for(stored)
        assert sorted(feedback["votes"].values()) == [-1, 1]
        text = (await server.request("GET", "/metrics")).text
        for kind, number in (("up", 2), ("down", 2), ("withdrawn", 1)):
            labels = f'model="loop:small",persona="{GUIDE}",vote="{kind}"'
            assert f"jupyter_ai_personas_feedback_total{{{labels}}} {number}.0" in text
    assert not server.lines("could not be emitted")


async def test_what_cannot_be_voted_on_is_refused(server: JupyterServer) -> None:
    async with ChatClient(server, "votes.chat", "Ada") as ada:
        mine = ada.post("nothing for anybody @nobody")
        await ada.flush()
        for wrong in (
            {},
            {"message_id": mine},
            {"message_id": mine, "vote": 2},
            {"message_id": mine, "vote": True},
            {"message_id": mine, "vote": "1"},
            {"message_id": 3, "vote": 1},
        ):
            assert (await vote(server, wrong))[0] == 400, wrong
        good = {"message_id": mine, "vote": 1}
        assert (await vote(server, good))[0] == 404  # a person's message
        assert (await vote(server, {**good, "message_id": "none"}))[0] == 404


async def test_a_chat_that_nobody_opens_is_named(server: JupyterServer) -> None:
    answers = await asyncio.gather(
        choose(server, {"model": "loop:large"}, path="closed.chat"),
        vote(server, {"message_id": "m", "vote": 1}, path="closed.chat"),
    )
    for status, answer in answers:
        assert status == 404
        assert "No open chat at `closed.chat`" in answer["message"]


async def test_votes_can_be_turned_off(tmp_path: Path) -> None:
    config = {"AiExtension.feedback": False}
    async with JupyterServer(tmp_path, config=config, lab=True) as server:
        status, answer = await vote(server, {"message_id": "m", "vote": 1})
        assert (status, set(answer)) == (403, {"message"})
        assert "c.AiExtension.feedback" in answer["message"]
        # The front end reads it in the page and offers none.
        page = await server.request("GET", "/lab")
        assert '"jupyterAiPersonasFeedback": false' in page.text
