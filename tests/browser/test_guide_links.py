"""Guide without a key in a real browser: an answer, and links that open what it quotes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest
from playwright.async_api import Page, expect
from support.browser import ChatPage, Join
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

WORKSPACE = Path(__file__).parents[2] / "examples" / "workspace"
WAIT = 120.0


async def until_found(server: JupyterServer, query: str) -> None:
    with anyio.fail_after(WAIT):
        while True:
            response = await server.request("GET", "/api/ai/search", params={"q": query})
            if response.status_code == 200 and response.json()["results"]:
                return
            await anyio.sleep(0.05)


@pytest.fixture
async def lab(start_server: StartServer) -> JupyterServer:
    server = await start_server(
        lab=True,
        config={"LabApp.expose_app_in_browser": True, "AiExtension.workspace_search": True},
    )
    shutil.copytree(WORKSPACE, server.root_dir, dirs_exist_ok=True)
    assert (await server.get("/api/ai/personas"))[0] == 200
    await until_found(server, "thunderstorm")
    return server


async def follow(chat: ChatPage, label: str) -> tuple[str, Page]:
    """Click a link in a reply; return where it leads, and the page that it opens."""
    link = chat.page.locator(".jp-chat-rendered-message a", has_text=label).first
    async with chat.page.context.expect_page() as opening:
        await link.click()
    return str(await link.get_attribute("href")), await opening.value


async def test_the_first_suggested_question_is_answered_and_its_links_open_the_files(
    lab: JupyterServer, join: Join
) -> None:
    # Without the front end, whose tests follow links to lines and cells.
    [ada] = await join("Ada", path="welcome.chat", stock=True)
    await ada.wait_for_body("Welcome!")
    await ada.complete("@Gu", "@Guide")
    await ada.type("why is the fourth day so low?")
    await ada.send()
    await ada.wait_for_body("A thunderstorm began at half past eleven.")
    await ada.wait_for_body("No model is set up")
    await ada.screenshot("guide-answered")
    target, notes = await follow(ada, "The storm on the fourth day")
    assert target == "/lab/tree/field-notes.md#line=10"
    await expect(notes.locator(".jp-FileEditor")).to_contain_text("A thunderstorm began")
    target, page = await follow(ada, "How to set one up")
    assert target == "/api/ai/help/start#give-it-a-model"
    await expect(page.locator("#give-it-a-model")).to_be_in_viewport()

    await ada.send("@Guide which errors do the notebooks show?")
    await ada.wait_for_body("raised KeyError")
    target, notebook = await follow(ada, "Honey yield.ipynb, cell 5")
    assert target == "/lab/tree/honey/Honey%20yield.ipynb#cell-id=yield"
    await expect(notebook.locator(".jp-Notebook")).to_contain_text("kilograms")
    await ada.screenshot("guide-error")
