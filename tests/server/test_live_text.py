"""Live text on a real server: clients that show it, clients that do not, and what is saved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from support.server import JupyterServer
from support.typist import Typescript, make_typist
from support.yclient import METADATA_KEY, ChatClient

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("live-text")
    package, env = make_typist(directory)
    config = {"YDocExtension.document_cleanup_delay": 0.2}
    async with JupyterServer(
        directory / "server", config=config, pythonpath=[package], env=env
    ) as server:
        yield server


class Silent(ChatClient):
    """A client that announces nothing at all."""

    def _put(self, message: bytes) -> None:
        if message[0] == 0:
            super()._put(message)


def state_of(client: ChatClient, reply: str) -> str:
    message = client.message(reply) or {}
    return str(message.get("metadata", {}).get(METADATA_KEY, {}).get("state", ""))


async def begin(client: ChatClient, script: Typescript, text: str) -> str:
    """Ask for a reply that begins with ``text``; return the reply's id."""
    script.type(text)
    reply = await client.wait_for_reply(client.post(script.question), state="streaming")
    return str(reply["id"])


async def reads(client: ChatClient, script: Typescript, reply: str, *, live: bool) -> None:
    """Wait until a client reads all that was typed, as a live body or as a string."""
    await client.wait_for(
        lambda me: (
            (me.message(reply) or {}).get("body") == script.text and me.is_live(reply) is live
        )
    )


async def ended(client: ChatClient, script: Typescript, reply: str) -> None:
    script.end()
    await client.wait_for(lambda me: state_of(me, reply) == "done")
    assert (client.message(reply) or {})["body"] == script.text
    assert not client.is_live(reply)


async def test_a_reply_is_live_for_clients_that_show_it_and_ends_as_a_string(
    server: JupyterServer,
) -> None:
    script = Typescript(server)
    path = f"{uuid4()}.chat"
    async with (
        ChatClient(server, path, "Ada", live=True) as ada,
        ChatClient(server, path, "Bob", live=True) as bob,
    ):
        reply = await begin(ada, script, "Hel")
        await reads(bob, script, reply, live=True)
        script.type("lo wörld 🎉")
        for client in (ada, bob):
            await reads(client, script, reply, live=True)
        async with ChatClient(server, path, "Cleo", live=True) as late:
            await reads(late, script, reply, live=True)
            script.type(", again")
            await reads(late, script, reply, live=True)
        for client in (ada, bob):
            await ended(client, script, reply)
        await server.wait_until_saved(path, reply)
        [saved] = [each for each in server.saved_chat(path)["messages"] if each["id"] == reply]
        assert saved["body"] == script.text


async def test_only_what_is_new_travels_to_clients_that_show_live_text(
    server: JupyterServer,
) -> None:
    script = Typescript(server)
    async with ChatClient(server, f"{uuid4()}.chat", "Ada", live=True) as ada:
        reply = await begin(ada, script, "x" * 20_000)
        before = ada.sync_bytes_received
        for _ in range(5):
            script.type("y")
            await reads(ada, script, reply, live=True)
        assert ada.sync_bytes_received - before < 2_000
        await ended(ada, script, reply)


async def test_a_reply_goes_on_as_strings_while_a_client_is_there_that_needs_them(
    server: JupyterServer,
) -> None:
    script = Typescript(server)
    path = f"{uuid4()}.chat"
    async with ChatClient(server, path, "Ada", live=True) as ada:
        reply = await begin(ada, script, "one ")
        await reads(ada, script, reply, live=True)
        async with ChatClient(server, path, "Stock") as stock:
            for client in (ada, stock):
                await reads(client, script, reply, live=False)
            script.type("two ")
            for client in (ada, stock):
                await reads(client, script, reply, live=False)
        script.type("three ")
        await reads(ada, script, reply, live=True)
        ada.announce_live(False)
        await reads(ada, script, reply, live=False)
        script.type("four")
        await reads(ada, script, reply, live=False)
        await ended(ada, script, reply)


async def test_a_client_that_announces_nothing_gets_strings(server: JupyterServer) -> None:
    script = Typescript(server)
    path = f"{uuid4()}.chat"
    async with (
        ChatClient(server, path, "Ada", live=True) as ada,
        Silent(server, path, "Silent") as silent,
    ):
        reply = await begin(ada, script, "one ")
        script.type("two")
        await reads(silent, script, reply, live=False)
        await ended(ada, script, reply)


async def test_a_live_reply_that_is_deleted_is_stopped_and_stays_deleted(
    server: JupyterServer,
) -> None:
    script = Typescript(server)
    async with ChatClient(server, f"{uuid4()}.chat", "Ada", live=True) as ada:
        reply = await begin(ada, script, "one ")
        ada.delete(reply)
        await ada.flush()
        script.type("two")
        await ada.wait_for(lambda me: not me.writers())
        message = ada.message(reply)
        assert message is not None
        assert (message["body"], message["deleted"]) == ("", True)


async def test_a_live_reply_that_is_stopped_keeps_its_text(server: JupyterServer) -> None:
    script = Typescript(server)
    async with ChatClient(server, f"{uuid4()}.chat", "Ada", live=True) as ada:
        reply = await begin(ada, script, "one ")
        await reads(ada, script, reply, live=True)
        ada.post("/stop")
        await ada.wait_for(lambda me: state_of(me, reply) == "stopped")
        assert (ada.message(reply) or {})["body"].startswith("one ")
        assert not ada.is_live(reply)


async def test_a_live_reply_grows_on_while_nobody_is_there(server: JupyterServer) -> None:
    script = Typescript(server)
    path = f"{uuid4()}.chat"
    async with ChatClient(server, path, "Ada", live=True) as ada:
        reply = await begin(ada, script, "one ")
    script.type("two ")
    async with ChatClient(server, path, "Bob") as bob:
        await reads(bob, script, reply, live=False)
        script.type("three")
        await reads(bob, script, reply, live=False)
        await ended(bob, script, reply)


@pytest.mark.parametrize("live", [True, False])
async def test_a_live_reply_that_a_crash_cuts_off_ends_as_one_plain_message(
    tmp_path_factory: pytest.TempPathFactory, live: bool
) -> None:
    """The tab that stays open brings its live body back."""
    directory = tmp_path_factory.mktemp("crash")
    package, env = make_typist(directory)
    server = JupyterServer(directory / "server", pythonpath=[package], env=env)
    script = Typescript(server)
    path = f"{uuid4()}.chat"
    async with server, ChatClient(server, path, "Ada", live=True) as ada:
        reply = await begin(ada, script, "one ")
        await reads(ada, script, reply, live=True)
        server.kill()
        await ada.wait_disconnected()
        # A turn that the ledger did not know as begun begins anew.
        script.end()
        await server.start()
        if live:
            await ada.reconnect()
        async with ChatClient(server, path, "Bob", live=live) as bob:
            await bob.wait_for(lambda me: state_of(me, reply) in ("interrupted", "done"))
            [message] = [each for each in bob.messages() if each["id"] == reply]
            assert not bob.is_live(reply)
            await server.wait_until_saved(path, state_of(bob, reply))
            [saved] = [each for each in server.saved_chat(path)["messages"] if each["id"] == reply]
            assert saved["body"] == message["body"]
