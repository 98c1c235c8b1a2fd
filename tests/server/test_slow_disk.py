"""A disk that takes its time: what a save does not have is not taken for saved."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from server.hostile import install
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server

CONTENTS = """
import asyncio
from pathlib import Path

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

PIPES = Path(__file__).parent


class SlowDisk(AsyncLargeFileManager):
    # Tells of each save of the slow message, and waits for leave.

    async def save(self, model, path=""):
        if "[slow]" in str(model.get("content")) and (PIPES / "begun").exists():
            await asyncio.to_thread((PIPES / "begun").write_text, "x")
            await asyncio.to_thread((PIPES / "leave").read_text)
        return await super().save(model, path)
"""


async def test_what_was_answered_while_the_disk_was_slow_survives(tmp_path: Path) -> None:
    packages = install(tmp_path / "packages")
    make_plugin(packages, "slow_disk", {"__init__.py": CONTENTS}, {})
    begun, leave = (packages / "slow_disk" / name for name in ("begun", "leave"))
    for pipe in (begun, leave):
        os.mkfifo(pipe)
    config = {
        "ServerApp.contents_manager_class": "slow_disk.SlowDisk",
        "AiExtension.default_persona": "",
    }
    server = JupyterServer(tmp_path / "server", config=config, pythonpath=[packages])
    async with server:
        async with ChatClient(server, "a.chat", "Ada") as ada:
            said = ada.post("Bob, [slow]")
            await anyio.to_thread.run_sync(begun.read_text)
            # The document has been read for this save, and nobody answered before.
            question = ada.post("@Good are you there?")
            await ada.wait_for_reply(question, "Good")
            await anyio.to_thread.run_sync(leave.write_text, "x")
            # The next save begins when the one before has told that it is done.
            await anyio.to_thread.run_sync(begun.read_text)
            # What that one had needs no row any more; what it had not does.
            await until(lambda: said not in rows(server))
            assert question in rows(server)
            server.kill()
            await ada.wait_disconnected()
        for pipe in (begun, leave):
            pipe.unlink()
        await server.start()
        async with ChatClient(server, "a.chat", "Bob") as bob:
            await bob.wait_for_reply(question, "Good")
            assert len(bob.replies(question, "Good")) == 1
            await until(lambda: not rows(server))
        saved = server.saved_chat("a.chat")["messages"]
        assert {said, question} < {message["id"] for message in saved}


def rows(server: JupyterServer) -> set[str]:
    """Return the messages that the ledger holds, for turns or for themselves."""
    ledger = server.data_dir / "jupyter_ai_personas" / "ledger.sqlite"
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
        found = [row[0] for row in db.execute("SELECT message_id FROM turns")]
    return {id_.decode() if isinstance(id_, bytes) else id_ for id_ in found}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for another process's file, of which nobody tells."""
    with anyio.fail_after(60):
        while True:
            if condition():
                return
            await anyio.sleep(0.02)
