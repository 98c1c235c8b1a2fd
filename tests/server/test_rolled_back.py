"""Files that become older than their chats: nothing is answered twice, and nothing unsaved lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from server.hostile import install
from support.server import JupyterServer
from support.yclient import METADATA_KEY, ChatClient
from websockets.asyncio.client import connect

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("rolled-back")
    # A room goes soon after its last client, so that it is read from its file again.
    config = {
        "AiExtension.default_persona": "",
        "YDocExtension.document_cleanup_delay": 0.2,
        "ChatManager.freeable_chat_scan_interval": 0.2,
    }
    packages = [install(directory / "packages")]
    async with JupyterServer(directory / "server", config=config, pythonpath=packages) as server:
        yield server


async def ask(client: ChatClient) -> str:
    """Ask and wait until the answer is saved."""
    question = client.post("@Good hi")
    reply = await client.wait_for_reply(question, "Good")
    await client.server.wait_until_saved(client.path, reply["id"])
    return question


async def answered_once(client: ChatClient, *questions: str) -> None:
    """Whatever is done about old messages is done when a new one is answered."""
    await client.wait_for_reply(client.post("@Good are you there?"), "Good")
    for question in questions:
        assert len(client.replies(question)) == 1


def overwrite(client: ChatClient, keep: Callable[[dict[str, Any]], bool]) -> str:
    """Write a chat's file as if from elsewhere; return a text that tells that it was read."""
    saved = client.server.saved_chat(client.path)
    saved["messages"] = [message for message in saved["messages"] if keep(message)]
    mark = str(uuid4())
    saved["messages"].insert(0, {"id": mark, "sender": "git", "body": mark, "raw_time": False})
    saved["messages"][0] |= {"time": 1.0, "type": "msg"}
    (client.server.root_dir / client.path).write_text(json.dumps(saved))
    return mark


async def leave(client: ChatClient) -> None:
    """Be the last one who leaves, and wait until the chat is closed."""
    since = len(client.server.log)
    await client.disconnect()
    await client.server.wait_for_log("Deleting file ", since=since)


async def test_what_is_not_saved_survives_a_file_that_is_older(server: JupyterServer) -> None:
    async with ChatClient(server, f"{uuid4()}.chat", "Ada") as ada:
        kept, edited, deleted = await ask(ada), ada.post("Bob, hi"), ada.post("Bob, no")
        await server.wait_until_saved(ada.path, deleted)
        slow = ada.post("@Slow go")
        reply = await ada.wait_for_reply(slow, "Slow", "streaming")
        said = ada.post("Cleo, did you see?")
        ada.edit(edited, "Bob, hello")
        ada.delete(deleted)
        await ada.flush()
        for _ in range(2):
            mark = overwrite(ada, lambda message: True)
            length = len((ada.message(reply["id"]) or reply)["body"])
            await ada.wait_for_body(mark)
            # What the file lacks comes back, and the reply goes on.
            await ada.wait_for(
                lambda me, length=length: (
                    len((me.message(reply["id"]) or {"body": ""})["body"]) > length
                )
            )
            for question in (slow, said):
                assert ada.message(question) is not None
            assert (ada.message(edited) or {})["body"] == "Bob, hello"
            assert (ada.message(deleted) or {})["deleted"] is True
        ada.post("/stop")
        stopped = await ada.wait_for_reply(slow, "Slow", "stopped")
        assert stopped["id"] == reply["id"]
        await answered_once(ada, kept, slow)
    async with ChatClient(server, ada.path, "Bob") as bob:
        await answered_once(bob, kept, slow)
        bodies = bob.bodies()
        assert bodies.count("Cleo, did you see?") == bodies.count("Bob, hello") == 1
        assert not {"Bob, hi", "Bob, no"} & set(bodies)


async def test_what_was_put_back_is_saved(server: JupyterServer) -> None:
    async with ChatClient(server, f"{uuid4()}.chat", "Ada") as ada:
        kept = await ask(ada)
        said = ada.post("Cleo, did you see?")
        await ada.flush()
        mark = overwrite(ada, lambda message: message["id"] != said)
        await ada.wait_for_body(mark)
        await server.wait_until_saved(ada.path, said)
        assert mark in str(server.saved_chat(ada.path))
        await answered_once(ada, kept)


@pytest.mark.parametrize("when", ["open", "closed"])
async def test_a_file_that_has_lost_its_answers_gets_no_others(
    server: JupyterServer, when: str
) -> None:
    async with ChatClient(server, f"{uuid4()}.chat", "Ada") as ada:
        asked = [await ask(ada) for _ in range(2)]
        before = {message["id"] for message in ada.messages()}
        # The room's own save would overwrite a file that is written at the same moment.
        await ada.wait_for(lambda me: me.dirty is False)
        if when == "closed":
            await leave(ada)
        mark = overwrite(ada, lambda message: METADATA_KEY not in (message.get("metadata") or {}))
        async with ChatClient(server, ada.path, "Bob") as bob:
            await bob.wait_for_body(mark)
            await answered_once(bob)
            for question in asked:
                assert bob.message(question) is not None
                # An answer that the server did not yet know to be saved is put back.
                assert {reply["id"] for reply in bob.replies(question)} <= before


async def test_who_comes_back_while_a_reply_grows_finds_what_was_asked(
    server: JupyterServer,
) -> None:
    async with ChatClient(server, f"{uuid4()}.chat", "Ada") as ada:
        kept = await ask(ada)
        slow = ada.post("@Slow go")
        await ada.wait_for_reply(slow, "Slow", "streaming")
        # Nothing is saved while anything streams.
        await leave(ada)
        assert slow not in str(server.saved_chat(ada.path))
    async with ChatClient(server, ada.path, "Bob") as bob:
        await bob.wait_for_reply(slow, "Slow", "streaming")
        assert bob.message(slow) is not None
        bob.post("/stop all")
        await bob.wait_for_reply(slow, "Slow", "stopped")
        await answered_once(bob, kept, slow)


async def test_personas_stay_while_the_file_of_a_chat_is_missing(server: JupyterServer) -> None:
    async with ChatClient(server, f"{uuid4()}.chat", "Ada") as ada:
        await ask(ada)
        file, away = server.root_dir / ada.path, server.root_dir / str(uuid4())
        url = f"ws://127.0.0.1:{server.port}/api/events/subscribe?token={server.token}"
        async with connect(url) as events:
            file.rename(away)
            # The chat manager looks for the files of its chats from time to time.
            while json.loads(await events.recv()).get("action") != "deleted":
                pass
        away.rename(file)
        await answered_once(ada)
