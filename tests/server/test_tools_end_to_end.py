"""Guide, a model behind the OpenAI protocol, and built-in tools, in a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = pytest.mark.server


async def test_guide_reads_a_file_and_asks_before_it_writes_one(tmp_path: Path) -> None:
    with OpenAIServer() as model:
        server = JupyterServer(
            tmp_path / "server",
            config={
                "AiExtension.endpoints": {"loop": {"base_url": model.url, "models": ["small"]}},
                "AiExtension.default_model": "loop:small",
            },
        )
        async with server, ChatClient(server, "tools.chat", "Ada") as ada:
            (server.root_dir / "notes.md").write_text("Bees like 23 degrees.\n")
            read = Call("workspace__read_file", {"path": "notes.md"})
            write = Call(
                "workspace__write_file",
                {"path": "new.md", "content": "Bees.\n", "expected": None},
            )
            model.answer(
                Answer(text="Let me see.", calls=[read]),
                Answer(text="I write it down.", calls=[write]),
                Answer(text="Done as you like it."),
            )
            asked = ada.post("@Guide what do bees like?")
            [message] = await ada.wait_for(
                lambda me: [
                    m
                    for m in me.messages()
                    if "approval" in (m.get("metadata") or {}).get("jupyter_ai_personas", {})
                ]
            )
            assert "workspace.write_file" in message["body"]
            assert not (server.root_dir / "new.md").exists()
            await ada.wait_for_reply(asked, "Guide", "waiting")
            ada.post("/approve")
            reply = await ada.wait_for_reply(asked, "Guide")
        assert (server.root_dir / "new.md").read_text() == "Bees.\n"
    body = reply["body"]
    assert body.startswith(
        "Let me see.\n\n<details><summary>🔧 workspace.read_file · notes.md · done"
    )
    assert "I write it down.\n\n<details><summary>🔧 workspace.write_file · new.md · done" in body
    assert "Done as you like it." in body
    first, second, third = (request.json["messages"] for request in model.requests)
    assert "23 degrees" not in str(first)
    assert '<tool_result tool="workspace.read_file">' in second[-1]["content"]
    assert "23 degrees" in str(second)
    assert [m["role"] for m in third[-5:]] == ["user", "assistant", "tool", "assistant", "tool"]
