"""`examples/words_labextension`: an extension of its own uses the token of ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from support.browser import Join
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

EXAMPLE = Path(__file__).parents[2] / "examples" / "words_labextension" / "labextension"

STAFF = """
from jupyter_ai_personas import BasePersona, PersonaDefaults


class Clerk(BasePersona):
    defaults = PersonaDefaults(name="Clerk", description="Writes tables.")

    async def process_message(self, message):
        table = "```csv\\nflower,visits\\nlavender,41\\nthyme,12\\n```"
        self.send_message(table if "table" in message.body else "Three short words")
"""


async def test_another_extension_adds_a_footer_a_renderer_and_a_command(
    start_server: StartServer, tmp_path: Path, join: Join
) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "labextensions" / "jupyter-ai-personas-words")
    plugin = make_plugin(
        tmp_path / "plugins",
        "clerks",
        {"__init__.py": STAFF},
        {"jupyter_ai.personas": {"clerk": "clerks:Clerk"}},
    )
    server = await start_server(
        lab=True,
        pythonpath=[plugin],
        config={"LabApp.extra_labextensions_path": [str(tmp_path / "labextensions")]},
    )
    assert (await server.get("/api/ai/personas"))[0] == 200
    ada, bob = await join("Ada", "Bob", path="a.chat", server=server)
    await ada.send("@Clerk hello")
    for person in (ada, bob):
        await expect(person.page.locator(".jp-personas-footer")).to_have_text("3 words")

    await bob.send("@Clerk a table, please")
    for person in (ada, bob):
        table = person.page.locator(".jp-chat-rendered-message table")
        await expect(table.locator("th")).to_have_text(["flower", "visits"])
        await expect(table.locator("td")).to_have_text(["lavender", "41", "thyme", "12"])
    # In the document it stays Markdown.
    await expect(ada.page.locator(".jp-personas-footer")).to_have_text(["3 words", "5 words"])

    await ada.type("/wo")
    await expect(ada.page.get_by_role("option")).to_contain_text(["counts the words"])
    await ada.page.keyboard.press("Enter")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_text("2 replies since you came")).to_be_visible()
    await ada.screenshot("example-labextension")
    await expect(bob.page.locator(".jp-chat-message")).to_have_count(4)
