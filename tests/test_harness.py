"""What every other test relies on: the real server, the real clients, the real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import pytest_asyncio
from support.browser import ChatPage
from support.plugin import make_plugin
from support.server import CHAT_EXTENSIONS, JupyterServer, ServerError
from support.users import User
from support.yclient import ChatClient, RoomRefusedError

pytestmark = pytest.mark.server

# A server extension that shows, over HTTP, what the server knows of a chat.
PROBE = """
import json
import os
from importlib.metadata import entry_points

from jupyter_server.base.handlers import APIHandler
from jupyterlab_chat.models import User


class Probe(APIHandler):
    async def get(self, path):
        chat = await self.settings["chat_manager"].create(path)
        states = list(chat.awareness.states.values())
        self.finish(json.dumps({"dirty": chat.dirty, "states": states}))

    async def post(self, path):
        chat = await self.settings["chat_manager"].create(path)
        user = User(username="probe", name="Probe", display_name="Probe")
        status = self.get_json_body()
        chat.broadcast_writing_status(user, status)
        self.finish(json.dumps(status))


def _jupyter_server_extension_points():
    return [{"module": "probe"}]


def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*$", [("/probe/(.+)", Probe)])
    names = sorted(point.value for point in entry_points(group="group.of.the.probe"))
    app.log.info("Probe: %s %s %s", names, os.environ["PROBE"], app.config.Probe.trait)
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plugin(
        tmp_path_factory.mktemp("plugins"),
        "probe",
        {"__init__.py": PROBE, "deeper/__init__.py": ""},
        {"group.of.the.probe": {"one": "probe:One", "two": "probe.deeper:Two"}},
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, probe: Path
) -> AsyncIterator[JupyterServer]:
    """One server for all tests that leave it running: it depends on no test's event loop."""
    server = JupyterServer(
        tmp_path_factory.mktemp("server"),
        extensions=(*CHAT_EXTENSIONS, "probe"),
        lab=True,
        config={"Probe.trait": ["from", "config"]},
        env={"PROBE": "from the environment"},
        pythonpath=[probe],
    )
    async with server:
        yield server


# -- the server ----------------------------------------------------------------------------------


async def test_a_server_has_the_config_environment_and_plugins_it_was_given(
    server: JupyterServer,
) -> None:
    line = await server.wait_for_log("Probe:")
    assert line.endswith(
        "['probe.deeper:Two', 'probe:One'] from the environment ['from', 'config']"
    )
    assert await server.wait_for_log(re.compile(r"Prob\w: \[")) == line
    assert server.lines("Probe:") == [line]
    assert server.cpu_seconds() > 0
    assert server.rss() > 10_000_000


async def test_requests_carry_the_token_unless_told_otherwise(server: JupyterServer) -> None:
    status, body = await server.get("/api/contents")
    assert (status, body["type"]) == (200, "directory")
    status, _ = await server.get("/api/contents", authenticated=False)
    assert status == 403
    status, body = await server.put(
        "/api/contents/a.txt", json={"type": "file", "format": "text", "content": "x"}
    )
    assert (status, body["name"]) == (201, "a.txt")
    assert await server.get("/files/a.txt") == (200, b"x")
    status, body = await server.post("/api/contents", json={"copy_from": "/a.txt"})
    assert (status, body["name"]) == (201, "a-Copy1.txt")
    assert (await server.delete("/api/contents/a-Copy1.txt"))[0] == 204
    assert sorted(path.name for path in server.root_dir.glob("*.txt")) == ["a.txt"]


async def test_a_server_stops_when_asked_and_restarts_in_place(tmp_path: Path) -> None:
    async with JupyterServer(tmp_path, extensions=CHAT_EXTENSIONS) as server:
        before = (server.port, server.url)
        server.create_chat("folder/kept.chat")
        assert await server.terminate() == 0
        with pytest.raises(ServerError, match="does not run"):
            server.cpu_seconds()
        with pytest.raises(httpx.TransportError):
            await server.get("/api/status")
        with pytest.raises(ServerError, match="ended without 'no such line'"):
            await server.wait_for_log("no such line")
        lines = len(server.log)

        await server.restart()

        assert (server.port, server.url) == before
        assert (await server.get("/api/contents/folder/kept.chat"))[0] == 200
        assert server.lines("is running at") == server.lines("is running at", since=lines)
        with pytest.raises(ServerError, match="No 'no such line' in the log"):
            await server.wait_for_log("no such line", timeout=0.1)


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "jupyter_server.py").write_text("raise SystemExit('broken on purpose')")
    server = JupyterServer(tmp_path / "server", pythonpath=[broken])
    with pytest.raises(ServerError, match="broken on purpose"):
        await server.start()
    assert not server.running


# -- clients -------------------------------------------------------------------------------------


async def test_two_clients_see_each_others_messages_edits_and_deletions(
    server: JupyterServer,
) -> None:
    async with (
        ChatClient(server, "two.chat", "Ada Lovelace") as ada,
        ChatClient(server, "two.chat", User("bob", "Bob")) as bob,
    ):
        # Until then the server leaves the times of messages alone.
        await ada.wait_for(lambda me: me.dirty is False)
        first = ada.post("Hello @Bob", mentions=["bob"], metadata={"key": 1})
        seen = await bob.wait_for(lambda me: me.message(first))
        assert (seen["sender"], seen["mentions"]) == ("ada-lovelace", ["bob"])
        assert seen["metadata"] == {"key": 1}
        await bob.wait_for(lambda me: me.messages()[0]["raw_time"] is False)

        second = bob.post("Hello yourself")
        assert (await ada.wait_for_body("Hello yourself"))["id"] == second
        assert "mentions" not in ada.messages()[1]

        ada.edit(first, "Hello @Bob!")
        edited = await bob.wait_for_body("Hello @Bob!")
        assert (edited["edited"], edited["mentions"]) == (True, ["bob"])

        bob.delete(second)
        deleted = await ada.wait_for(
            lambda me: me.message(second).get("deleted") and me.message(second)
        )
        assert deleted["body"] == ""

        assert ada.messages() == bob.messages()
        assert ada.metadata["id"] == bob.metadata["id"]
        assert ada.bytes_received > 500
        assert ada.updates_received >= 4


async def test_a_client_is_present_at_once_and_a_user_of_the_chat_once_it_writes(
    server: JupyterServer,
) -> None:
    async with ChatClient(server, "users.chat", "Bob") as bob:
        async with ChatClient(server, "users.chat", "Ada Lovelace") as ada:
            await bob.wait_for(lambda me: "ada-lovelace" in me.present())
            assert bob.users() == {}
            ada.post("Here I am")
            await bob.wait_for(lambda me: me.messages())
            assert bob.users()["ada-lovelace"] == {
                "username": "ada-lovelace",
                "name": "Ada Lovelace",
                "display_name": "Ada Lovelace",
                "initials": "AL",
                "color": "var(--jp-collaborator-color1)",
                "avatar_url": None,
                "bot": False,
                "mention_name": "Ada-Lovelace",
            }
        await bob.wait_for(lambda me: list(me.present()) == ["bob"])


async def test_a_client_sees_whom_the_server_announces_as_writing(server: JupyterServer) -> None:
    async with ChatClient(server, "writing.chat", "Ada") as ada:
        await server.post("/probe/writing.chat", json={"typingIndicator": "is thinking"})
        writers = await ada.wait_for(lambda me: me.writers())
        assert [(w["user"]["display_name"], w["typingIndicator"]) for w in writers] == [
            ("Probe", "is thinking")
        ]
        await server.post("/probe/writing.chat", json=None)
        await ada.wait_for(lambda me: not me.writers())
        _, known = await server.get("/probe/writing.chat")
        assert [state["user"]["name"] for state in known["states"] if "user" in state] == ["Ada"]


async def test_a_reply_is_found_by_what_it_answers_its_persona_and_its_state(
    server: JupyterServer,
) -> None:
    def reply(to: str, state: str) -> dict[str, Any]:
        return {"jupyter_ai_personas": {"reply_to": to, "turn": "t", "state": state}}

    async with (
        ChatClient(server, "reply.chat", "Ada") as ada,
        ChatClient(server, "reply.chat", User("package::Guide", "Guide")) as guide,
    ):
        asked = ada.post("@Guide?")
        await guide.wait_for(lambda me: me.message(asked))
        other = guide.post("Of something else", metadata=reply("other", "done"))
        answer = guide.post("Wait", metadata=reply(asked, "streaming"))
        assert (await ada.wait_for_reply(asked, state="streaming"))["id"] == answer
        assert (await ada.wait_for_reply("other"))["id"] == other
        guide.edit(answer, "Done", metadata=reply(asked, "done"))
        assert (await ada.wait_for_reply(asked))["body"] == "Done"
        assert (await ada.wait_for_reply(asked, "Guide"))["body"] == "Done"
        assert (await ada.wait_for_reply(asked, "package::Guide", None))["body"] == "Done"
        with pytest.raises(AssertionError, match=r"Not within 0\.1 s"):
            await ada.wait_for_reply(asked, "Nobody", timeout=0.1)


async def test_a_client_that_was_away_catches_up_and_brings_what_it_wrote(
    server: JupyterServer,
) -> None:
    async with (
        ChatClient(server, "away.chat", "Ada") as ada,
        ChatClient(server, "away.chat", "Bob") as bob,
    ):
        await ada.disconnect()
        assert not ada.connected
        bob.post("While you were away")
        await bob.flush()
        await ada.reconnect()
        assert ada.bodies() == ["While you were away"]

        await ada.disconnect()
        ada.post("While I was away")
        assert bob.bodies() == ["While you were away"]
        await ada.reconnect()
        await bob.wait_for_body("While I was away")
        await bob.wait_for(lambda me: "ada" in me.present())


async def test_clients_survive_a_crash_of_the_server_and_its_restart(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, extensions=CHAT_EXTENSIONS)
    async with server, ChatClient(server, "crash.chat", "Ada") as ada:
        ada.post("Before")
        await server.wait_until_saved("crash.chat", "Before")
        server.kill()
        await ada.wait_disconnected()
        with pytest.raises(OSError, match="Connect call failed"):
            await ada.reconnect()

        await server.restart()
        await ada.reconnect()

        assert ada.bodies() == ["Before"]
        async with ChatClient(server, "crash.chat", "Bob") as bob:
            assert bob.bodies() == ["Before"]
            bob.post("After")
            await ada.wait_for_body("After")


async def test_who_leaves_a_server_that_has_just_gone_leaves_in_peace(tmp_path: Path) -> None:
    async with (
        JupyterServer(tmp_path, extensions=CHAT_EXTENSIONS) as server,
        ChatClient(server, "gone.chat", "Ada") as ada,
        ChatClient(server, "gone.chat", "Bob") as bob,
    ):
        server.kill()
        # The event loop has not turned since, so that neither has heard of it.
        assert ada.connected
        assert bob.connected
        with pytest.raises(AssertionError, match="The connection ended before"):
            await ada.flush()
    async with JupyterServer(tmp_path, extensions=CHAT_EXTENSIONS) as server:
        async with ChatClient(server, "gone.chat", "Ada") as ada:
            server.kill()
            assert ada.connected
        assert not ada.connected


async def test_a_room_that_refuses_a_client_tells_it_so(tmp_path: Path) -> None:
    # A server of its own: a room that is stopped while it starts may take all others along.
    async with JupyterServer(tmp_path, extensions=CHAT_EXTENSIONS) as server:
        (server.root_dir / "folder.chat").mkdir()
        with pytest.raises(RoomRefusedError, match="4400 Error initializing"):
            async with ChatClient(server, "folder.chat"):
                pass


async def test_an_error_in_the_background_of_a_client_ends_its_block(
    server: JupyterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError), flatten_subgroups=True):
        async with ChatClient(server, "error.chat", "Ada") as ada:
            monkeypatch.setattr(ada, "_receive", lambda message: 1 / 0)
            ada.post("Something")
            await ada.wait_for(lambda me: False)


# -- the browser ---------------------------------------------------------------------------------


@pytest.mark.browser
async def test_browsers_and_clients_see_each_other(server: JupyterServer, chromium: Any) -> None:
    async with (
        ChatClient(server, "browser.chat", "Ada") as ada,
        ChatPage(chromium, server, "browser.chat", "Bob") as bob,
    ):
        bobs = (await bob.identity())["username"]
        await ada.wait_for(lambda me: bobs in me.present())
        assert bobs not in ada.users()
        _, known = await server.get("/probe/browser.chat")
        assert bobs in [state["user"]["username"] for state in known["states"] if "user" in state]

        ada.post("Hello from **Ada**")
        await bob.wait_for_body("Hello from Ada")
        async with anyio.create_task_group() as group:
            # From before he types: the front end takes the sign back a moment after.
            group.start_soon(ada.wait_for, ChatClient.writers)
            await bob.complete("Hello @A", "@Ada")
        await bob.send()
        message = await ada.wait_for_body("Hello @Ada ")
        assert (message["sender"], message["mentions"]) == (bobs, ["ada"])
        assert ada.users()[bobs]["display_name"] == "Bob"

        await server.post("/probe/browser.chat", json={"typingIndicator": "is thinking"})
        await bob.wait_for_writers("is thinking")
        assert "Probe" in await bob.writers()

        async with ChatPage(chromium, server, "browser.chat") as anonymous:
            await anonymous.wait_for_body("Hello @Ada")
            await anonymous.expect_bodies("Hello from Ada", "Hello @Ada")
            assert (await anonymous.identity())["username"] != bobs
            await bob.edit(1, "Edited")
            await anonymous.wait_for_body("Edited")
            await anonymous.send("Hello everybody")
            await bob.wait_for_body("Hello everybody")
            await bob.delete(1)
            await ada.wait_for(lambda me: me.messages()[1].get("deleted"))
        await bob.expect_bodies("Hello from Ada", "Hello everybody")
        assert bob.errors == []
        assert (await bob.screenshot("harness")).stat().st_size > 10_000


@pytest.mark.browser
async def test_a_tab_that_stays_open_comes_back_after_a_restart(
    tmp_path: Path, chromium: Any
) -> None:
    server = JupyterServer(tmp_path, extensions=CHAT_EXTENSIONS, lab=True)
    async with server, ChatPage(chromium, server, "tab.chat", "Ada") as ada:
        await ada.send("Before")
        await server.wait_until_saved("tab.chat", "Before")
        server.kill()
        await server.start()
        async with ChatClient(server, "tab.chat", "Bob") as bob:
            await bob.wait_for_body("Before")
            bob.post("After")
            await ada.wait_for_body("After")
            await ada.send("And back")
            await bob.wait_for_body("And back")
