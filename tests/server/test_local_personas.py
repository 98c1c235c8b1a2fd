"""Markdown personas in a real server: mentioned, edited, broken, deleted, moved, restarted."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.testing import Answer, OpenAIServer

pytestmark = pytest.mark.server

LOCAL = "jupyter-ai-personas::local::"


def write(server: JupyterServer, folder: str, name: str, prompt: str, *lines: str) -> Path:
    place = server.root_dir / folder / ".jupyter" / "personas"
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{name.casefold()}.md"
    file.write_text("\n".join(["---", f"name: {name}", *lines, "---", prompt]))
    return file


async def listed(server: JupyterServer, path: str) -> dict[str, dict[str, Any]]:
    status, answer = await server.get("/api/ai/personas", params={"chat_path": path})
    assert status == 200
    return {one["name"]: one for one in answer["personas"]}


def offered(me: ChatClient) -> list[str]:
    users = me.users()
    return sorted(
        entry["mention_name"]
        for id_, entry in users.items()
        if id_.startswith(LOCAL) and entry.get("bot") is not True
    )


async def test_a_file_becomes_a_persona_and_follows_its_edits(tmp_path: Path) -> None:
    with OpenAIServer() as model:
        server = JupyterServer(
            tmp_path / "server",
            config={
                "AiExtension.endpoints": {"loop": {"base_url": model.url, "models": ["small"]}},
                "AiExtension.default_model": "loop:small",
            },
        )
        server.root_dir.mkdir(parents=True)
        (server.root_dir / "team").mkdir()
        async with server:
            await the_story(server, model)


async def the_story(server: JupyterServer, model: OpenAIServer) -> None:
    path = "team/notes.chat"
    server.create_chat(path)
    async with ChatClient(server, path, "Ada") as ada, ChatClient(server, path, "Ben") as ben:
        # Saved while the chat is open: offered at once, to everybody.
        svg = server.root_dir / "team" / ".jupyter" / "personas" / "owl.svg"
        file = write(server, "team", "Researcher", "You cite sources.", "description: finds")
        await ada.wait_for(lambda me: offered(me) == ["Researcher"])
        await ben.wait_for(lambda me: offered(me) == ["Researcher"])
        model.answer(Answer(text="As Smith says."))
        asked = ada.post("@Researcher who says so?")
        reply = await ben.wait_for_reply(asked, f"{LOCAL}team/Researcher")
        assert reply["body"] == "As Smith says."
        assert "You cite sources." in str(model.requests[-1].json["messages"][0])

        # An edit counts for the next mention, also right after it was saved.
        svg.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        write(server, "team", "Researcher", "You doubt all.", "avatar: owl.svg", "max_hops: 0")
        asked = ada.post("@Researcher again?")
        await ada.wait_for_reply(asked, f"{LOCAL}team/Researcher")
        assert "You doubt all." in str(model.requests[-1].json["messages"][0])
        found = (await listed(server, path))["Researcher"]
        assert (found["source"], found["status"], found["problem"]) == ("local", "ready", None)
        assert found["id"] == f"{LOCAL}team/Researcher"
        image = await server.request("GET", found["avatar_url"])
        assert (image.status_code, image.headers["Content-Type"]) == (200, "image/svg+xml")
        assert "Researcher" not in await listed(server, "other/notes.chat")
        status, _ = await server.get("/api/ai/personas", params={"chat_path": "../notes.chat"})
        assert status == 400

        # A broken edit keeps the version before, and is told of with its line.
        file.write_text("---\nname: Researcher\ntools: workspace\n---\nBroken.")
        asked = ada.post("@Researcher and now?")
        await ada.wait_for_reply(asked, f"{LOCAL}team/Researcher")
        assert "You doubt all." in str(model.requests[-1].json["messages"][0])
        await ada.wait_for(
            lambda me: any("line 3: `tools` must be a list" in body for body in me.bodies())
        )
        found = (await listed(server, path))["Researcher"]
        assert found["status"] == "ready"
        assert "team/.jupyter/personas/researcher.md, line 3" in found["problem"]

        # Its model is chosen, and its turns are stopped, as any persona's.
        params = {"chat_path": path, "persona_id": f"{LOCAL}team/Researcher"}
        choice = {"model": "loop:small"}
        status, chosen = await server.put("/api/ai/models", params=params, json=choice)
        assert (status, chosen) == (200, choice)
        status, cancelled = await server.post("/api/ai/personas/cancel", params=params)
        assert (status, cancelled["cancelled"]) == (200, [])

        # A deleted file takes its persona along.
        file.unlink()
        await ben.wait_for(lambda me: offered(me) == [])
        assert "Researcher" not in await listed(server, path)


async def test_a_chat_that_is_moved_and_a_server_that_is_killed(tmp_path: Path) -> None:
    with OpenAIServer() as model:
        server = JupyterServer(
            tmp_path / "server",
            config={
                "AiExtension.endpoints": {"loop": {"base_url": model.url, "models": ["small"]}},
                "AiExtension.default_model": "loop:small",
            },
        )
        for folder in ("a", "b"):
            (server.root_dir / folder).mkdir(parents=True)
            write(server, folder, f"Of-{folder}", f"You are of {folder}.", "avatar: 🔬")
        async with server:
            server.create_chat("a/notes.chat")
            async with ChatClient(server, "a/notes.chat", "Ada") as ada:
                await ada.wait_for(lambda me: offered(me) == ["Of-a"])
                shown = ada.users()[f"{LOCAL}a/Of-a"]["avatar_url"]
                assert shown.startswith("data:image/svg+xml,")
                status = await server.request(
                    "PATCH", f"/api/contents/{quote('a/notes.chat')}", json={"path": "b/notes.chat"}
                )
                assert status.status_code == 200
                await ada.wait_for(lambda me: offered(me) == ["Of-b"])
                # A turn that a crash cut off is known to be of the local persona.
                model.answer(Answer(text="half of it", hold_after=1))
                asked = ada.post("@Of-b hello")
                await ada.wait_for_reply(asked, f"{LOCAL}b/Of-b", "streaming")
            server.kill()
            await server.restart()
            async with ChatClient(server, "b/notes.chat", "Ada") as ada:
                await ada.wait_for_reply(asked, f"{LOCAL}b/Of-b", "interrupted")
                model.answer(Answer(text="whole"))
                ada.post("/retry")
                reply = await ada.wait_for_reply(asked, f"{LOCAL}b/Of-b", "done")
                assert reply["body"] == "whole"
