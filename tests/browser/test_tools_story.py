"""Without our front end: a plot is asked for, approved on the page, seen by both, taken back."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, overload

import nbformat
import pytest
from playwright.async_api import Locator, expect
from support.browser import ARTEFACTS, ChatPage, Join
from support.server import JupyterServer

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

PLOT = """\
import struct, zlib
from IPython.display import Image

def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

width, height, bar = 360, 160, 60
honey, paper = b"\\xe0\\xa0\\x20", b"\\xff\\xff\\xff"
rows = b"".join(
    b"\\0" + b"".join(
        honey if x % bar > 8 and height - y < 18 * kilos[x // bar] else paper
        for x in range(width)
    )
    for y in range(height)
)
head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
Image(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head)
      + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))"""


class RunInserted(Sequence[Call]):
    """The call that runs the cell which a result has told the model of."""

    def __init__(self, model: OpenAIServer) -> None:
        self._model = model

    def __len__(self) -> int:
        return 1

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...
    def __getitem__(self, index: Any) -> Any:
        messages = self._model.requests[-1].json["messages"]
        results = "\n".join(str(m["content"]) for m in messages if m["role"] == "tool")
        told = re.search(r'insert_cell">\n{"cell": "([^"]+)"', results)
        assert told is not None
        return [Call("notebook__run_cell", {"path": "honey.ipynb", "cell": told[1]})][index]


async def beside(page: ChatPage) -> None:
    """Open the notebook beside the chat."""
    await page.page.evaluate(
        "void jupyterapp.commands.execute('docmanager:open', "
        "{path: 'honey.ipynb', options: {mode: 'split-right'}})"
    )
    await page.page.locator(".jp-Notebook .jp-Cell").first.wait_for()


def cells(page: ChatPage) -> Locator:
    return page.page.locator(".jp-Notebook .jp-Cell")


def pictures(page: ChatPage) -> Locator:
    return page.page.locator(".jp-Notebook .jp-OutputArea img")


async def decide(page: ChatPage, what: str, picture: str) -> None:
    """Open the page that the message with ``what`` links to, and approve there."""
    link = page.page.get_by_role("link", name="Approve or deny")
    asking = page.page.locator(".jp-chat-rendered-message").filter(has=link)
    await asking.filter(has_text=what).wait_for()
    async with page.page.context.expect_page() as opened:
        await asking.get_by_role("link", name="Approve or deny").click()
    decision = await opened.value
    await decision.get_by_role("button", name="Approve").wait_for()
    await decision.screenshot(path=ARTEFACTS / f"{picture}.png", full_page=True)
    await decision.get_by_role("button", name="Approve").click()
    await decision.get_by_text("The persona goes on in the chat").wait_for()
    await decision.screenshot(path=ARTEFACTS / f"{picture}-decided.png")
    await decision.close()


async def test_a_plot_is_asked_for_approved_seen_by_both_and_taken_back(
    start_server: StartServer, join: Join
) -> None:
    with OpenAIServer() as model:
        server = await start_server(
            lab=True,
            config={
                "AiExtension.default_model": "local:gpt-4o",
                "AiExtension.endpoints": {"local": {"base_url": model.url}},
                "LabApp.expose_app_in_browser": True,
            },
        )
        cell = nbformat.v4.new_code_cell("kilos = [3, 5, 8, 6, 7, 4]\nkilos", id="c0")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), server.root_dir / "honey.ipynb")
        insert = Call("notebook__insert_cell", {"path": "honey.ipynb", "source": PLOT})
        first = Call("notebook__run_cell", {"path": "honey.ipynb", "cell": "c0"})
        model.answer(
            Answer(
                text="I look at the notebook first.",
                calls=[Call("notebook__read", {"path": "honey.ipynb"})],
            ),
            Answer(text="I add a cell that draws a bar for each hive.", calls=[insert, first]),
            Answer(text="", calls=RunInserted(model)),
            Answer(text="The third hive gives the most honey: **8 kg**."),
        )
        assert (await server.get("/api/ai/personas"))[0] == 200
        ada, bob = await join("Ada", "Bob", path="team.chat", server=server, stock=True)
        for page in (ada, bob):
            await beside(page)
        await ada.send("@Guide plot the honey of each hive, please")
        await bob.wait_for_body("wants to use notebook.insert_cell")
        await bob.screenshot("story-1-asked")
        await decide(ada, "wants to use notebook.insert_cell", "story-approval")
        for page in (ada, bob):
            await expect(cells(page)).to_have_count(2)
        await decide(bob, "kilos = [3, 5, 8, 6, 7, 4]", "story-run-first")
        await decide(bob, "Image(b", "story-run")
        for page in (ada, bob):
            await expect(pictures(page)).to_have_count(1)
            await page.wait_for_body("The third hive gives the most honey: 8 kg.")
        await ada.screenshot("story-2-answered")
        call = ada.page.locator("details", has_text="notebook.run_cell").last
        await call.locator("summary").click()
        await ada.screenshot("story-3-call-opened")
        link = ada.page.get_by_role("link", name="honey.ipynb, cell 2").first
        await expect(link).to_be_visible()
        await bob.send("/undo")
        for page in (ada, bob):
            await expect(cells(page)).to_have_count(1)
            await page.wait_for_body("Took back 1 change of Guide")
        await bob.screenshot("story-4-undone")
        assert "data:image/png;base64," in str(model.requests[-1].json["messages"][-1])
