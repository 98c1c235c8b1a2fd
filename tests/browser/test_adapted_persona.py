"""A persona of Jupyter AI 3 in a real browser: its commands and its models."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from support.browser import ChatPage
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

SOURCE = """
from jupyter_ai_persona_manager import (
    BasePersona, CommandOption, ModelConfiguration, ModelOption, PersonaDefaults,
)


class Coder(BasePersona):
    @property
    def defaults(self):
        return PersonaDefaults(
            name="Coder", description="Of another package.", avatar_path="", system_prompt="..."
        )

    async def prepare(self):
        models = [ModelOption(id="opus-5", name="Opus"), ModelOption(id="haiku-5", name="Haiku")]
        self.report_model_configuration(ModelConfiguration(current="haiku-5", options=models))
        self.report_slash_commands([CommandOption(name="/compact", description="forgets it all")])

    async def process_message(self, message):
        self.send_message(f"{self.get_model()} heard {message.body}")
"""


async def test_its_commands_and_models_are_offered_once_it_has_told_of_them(
    start_server: StartServer, tmp_path: Path, chromium: Any
) -> None:
    package = make_plugin(
        tmp_path / "packages",
        "coder",
        {"__init__.py": SOURCE},
        {"jupyter_ai.personas": {"coder": "coder:Coder"}},
    )
    lab = await start_server(lab=True, pythonpath=[package])
    assert (await lab.get("/api/ai/personas"))[0] == 200
    async with ChatPage(chromium, lab, "a.chat", "Ada") as ada:
        await ada.send("@Coder hi")
        await ada.wait_for_body("haiku-5 heard hi")
        tab = ".jp-SideBar [data-id='jupyter-ai-personas-panel'] .lm-TabBar-tabIcon"
        await ada.page.locator(tab).click()
        panel = ada.page.locator(".jp-personas-panel")
        coder = panel.locator("li").filter(has_text="@Coder")
        model = coder.get_by_label("Model in this chat")
        options = model.locator("option")
        await expect(options).to_have_text(["Default (haiku-5)", "Opus", "Haiku"])
        await model.select_option("opus-5")
        await ada.screenshot("adapted-panel")
        await ada.complete("/com", "/compact")
        await ada.screenshot("adapted-command")
