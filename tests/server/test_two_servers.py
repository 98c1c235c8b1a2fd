"""Two servers on one root, with one ledger: each keeps its turns, and takes those of the dead."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from server.hostile import install
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server

CONFIG = {"AiExtension.default_persona": "", "YDocExtension.document_cleanup_delay": 0.2}


def pair(directory: Path) -> tuple[JupyterServer, JupyterServer]:
    packages = [install(directory / "packages")]
    one = JupyterServer(directory / "one", config=CONFIG, pythonpath=packages)
    two = JupyterServer(directory / "two", config=CONFIG, pythonpath=packages)
    two.root_dir, two.data_dir = one.root_dir, one.data_dir
    return one, two


async def loaded(*servers: JupyterServer) -> None:
    """Wait for the personas of each: while one imports them, another one answers what it saves."""
    for server in servers:
        assert (await server.get("/api/ai/personas"))[0] == 200


async def answered_once(client: ChatClient, *questions: str) -> None:
    """Whatever is done about old messages is done when a new one is answered."""
    await client.wait_for_reply(client.post("@Good are you there?"), "Good")
    for question in questions:
        # The other server may still have to save it.
        await client.wait_for(lambda me, q=question: me.message(q) and me.replies(q))
        assert len(client.replies(question)) == 1


async def test_two_servers_answer_once_and_leave_each_other_their_turns(tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    async with one, two:
        await loaded(one, two)
        async with ChatClient(one, "a.chat", "Ada") as ada, AsyncExitStack() as tabs:
            asked = ada.post("@Good one")
            reply = await ada.wait_for_reply(asked, "Good")
            await one.wait_until_saved("a.chat", reply["id"])
            bob = await tabs.enter_async_context(ChatClient(two, "a.chat", "Bob"))
            # What one saves is new to the other, which reads it from the file.
            asked_there = bob.post("@Good two")
            reply = await bob.wait_for_reply(asked_there, "Good")
            await ada.wait_for(lambda me: me.message(reply["id"]))
            slow = ada.post("@Slow go")
            growing = await ada.wait_for_reply(slow, "Slow", "streaming")
            # The other saves meanwhile: the one that streams gets its document anew, and goes on.
            third = bob.post("@Good three")
            await bob.wait_for_reply(third, "Good")
            await ada.wait_for(lambda me: me.message(third))
            length = len((ada.message(growing["id"]) or {"body": ""})["body"])
            await ada.wait_for(
                lambda me: len((me.message(growing["id"]) or {"body": ""})["body"]) > length
            )
            questions = (asked, asked_there, third)
            await answered_once(ada, *questions, slow)
        # Opened anew by the other, the chat gets nothing of what the living one works on.
        await two.wait_for_log("Deleting file a.chat")
        async with ChatClient(two, "a.chat", "Bob") as bob:
            await answered_once(bob, *questions)
            assert not bob.replies(slow)
            since = len(two.log)
        await two.wait_for_log("Deleting file a.chat", since=since)
        one.kill()
        async with ChatClient(two, "a.chat", "Bob") as bob:
            await bob.wait_for_reply(slow, "Slow", "interrupted")
            await answered_once(bob, *questions, slow)
            await two.wait_until_saved("a.chat", growing["id"])
        await one.start()
        await loaded(one)
        async with ChatClient(one, "a.chat", "Ada") as ada:
            await answered_once(ada, *questions, slow)


async def test_a_chat_that_two_servers_open_before_it_has_an_id_is_answered_once(
    tmp_path: Path,
) -> None:
    one, two = pair(tmp_path)
    async with AsyncExitStack() as stack:
        for server in (one, two):
            await stack.enter_async_context(server)
        await loaded(one, two)
        ada = await stack.enter_async_context(ChatClient(one, "a.chat", "Ada"))
        bob = await stack.enter_async_context(ChatClient(two, "a.chat", "Bob"))
        asked = [client.post("@Good hi") for client in (ada, bob)]
        # Jupyter's rooms may save at once, and the last one's file stands: of the other's question
        # one server may never hear, and there may be no reply to it.
        for client in (ada, bob):
            await client.flush()
            await client.wait_for(lambda me: me.dirty is False)
        for client in (ada, bob):
            await answered_once(client)
        for client in (ada, bob):
            assert all(len(client.replies(question)) <= 1 for question in asked)


async def test_two_servers_that_open_a_chat_at_once_after_a_crash_answer_once(
    tmp_path: Path,
) -> None:
    one, two = pair(tmp_path)
    async with one:
        async with ChatClient(one, "a.chat", "Ada") as ada:
            asked = [ada.post(f"@Slow {number}") for number in range(3)]
            await ada.wait_for_reply(asked[0], "Slow", "streaming")
            one.kill()
            await ada.wait_disconnected()
        await one.start()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(two)
            await loaded(one, two)
            ada = await stack.enter_async_context(ChatClient(one, "a.chat", "Ada"))
            bob = await stack.enter_async_context(ChatClient(two, "a.chat", "Bob"))
            now = [client.post("@Good are you there?") for client in (ada, bob)]
            # Whoever got them writes and saves nothing, until they end.
            for client in (ada, bob):
                client.post("/stop all")
            # What was recovered ends, is saved, and read from the file by the other.
            for client in (ada, bob):
                await answered_once(client, *now, *asked)
