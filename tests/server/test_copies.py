"""Files that are copied, renamed and moved: what was answered is answered in none of them again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio
from server.hostile import install
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server

# A room goes soon after its last client, so that a chat that is opened again is read from its file.
CONFIG = {"AiExtension.default_persona": "", "YDocExtension.document_cleanup_delay": 0.2}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("copies")
    packages = [install(directory / "packages")]
    async with JupyterServer(directory / "server", config=CONFIG, pythonpath=packages) as server:
        yield server


@asynccontextmanager
async def opened(server: JupyterServer, path: str, name: str) -> AsyncIterator[ChatClient]:
    """Be in a chat as the last one who leaves: with this the chat is closed."""
    async with ChatClient(server, path, name) as client:
        yield client
        since = len(server.log)
    if server.running:
        await server.wait_for_log("Deleting file ", since=since)


async def copy(server: JupyterServer, path: str, how: str) -> str:
    """Copy a chat; return the path of the copy."""
    if how == "contents":
        status, model = await server.post("/api/contents/", json={"copy_from": path})
        assert status == 201
        return str(model["path"])
    shutil.copy(server.root_dir / path, server.root_dir / f"copy-of-{path}")
    return f"copy-of-{path}"


async def rename(server: JupyterServer, path: str, how: str) -> str:
    """Rename a chat; return its new path."""
    new = f"renamed-{path}"
    if how == "contents":
        answer = await server.request("PATCH", f"/api/contents/{quote(path)}", json={"path": new})
        assert answer.status_code == 200
    else:
        (server.root_dir / path).rename(server.root_dir / new)
    return new


async def answered_once(client: ChatClient, *questions: str) -> None:
    """Whatever is done about old messages is done when a new one is answered."""
    await client.wait_for_reply(client.post("@Good are you there?"), "Good")
    for question in questions:
        assert client.message(question) is not None
        assert len(client.replies(question)) == 1


async def ask(client: ChatClient) -> str:
    """Ask and wait until the answer is saved."""
    question = client.post("@Good hi")
    reply = await client.wait_for_reply(question, "Good")
    await client.server.wait_until_saved(client.path, reply["id"])
    return question


@pytest.mark.parametrize("how", ["contents", "disk"])
async def test_a_copy_answers_nothing_again_and_lives_beside_the_original(
    server: JupyterServer, how: str
) -> None:
    async with opened(server, f"{uuid4()}.chat", "Ada") as ada:
        question = await ask(ada)
        slow = ada.post("@Slow go")
        await ada.wait_for_reply(slow, "Slow", "streaming")
        path = await copy(server, ada.path, how)
        async with opened(server, path, "Bob") as bob:
            await answered_once(bob, question)
            # What the original is about goes on there, and there only.
            assert slow not in [message["id"] for message in bob.messages()]
            assert ada.replies(slow, "Slow", "streaming")
            own = await ask(bob)
            await answered_once(ada, question)
            assert own not in [message["id"] for message in ada.messages()]
        ada.post("/stop")
        await ada.wait_for_reply(slow, "Slow", "stopped")
    for each, mine in ((ada.path, slow), (path, own)):
        async with opened(server, each, "Cleo") as cleo:
            await answered_once(cleo, question, mine)


@pytest.mark.parametrize("how", ["contents", "disk"])
async def test_a_chat_that_is_renamed_while_closed_answers_nothing_again(
    server: JupyterServer, how: str
) -> None:
    async with opened(server, f"{uuid4()}.chat", "Ada") as ada:
        question = await ask(ada)
    path = await rename(server, ada.path, how)
    async with opened(server, path, "Ada") as ada:
        await answered_once(ada, question)


async def test_a_chat_that_is_renamed_while_open_goes_on(server: JupyterServer) -> None:
    async with opened(server, f"{uuid4()}.chat", "Ada") as ada:
        question = await ask(ada)
        slow = ada.post("@Slow go")
        await ada.wait_for_reply(slow, "Slow", "streaming")
        path = await rename(server, ada.path, "contents")
        async with ChatClient(server, path, "Bob") as bob:
            await answered_once(bob, question)
            assert len(bob.replies(slow, "Slow", "streaming")) == 1
            bob.post("/stop all")
            await bob.wait_for_reply(slow, "Slow", "stopped")
            await answered_once(ada, question, slow)
    async with opened(server, path, "Cleo") as cleo:
        await answered_once(cleo, question, slow)


async def test_a_chat_that_is_moved_on_the_disk_while_it_works_is_answered_once(
    server: JupyterServer,
) -> None:
    async with opened(server, f"{uuid4()}.chat", "Ada") as ada:
        question = await ask(ada)
        slow = ada.post("@Slow go")
        await ada.wait_for_reply(slow, "Slow", "streaming")
        path = await rename(server, ada.path, "disk")
        async with opened(server, path, "Bob") as bob:
            await answered_once(bob, question)
            # The turn still writes where it began.
            assert not bob.replies(slow, "Slow")
            assert ada.replies(slow, "Slow", "streaming")
            ada.post("/stop")
            await ada.wait_for_reply(slow, "Slow", "stopped")
    async with opened(server, path, "Cleo") as cleo:
        await answered_once(cleo, question, slow)


async def test_after_a_crash_each_chat_gets_its_own_back(tmp_path: Path) -> None:
    packages = [install(tmp_path / "packages")]
    server = JupyterServer(tmp_path / "server", config=CONFIG, pythonpath=packages)
    lost: dict[str, tuple[str, str]] = {}
    async with server:
        async with AsyncExitStack() as tabs:
            ada, cleo = [
                await tabs.enter_async_context(ChatClient(server, f"{name}.chat", name))
                for name in ("Ada", "Cleo")
            ]
            answered = [await ask(ada), await ask(cleo)]
            copied = await copy(server, ada.path, "contents")
            bob = await tabs.enter_async_context(ChatClient(server, copied, "Bob"))
            # The copy's first: what is oldest does not tell whose the rest is.
            for client, question in zip((bob, ada, cleo), (*answered[:1], *answered), strict=True):
                slow = client.post("@Slow go")
                await client.wait_for_reply(slow, "Slow", "streaming")
                lost[client.path] = question, slow
            renamed = await rename(server, cleo.path, "contents")
            lost[renamed] = lost.pop(cleo.path)
            # Another chat gets its name: it is neither that chat nor its original.
            server.create_chat(cleo.path)
            server.kill()
            for client in (ada, bob, cleo):
                await client.wait_disconnected()
        await server.start()
        async with ChatClient(server, cleo.path, "Dan") as dan:
            await answered_once(dan)
            assert not any(dan.message(slow) for _, slow in lost.values())
        for path, (question, slow) in lost.items():
            async with ChatClient(server, path, "Dan") as dan:
                await dan.wait_for(lambda me, slow=slow: me.replies(slow))
                await answered_once(dan, question, slow)
                of_others = [each for other, (_, each) in lost.items() if other != path]
                assert not any(dan.message(each) for each in of_others)
