"""A package in which everything is wrong, in a real server: each fault is told where it belongs.

What a chat with wrong names or a wrong file says is among the stories; what the doctor says, with
the command line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.broken import make_broken_plugins
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    plugins = make_broken_plugins(tmp_path_factory.mktemp("plugins"))
    directory = tmp_path_factory.mktemp("server")
    config = {"AiExtension.default_model": "keyless:repeat"}
    async with JupyterServer(directory, config=config, pythonpath=[plugins]) as server:
        yield server


async def test_the_log_names_each_broken_entry_point_once_with_what_to_do(
    server: JupyterServer,
) -> None:
    status, listed = await server.get("/api/ai/model_providers")
    assert status == 200
    for name, fix in (
        ("no_module", "Install the package that provides `a_module_nobody_has`"),
        ("gone", "Fix the entry point in group `jupyter_ai.personas` of `plugins`"),
        (
            "stranger",
            "Fix the class, or the entry point in group `jupyter_ai.personas` of `plugins`",
        ),
        ("no_class", "Fix, upgrade or uninstall `plugins`"),
        ("exits", "Fix, upgrade or uninstall `plugins`"),
    ):
        line = await server.wait_for_log(f" {name} (plugins.")
        assert server.lines(f" {name} (plugins.") == [line]
        assert line.startswith("[W ")
        assert "AiExtension]" in line
        assert fix in line
    broken = {row["id"] for row in listed["model_providers"] if not row["models"]}
    assert {"no_class", "exits"} <= broken
    assert await server.wait_for_log("Registered model provider `good`.")
    assert not server.lines("Traceback")


async def test_a_model_that_cannot_answer_is_told_in_the_chat_with_what_it_lacks(
    server: JupyterServer,
) -> None:
    async with ChatClient(server, "models.chat", "Ada") as ada:
        reply = await ada.wait_for_reply(ada.post("@Poor hello"), "Poor", "failed")
        assert "`THE_KEY_OF_THE_VAULT`" in reply["body"]
        for asked, answer in (
            ("/model @Guide vault:gold", "`THE_KEY_OF_THE_VAULT`"),
            ("/model @Guide far:one", "`pip install a-package-nobody-has`"),
            ("/model @Guide good:two", "no model `two`"),
            ("/model @Guide god:one", "Did you mean `good`?"),
            ("/model @Guied good:one", "Did you mean `Guide`?"),
        ):
            said = await ada.wait_for_reply(ada.post(asked), state=None)
            assert answer in said["body"]
        reply = await ada.wait_for_reply(ada.post("@Guide hello"), "Guide")
        assert "No model is set up" in reply["body"]


async def test_what_fails_when_it_is_made_costs_its_own_turn(server: JupyterServer) -> None:
    async with ChatClient(server, "made.chat", "Ada") as ada:
        reply = await ada.wait_for_reply(ada.post("@Fragile hello"), "Fragile", "failed")
        assert "glass" not in reply["body"]
        await server.wait_for_log("RuntimeError: the glass is broken")
        await ada.wait_for_reply(ada.post("/model @Guide crash:one"), state=None)
        reply = await ada.wait_for_reply(ada.post("@Guide hello"), "Guide", "failed")
        assert "`crash:one`" in reply["body"]
        reply = await ada.wait_for_reply(ada.post("@Fine-Persona hello"), "Fine Persona")
        assert reply["body"] == "fine"
