"""`jupyter-ai-acp-client`, as published: its agents are personas, a subprocess that speaks ACP."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from support.plugin import make_plugin
from support.published import installed
from support.server import DEFAULT_EXTENSIONS, JupyterServer
from support.yclient import ChatClient

from packages import scripted_agent, unpublished

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]

ACP_CLIENT = "jupyter-ai-acp-client==0.3.3"
ACP_HUB = "jupyter-ai-acp-hub==0.1.2"
HERMES = "jupyter_ai_hermes==0.1.5"
"""No index has it: it is built after its interface."""


def agent(folder: Path, *names: str) -> str:
    """Install the scripted agent as commands; return the `PATH` on which they are."""
    folder.mkdir()
    for name in names:
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {scripted_agent.__file__} "$@"\n')
        command.chmod(0o755)
    return os.pathsep.join([str(folder), os.environ["PATH"]])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("acp")
    path = agent(directory / "bin", "claude-agent-acp", "opencode", "hermes")
    hermes = make_plugin(
        directory / "hermes",
        "hermes_acp",
        {
            "persona.py": unpublished.HERMES,
            "hermes.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        },
        {"jupyter_ai.personas": {"hermes": "hermes_acp.persona:HermesAcpPersona"}},
    )
    server = JupyterServer(
        directory / "server",
        extensions=(*DEFAULT_EXTENSIONS, "jupyter_ai_acp_client"),
        pythonpath=[installed(directory / "packages", ACP_CLIENT, ACP_HUB), hermes],
        env={"PATH": path, "SCRIPTED_AGENT_MEMORY": str(directory / "memory.json")},
    )
    async with server:
        yield server


@asynccontextmanager
async def chat(server: JupyterServer, path: str = "") -> AsyncIterator[ChatClient]:
    async with ChatClient(server, path or f"{uuid4()}.chat", user="Ada") as client:
        yield client


async def test_an_agent_answers_a_mention_in_one_final_reply(server: JupyterServer) -> None:
    async with chat(server) as ada:
        asked = ada.post("@Claude hello there")
        reply = await ada.wait_for_reply(asked, "Claude")
        assert reply["body"].startswith("You said: hello there [session-")
        assert reply["sender"] == "jupyter-ai-personas::jupyter_ai_acp_client::ClaudeAcpPersona"
        assert reply["metadata"]["jupyter_ai_personas"]["state"] == "done"
        assert len(ada.replies(asked)) == 1


async def test_its_server_extension_is_loaded_although_it_is_imported_first(
    server: JupyterServer,
) -> None:
    await server.wait_for_log("jupyter_ai_acp_client | extension was successfully loaded")


async def test_a_command_of_the_agent_follows_the_mention(server: JupyterServer) -> None:
    async with chat(server) as ada:
        reply = await ada.wait_for_reply(ada.post("@Claude /compact"), "Claude")
        assert reply["body"] == "forgotten"


async def test_its_session_is_kept_in_the_chat_and_its_folder_is_the_chat_s(
    server: JupyterServer,
) -> None:
    (server.root_dir / "project").mkdir(exist_ok=True)
    async with chat(server, f"project/{uuid4()}.chat") as ada:
        reply = await ada.wait_for_reply(ada.post("@Claude where"), "Claude")
        assert reply["body"] == str(server.root_dir / "project")
        sessions = ada.metadata["acp_session_ids"]
        assert [*sessions] == [reply["sender"]]


async def test_a_model_of_the_agent_is_chosen_in_the_chat(server: JupyterServer) -> None:
    async with chat(server) as ada:
        first = await ada.wait_for_reply(ada.post("@Claude x"), "Claude")
        assert first["body"].endswith(", small]")
        wrong = ada.post("/model @Claude medium")
        await ada.wait_for(lambda me: "`small`" in str(me.replies(wrong)))
        chosen = ada.post("/model @Claude Large")
        await ada.wait_for(lambda me: "`large`" in str(me.replies(chosen)))
        second = await ada.wait_for_reply(ada.post("@Claude x"), "Claude")
        assert second["body"].endswith(", large]")


async def test_its_models_and_commands_are_listed_once_it_has_told_of_them(
    server: JupyterServer,
) -> None:
    async with chat(server) as ada:
        await ada.wait_for_reply(ada.post("@Claude x"), "Claude")
        _, found = await server.get(f"/api/ai/personas?chat_path={ada.path}")
        [claude] = [one for one in found["personas"] if one["name"] == "Claude"]
        own = [{"id": "small", "name": "Small"}, {"id": "large", "name": "Large"}]
        assert claude["own_models"] == own
        _, found = await server.get(f"/api/ai/commands?chat_path={ada.path}")
        [compact] = [one for one in found["commands"] if one["name"] == "/compact"]
        assert (compact["help"], compact["persona"]) == ("Forget what was said.", "Claude")
        reply = await ada.wait_for_reply(ada.post("/compact"), "Claude")
        assert reply["body"] == "forgotten"


async def test_a_stop_cancels_the_agent_s_turn_and_the_next_one_is_answered(
    server: JupyterServer,
) -> None:
    async with chat(server) as ada:
        asked = ada.post("@Claude wait")
        await ada.wait_for(lambda me: me.replies(asked, "Claude", "streaming"))
        ada.post("/stop")
        stopped = await ada.wait_for_reply(asked, "Claude", "stopped")
        assert stopped["body"].startswith("waiting")
        reply = await ada.wait_for_reply(ada.post("@Claude more"), "Claude")
        assert reply["body"].startswith("You said: more")


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_a_permission_is_an_approval_that_people_give(
    server: JupyterServer, decision: str
) -> None:
    async with chat(server) as ada:
        name = f"{decision}.txt"
        asked = ada.post(f"@Claude edit {name}")
        await ada.wait_for(lambda me: me.replies(asked, "Claude", "waiting"))
        _, found = await server.get(f"/api/ai/approvals?chat_path={ada.path}")
        [approval] = found["approvals"]
        assert approval["tool"] == "Claude.edit"
        assert approval["arguments"]["title"] == f"Edit {name}"
        route = f"/api/ai/approvals/{approval['id']}"
        done = await server.request("POST", route, json={"decision": decision})
        assert done.status_code == 200
        await ada.wait_for(lambda me: len(me.replies(asked, "Claude", "done")) == 2)
        tool, text = ada.replies(asked, "Claude", "done")
        [call] = tool["metadata"]["tool_calls"]
        allowed = decision == "approve"
        assert call["status"] == ("completed" if allowed else "failed")
        assert "permission_options" not in call
        assert text["body"] == f"edited: {allowed}"
        assert (server.root_dir / name).exists() is allowed


async def test_an_agent_that_dies_ends_its_turn_with_a_reason(server: JupyterServer) -> None:
    async with chat(server) as ada:
        asked = ada.post("@OpenCode die")
        reply = await ada.wait_for_reply(asked, "OpenCode", "failed")
        assert reply["body"].startswith("about to die")
        assert "`OpenCode` could not answer" in reply["body"]


async def test_the_personas_of_acp_hub_follow(server: JupyterServer) -> None:
    async with chat(server) as ada:
        asked = ada.post("@HubClaude hello")
        reply = await ada.wait_for_reply(asked, "HubClaude")
        assert "You said: hello" in reply["body"]
        assert len(ada.replies(asked)) == 1


async def test_an_agent_s_persona_of_another_package_gives_on_a_message_of_its_own(
    server: JupyterServer,
) -> None:
    async with chat(server) as ada:
        reply = await ada.wait_for_reply(ada.post("@Hermes hello"), "Hermes")
        assert reply["body"].startswith("You said: hello [session-")
