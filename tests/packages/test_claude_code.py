"""`jupyter-ai-claude-code`, as published: a persona of an earlier interface, and its command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from support.published import installed
from support.server import JupyterServer
from support.yclient import ChatClient

from packages import scripted_claude

pytestmark = pytest.mark.server

PACKAGES = ("jupyter-ai-claude-code==0.0.1", "claude-code-sdk>=0.0.25,<0.1")


async def test_it_answers_a_mention_with_what_its_command_says(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    command = commands / "claude"
    command.write_text(f"#!/bin/sh\nexec {sys.executable} {scripted_claude.__file__}\n")
    command.chmod(0o755)
    async with (
        JupyterServer(
            tmp_path / "server",
            pythonpath=[installed(tmp_path / "packages", *PACKAGES)],
            env={"PATH": os.pathsep.join([str(commands), os.environ["PATH"]])},
        ) as server,
        ChatClient(server, f"{uuid4()}.chat", user="Ada") as ada,
    ):
        for word in ("one", "two"):
            asked = ada.post(f"@Claude {word}")
            reply = await ada.wait_for_reply(asked, "Claude")
            assert reply["body"].strip() == f"You said: {word}"
            assert reply["metadata"]["jupyter_ai_personas"]["state"] == "done"
            assert len(ada.replies(asked)) == 1
