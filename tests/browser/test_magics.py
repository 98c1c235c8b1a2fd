"""``%%ai`` in JupyterLab's notebook and in its code console, in a real browser.

Leaves a picture in ``tests/artefacts/magics.png``; it is the one of the page about the magics.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import uuid4

import anyio.to_thread
import nbformat
import pytest
from playwright.async_api import Browser, expect
from support.browser import ARTEFACTS, WAIT
from support.server import JupyterServer

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

REPLY = """\
A **list comprehension** builds the list at once; `map` makes values when they are asked for.

| | `[f(x) for x in xs]` | `map(f, xs)` |
| --- | --- | --- |
| gives | a list | an iterator |
| reads well with | conditions, several loops | a function that has a name |
"""
CODE = "Here it is:\n\n```python\nsquares = [n * n for n in numbers]\n```\n"


@pytest.fixture
def loopback() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


async def start_lab(start_server: StartServer, loopback: OpenAIServer) -> JupyterServer:
    """JupyterLab whose default model is the loopback server's."""
    endpoint = {"base_url": loopback.url, "models": ["small"]}
    return await start_server(
        lab=True,
        config={
            "AiExtension.endpoints": {"loop": endpoint},
            "AiExtension.default_model": "loop:small",
        },
    )


def write_notebook(server: JupyterServer, *cells: str) -> None:
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(made, server.root_dir / "magics.ipynb")


async def test_a_reply_streams_into_its_cell_and_code_makes_a_new_one(
    start_server: StartServer, chromium: Browser, loopback: OpenAIServer
) -> None:
    server = await start_lab(start_server, loopback)
    write_notebook(
        server,
        "%load_ext jupyter_ai_personas\nnumbers = [3, 1, 2]",
        "%%ai\nWhen is `map` better than a list comprehension?",
        "%%ai -f code\nThe squares of {numbers}",
    )
    loopback.answer(Answer(text=REPLY, hold_after=6), Answer(text=CODE))
    page = await chromium.new_page(viewport={"width": 1000, "height": 720})
    page.set_default_timeout(WAIT * 1000)
    await page.goto(
        f"{server.url}/lab/workspaces/{uuid4().hex}/tree/magics.ipynb?token={server.token}&reset"
    )
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    await expect(cells).to_have_count(3)
    # What is run before the kernel is there is dropped.
    await expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    await cells.nth(0).locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.press("Shift+Enter")

    output = cells.nth(1).locator(".jp-OutputArea-output")
    await expect(output).to_contain_text("A list comprehension builds")
    await anyio.to_thread.run_sync(loopback.wait_for_hold)
    await expect(output).not_to_contain_text("iterator")
    loopback.release()
    await expect(output.locator("table")).to_contain_text("an iterator")
    await expect(output.locator("strong")).to_have_text("list comprehension")
    await expect(output).to_have_count(1)

    await page.keyboard.press("Control+Enter")
    await expect(cells).to_have_count(4)
    await expect(cells.nth(3).locator(".cm-content")).to_have_text(
        "squares = [n * n for n in numbers]"
    )
    await expect(cells.nth(2).locator("summary")).to_have_text("The code is in the cell below")
    asked = loopback.requests[-1].json["messages"]
    assert asked[-1]["content"].startswith("The squares of [3, 1, 2]")
    assert asked[1] == {"role": "assistant", "content": REPLY}

    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / "magics.png")
    await page.close()


async def test_a_code_console_shows_the_whole_reply_and_keeps_the_questions(
    start_server: StartServer, chromium: Browser, loopback: OpenAIServer
) -> None:
    server = await start_lab(start_server, loopback)
    page = await chromium.new_page(viewport={"width": 1000, "height": 720})
    page.set_default_timeout(WAIT * 1000)
    await page.goto(f"{server.url}/lab/workspaces/{uuid4().hex}?token={server.token}&reset")
    await page.locator('.jp-LauncherCard[data-category="Console"]').first.click()
    await expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    prompt = page.locator(".jp-CodeConsole-promptCell .cm-content")
    cells = page.locator(".jp-CodeConsole-content .jp-CodeCell")
    output = page.locator(".jp-CodeConsole-content .jp-CodeCell .jp-OutputArea-output")

    async def run(cell: str) -> None:
        await prompt.fill(cell)
        await prompt.press("Shift+Enter")

    await run("%load_ext jupyter_ai_personas")
    await expect(cells).to_have_count(1)
    loopback.answer(Answer(text=REPLY, hold_after=6), Answer(text=CODE))
    await run("%%ai\nWhen is `map` better?")
    await expect(output).to_contain_text("A list comprehension builds")
    await anyio.to_thread.run_sync(loopback.wait_for_hold)
    await expect(output).not_to_contain_text("iterator")
    loopback.release()
    await expect(output.locator("table")).to_contain_text("an iterator")
    await expect(output).to_have_count(1)

    await run("%%ai -f code\nThe squares")
    await expect(output).to_have_count(2)
    await expect(output.last).to_have_text("squares = [n * n for n in numbers]\n")
    # A further cell has run: by now the console has done what the reply to the last one says.
    await run("1 + 1")
    await expect(output).to_have_count(3)
    await expect(cells.nth(2).locator(".cm-content")).to_have_text("%%ai -f codeThe squares")
    await expect(page.get_by_text("in the cell below")).to_have_count(0)
    await page.close()
