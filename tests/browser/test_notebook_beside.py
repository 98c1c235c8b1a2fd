"""The notebook beside the chat, as real browsers announce it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import nbformat
import pytest
from support.browser import Join
from support.server import JupyterServer

from jupyter_ai_personas.testing.openai_server import OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]


async def test_a_question_about_this_cell_gets_the_cell_that_was_clicked(
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
        cells = [nbformat.v4.new_code_cell(f"bees / {i}", id=f"c{i}") for i in range(3)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), server.root_dir / "bees.ipynb")
        assert (await server.get("/api/ai/personas"))[0] == 200
        [ada] = await join("Ada", path="team.chat", server=server)
        await ada.page.evaluate(
            "void jupyterapp.commands.execute('docmanager:open', "
            "{path: 'bees.ipynb', options: {mode: 'split-right'}})"
        )
        cell = ada.page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content")
        await cell.click()
        # Not saved yet, perhaps: the model gets what is open.
        await cell.press_sequentially("0 + ")
        await ada.type("Why does this cell fail?")
        await ada.send()
        await ada.wait_for_body("Hello from the loopback model.")
        await ada.screenshot("notebook-beside-chat")
        content = model.requests[-1].json["messages"][-1]["content"]
    assert content.startswith("The person has this notebook open. `bees.ipynb` (3 cells")
    assert "[cell 2, code, id c1, the person's cursor is here]" in content
    assert "0 + " in content
    assert content.endswith("Why does this cell fail?")
