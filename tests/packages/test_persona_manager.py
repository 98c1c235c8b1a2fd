"""`jupyter-ai-persona-manager`, as published: who runs the personas of Jupyter AI where it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from support.published import installed
from support.server import DEFAULT_EXTENSIONS, JupyterServer
from support.yclient import ChatClient

from packages.test_acp_client import ACP_CLIENT, agent

pytestmark = pytest.mark.server

MANAGER = "jupyter-ai-persona-manager==0.3.0"
ROUTER = "jupyter-ai-router==0.1.1"
CLAUDE = "jupyter-ai-personas::jupyter_ai_acp_client::ClaudeAcpPersona"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("manager"), MANAGER, ROUTER, ACP_CLIENT)


def server_at(tmp_path: Path, packages: Path, *extensions: str) -> JupyterServer:
    return JupyterServer(
        tmp_path / "server",
        extensions=(*DEFAULT_EXTENSIONS, "jupyter_ai_acp_client", *extensions),
        pythonpath=[packages],
        env={
            "PATH": agent(tmp_path / "bin", "claude-agent-acp"),
            "SCRIPTED_AGENT_MEMORY": str(tmp_path / "memory.json"),
        },
    )


async def test_where_its_extension_is_off_its_personas_run_here(
    tmp_path: Path, packages: Path
) -> None:
    async with (
        server_at(tmp_path, packages) as server,
        ChatClient(server, f"{uuid4()}.chat", user="Ada") as ada,
    ):
        asked = ada.post("@Claude hello")
        reply = await ada.wait_for_reply(asked, "Claude")
        assert reply["body"].startswith("You said: hello [session-1")
        assert len(ada.replies(asked)) == 1


async def test_where_its_extension_is_on_its_personas_are_left_to_it(
    tmp_path: Path, packages: Path
) -> None:
    async with server_at(tmp_path, packages, "jupyter_ai_persona_manager") as server:
        await server.wait_for_log("left to jupyter_ai_persona_manager")
        _, found = await server.get("/api/ai/personas")
        [claude] = [one for one in found["personas"] if one["name"] == "claude-acp"]
        assert claude["status"] == "unavailable"
        assert "jupyter server extension disable" in claude["problem"]


async def test_of_two_runtimes_on_one_server_exactly_one_answers_each_message(
    tmp_path: Path, packages: Path
) -> None:
    theirs = ("jupyter_ai_persona_manager", "jupyter_ai_router")
    async with (
        server_at(tmp_path, packages, *theirs) as server,
        ChatClient(server, f"{uuid4()}.chat", user="Ada") as ada,
    ):
        # Theirs does not see what is posted before the document is first saved.
        await server.wait_for_log("Personas initialized in chat")
        await server.wait_for_log("Saving file")
        await server.get("/api/ai/personas")
        # Ours have no mention in a message that their picker sends, or have one all the same.
        for body in ("hello", "@Guide hello"):
            ada.post(body, metadata={"to_persona": CLAUDE})
            await ada.wait_for(lambda me, body=body: said(me, CLAUDE, f"You said: {body}"))
        asked = ada.post("@Guide what is here?")
        await ada.wait_for_reply(asked, "Guide")
        lost = ada.post("@Claude hello")
        last = ada.post("last", metadata={"to_persona": CLAUDE})
        await ada.wait_for(lambda me: said(me, CLAUDE, "You said: last"))
        assert len(ada.replies(asked)) == 1
        [hint] = ada.replies(lost)
        assert "is a persona of Jupyter AI" in hint["body"]
        assert len(said(ada, CLAUDE, "You said:")) == 3
        assert ada.replies(last) == []


def said(client: ChatClient, sender: str, begin: str) -> list[str]:
    """Return the texts of a sender that begin in a certain way, as far as they have come."""
    bodies = [str(one["body"]) for one in client.messages() if one["sender"] == sender]
    return [body for body in bodies if body.startswith(begin)]


@pytest.mark.parametrize("is_on", [True, False])
def test_doctor_says_who_runs_them_and_names_no_fault(
    tmp_path: Path, packages: Path, is_on: bool
) -> None:
    enabled = {"jupyter_ai_personas": True, "jupyter_ai_persona_manager": is_on}
    config = tmp_path / "jupyter_server_config.json"
    config.write_text(json.dumps({"ServerApp": {"jpserver_extensions": enabled}}), "utf-8")
    env = {
        **os.environ,
        "PATH": agent(tmp_path / "bin", "claude-agent-acp"),
        "PYTHONPATH": os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")]),
        "JUPYTER_CONFIG_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("jupyter-ai-personas")), "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    report = json.loads(done.stdout)
    about = [one for one in report["findings"] if one["section"] == "Personas"]
    claude = next(one for one in about if one["text"].lower().startswith("claude"))
    assert ("left to" if is_on else "runs adapted") in claude["text"]
    goose = next(one for one in about if one["text"].startswith("goose-acp"))
    assert (goose["state"], goose["fix"]) == ("note", "")
    assert "This persona requires the Goose CLI" in goose["text"]
    assert [one for one in about if one["state"] == "broken"] == []
