"""An agent of the Agent Client Protocol in a real server: asked, allowed by REST, answered."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from agents import obedient
from support.server import WAIT, JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server


def server_in(directory: Path, hosts: str = "threads") -> JupyterServer:
    agent = {
        "command": [sys.executable, obedient.SCRIPT],
        "env": {"AGENT_MEMORY": str(directory / "memory.jsonl"), "KEY": "${AGENT_KEY}"},
        "description": "does what it is told",
        "avatar": "🤖",
    }
    return JupyterServer(
        directory / "server",
        config={"AiExtension.acp_agents": {"Bot": agent}, "AiExtension.hosts": hosts},
        env={"AGENT_KEY": "key-of-the-agent-1234", "OPENAI_API_KEY": "sk-of-the-server-1234"},
    )


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for its new parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def asks(client: ChatClient, tool: str) -> bool:
    """Whether people are asked about a tool in the chat."""
    ours = [(m.get("metadata") or {}).get("jupyter_ai_personas") or {} for m in client.messages()]
    bodies = [
        m["body"] for m, one in zip(client.messages(), ours, strict=True) if "approval" in one
    ]
    return any(tool in body for body in bodies)


async def allow(server: JupyterServer, client: ChatClient, tool: str) -> None:
    await client.wait_for(lambda me: asks(me, tool))
    _, found = await server.get(f"/api/ai/approvals?chat_path={client.path}")
    [approval] = found["approvals"]
    assert approval["tool"] == tool
    status, _ = await server.post(
        f"/api/ai/approvals/{approval['id']}", json={"decision": "approve"}
    )
    assert status == 200


@pytest.mark.parametrize("hosts", ["threads", "processes"])
async def test_an_agent_asks_writes_and_goes_on_after_a_restart(tmp_path: Path, hosts: str) -> None:
    server = server_in(tmp_path, hosts)
    path = "work.chat"
    async with server:
        async with ChatClient(server, path, user="Ada") as ada:
            asked = ada.post("@Bot ask make it so")
            await allow(server, ada, "Bot.execute")
            reply = await ada.wait_for_reply(asked, "Bot")
            assert reply["body"].endswith("allowed: True")

            asked = ada.post("@Bot write made.txt")
            await ada.wait_for(lambda me: asks(me, "workspace.write_file"))
            assert not (server.root_dir / "made.txt").exists()
            await allow(server, ada, "workspace.write_file")
            reply = await ada.wait_for_reply(asked, "Bot")
            assert "made.txt" in reply["body"].rpartition("Changed:")[2]
            assert (server.root_dir / "made.txt").read_text() == "written\n"

            env = (await ada.wait_for_reply(ada.post("@Bot env"), "Bot"))["body"]
            assert "sk-of-the-server" not in env
            assert "JUPYTER" not in env
            first = await ada.wait_for_reply(ada.post("@Bot where"), "Bot")
            assert first["body"].startswith(f"session-1 in {server.root_dir}")
        _, found = await server.get("/api/ai/personas")
        row = next(row for row in found["personas"] if row["name"] == "Bot")
        assert row["status"] == "ready"
        assert row["source"] == "c.AiExtension.acp_agents"
        await server.restart()
        # The processes of agents end with the server.
        for pid in obedient.noted(tmp_path / "memory.jsonl", "pid"):
            assert not is_running(pid)
        async with ChatClient(server, path, user="Ada") as ada:
            again = await ada.wait_for_reply(ada.post("@Bot where"), "Bot")
            assert again["body"].startswith("session-1 in")


async def test_what_an_agent_waits_for_outlives_a_killed_server_and_is_done_once(
    tmp_path: Path,
) -> None:
    server, memory = server_in(tmp_path), tmp_path / "memory.jsonl"
    path = "work.chat"
    async with server:
        async with ChatClient(server, path, user="Ada") as ada:
            asked = ada.post("@Bot do one two")
            await allow(server, ada, "Bot.execute")
            await ada.wait_for(lambda me: "one: True" in str(me.messages()))
            await ada.wait_for(lambda me: open_asks(me) == 1)
            _, before = await server.get("/api/ai/approvals")
        [pid] = obedient.noted(memory, "pid")
        server.kill()
        await server.start()
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(10)
        # Before anybody opens the chat.
        assert await server.get("/api/ai/approvals") == (200, before)
        [approval] = before["approvals"]
        async with ChatClient(server, path, user="Ada") as ada:
            await ada.wait_for(lambda me: obedient.noted(memory, "loaded"))
            route = f"/api/ai/approvals/{approval['id']}"
            assert (await server.post(route, json={"decision": "approve"}))[0] == 200
            assert (await server.post(route, json={"decision": "approve"}))[0] == 409
            reply = await ada.wait_for_reply(asked, "Bot")
            assert len(ada.replies(asked)) == 1
            assert open_asks(ada) == 0
    assert reply["body"].startswith("I begin. ")
    assert reply["body"].count("one: True. ") == reply["body"].count("two: True. ") == 1
    assert obedient.noted(memory, "did") == ["one", "two"]
    assert obedient.noted(memory, "began") == ["session-1"]


def open_asks(client: ChatClient) -> int:
    """How many approvals the chat shows as open."""
    ours = [(m.get("metadata") or {}).get("jupyter_ai_personas") or {} for m in client.messages()]
    return sum("approval" in one and "decision" not in one for one in ours)


async def test_a_worker_that_dies_while_an_agent_waits_ends_its_turn_and_what_it_asked(
    tmp_path: Path,
) -> None:
    server, memory = server_in(tmp_path, "processes"), tmp_path / "memory.jsonl"
    async with server, ChatClient(server, "work.chat", user="Ada") as ada:
        asked = ada.post("@Bot do one two")
        await ada.wait_for(lambda me: open_asks(me) == 1)
        _, found = await server.get("/api/ai/approvals")
        [approval] = found["approvals"]
        [pid] = obedient.noted(memory, "pid")
        agent = psutil.Process(pid)
        worker = agent.parent()
        assert worker is not None
        assert worker.pid != server.pid
        worker.kill()
        ended = await ada.wait_for_reply(asked, "Bot", state="failed")
        assert "I begin. " in ended["body"]
        assert f"its worker (process {worker.pid}) was ended by SIGKILL" in ended["body"]
        await ada.wait_for(lambda me: open_asks(me) == 0)
        assert await server.get("/api/ai/approvals") == (200, {"approvals": []})
        # The agent does not outlive its worker, and does nothing unseen.
        agent.wait(WAIT)
        late = await server.post(
            f"/api/ai/approvals/{approval['id']}", json={"decision": "approve"}
        )
        assert late[0] in (404, 409)
        assert obedient.noted(memory, "did") == []
        # The next message starts another process in the same session.
        where = await ada.wait_for_reply(ada.post("@Bot where"), "Bot")
        assert where["body"].startswith("session-1 in")
        assert len(obedient.noted(memory, "pid")) == 2
