"""An orderly stop while personas work: marked, saved, and soon over, whatever they do."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import anyio
import pytest
from pycrdt import Map
from server.hostile import install
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.server.exit_guard import GRACE_SECONDS
from jupyter_ai_personas.server.extension import SAVE_SECONDS, STOP_SECONDS

pytestmark = pytest.mark.server

MOST_SECONDS = 10.0


def test_what_is_waited_for_at_a_stop_ends_within_ten_seconds() -> None:
    assert SAVE_SECONDS + STOP_SECONDS + GRACE_SECONDS < MOST_SECONDS


PATIENT = """
from jupyter_ai_personas.server import extension

extension.SAVE_SECONDS = 60.0
"""


def make_server(directory: Path) -> JupyterServer:
    """Return a server with the hostile personas; a slow disk does not make it give a save up."""
    server = JupyterServer(directory / "server", pythonpath=[install(directory / "packages")])
    config = server.directory / "config"
    config.mkdir(parents=True)
    (config / "jupyter_server_config.py").write_text(PATIENT, encoding="utf-8")
    return server


async def stop(server: JupyterServer, how: signal.Signals) -> int:
    """Stop the process by a signal; return its exit code.

    Raises:
        subprocess.TimeoutExpired: it went on for longer than the slowest machine takes to stop,
            but not as long as the personas that do not end.
    """
    assert server._process is not None
    server._process.send_signal(how)
    return await anyio.to_thread.run_sync(partial(server._process.wait, 180))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_during_streams_marks_them_and_saves(
    tmp_path: Path, how: signal.Signals
) -> None:
    server = make_server(tmp_path)
    async with server:
        async with (
            ChatClient(server, "a.chat", "Ada") as ada,
            ChatClient(server, "b.chat", "Bob") as bob,
        ):
            asked = [(ada, ada.post("@Slow one")), (bob, bob.post("@Slow two"))]
            for client, question in asked:
                await client.wait_for_reply(question, "Slow", "streaming")
            said = ada.post("Bob, did you see?")
            await ada.flush()
            assert await stop(server, how) == 0
        for path, (_, question) in zip(("a.chat", "b.chat"), asked, strict=True):
            messages = server.saved_chat(path)["messages"]
            about = [(m.get("metadata") or {}).get("jupyter_ai_personas", {}) for m in messages]
            assert [a["state"] for a in about if a.get("reply_to") == question] == ["interrupted"]
            assert any("/retry" in m["body"] for m in messages)
        assert said in [m["id"] for m in server.saved_chat("a.chat")["messages"]]


async def test_personas_that_do_not_end_do_not_hold_the_stop(tmp_path: Path) -> None:
    server = make_server(tmp_path)
    async with server:
        async with ChatClient(server, "a.chat", "Ada") as ada:
            question = ada.post("@Sleeps @InExecutor @Swallows @Holds @Spins @Silent go")
            for name in ("Sleeps", "InExecutor", "Swallows", "Holds"):
                await ada.wait_for_reply(question, name, None)
            assert await stop(server, signal.SIGTERM) == 0
        states = {
            (m.get("metadata") or {}).get("jupyter_ai_personas", {}).get("state")
            for m in server.saved_chat("a.chat")["messages"]
            if m["sender"].startswith("jupyter-ai-personas::hostile")
        }
        assert states <= {"done", "interrupted"}


async def test_a_chat_that_cannot_be_written_keeps_no_other_from_being_saved(
    tmp_path: Path,
) -> None:
    server = make_server(tmp_path)
    async with server:
        async with (
            ChatClient(server, "eve.chat", "Eve") as eve,
            ChatClient(server, "ada.chat", "Ada") as ada,
        ):
            first = eve.post("@Slow go")
            await eve.wait_for_reply(first, "Slow", "streaming")
            # The library cannot write down a chat with such an attachment.
            eve.doc.get("attachments", type=Map)["x"] = 7
            await eve.flush()
            asked = ada.post("@Slow go")
            await ada.wait_for_reply(asked, "Slow", "streaming")
            assert await stop(server, signal.SIGTERM) == 0
        assert asked in [m["id"] for m in server.saved_chat("ada.chat")["messages"]]


async def test_every_stop_ends_and_leaves_nothing_open_whenever_it_comes(tmp_path: Path) -> None:
    server = make_server(tmp_path)
    asked: list[str] = []
    for number in range(4):
        path = f"{number}.chat"
        async with server, ChatClient(server, path, "Ada") as ada:
            asked.append(ada.post("@Slow @Good go"))
            # At once, while personas are still being imported, or while they work.
            await ada.flush()
            if number > 1:
                await ada.wait_for_reply(asked[-1], "Slow", None)
            how = (signal.SIGTERM, signal.SIGINT)[number % 2]
            assert await stop(server, how) == 0
        about = [
            (m.get("metadata") or {}).get("jupyter_ai_personas", {})
            for m in server.saved_chat(path)["messages"]
        ]
        assert "streaming" not in {each.get("state") for each in about}
    async with server:
        for number, question in enumerate(asked):
            async with ChatClient(server, f"{number}.chat", "Ada") as ada:
                for name in ("Slow", "Good"):
                    await ada.wait_for(lambda me, q=question, n=name: me.replies(q, n))
                    assert len(ada.replies(question, name)) == 1
