"""Jupyternaut, as published, in a real browser: a fake model behind LiteLLM answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_asyncio
from packages.jupyternaut import jupyternaut
from playwright.async_api import expect
from support.browser import Join, StartLab
from support.server import JupyterServer

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.slow,  # LiteLLM has 100 MB
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(
    start_lab: StartLab, tmp_path_factory: pytest.TempPathFactory, model: OpenAIServer
) -> JupyterServer:
    return await start_lab(**jupyternaut(tmp_path_factory.mktemp("packages"), model))


async def test_jupyternaut_is_mentioned_and_what_its_model_says_grows_on_the_page(
    lab: JupyterServer, join: Join, model: OpenAIServer
) -> None:
    model.answer(Answer(text=("Hello ", "from ", "**LiteLLM**", "."), hold_after=2))
    (ada,) = await join("Ada")
    await ada.complete("@Jup", "@Jupyternaut")
    await ada.type("who are you?")
    await ada.send()

    body = await ada.wait_for_body("Hello from")
    await expect(body).to_have_text("Hello from")
    await ada.screenshot("jupyternaut-grows")
    model.release()
    await expect(body).to_have_text("Hello from LiteLLM.")
    await expect(body.locator("strong")).to_have_text("LiteLLM")

    messages = ada.page.locator(".jp-chat-messages-container .jp-chat-message")
    reply = messages.filter(has_text="Hello from LiteLLM.")
    await expect(reply).to_contain_text("Jupyternaut")
    avatar = reply.locator("img").first
    assert await avatar.evaluate("image => image.decode().then(() => image.naturalWidth)")
    await expect(ada.page.locator(".jp-chat-writers")).to_have_text("")
    await ada.screenshot("jupyternaut-answered")
    assert "who are you?" in str(model.requests[-1].json["messages"])
