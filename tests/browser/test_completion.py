"""Completion in the chat's input: personas in any alphabet, people, commands, models."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect
from support.browser import ChatPage
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

STAFF = """
from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BasePersona, BaseProvider, PersonaDefaults


class Donnees(BasePersona):
    defaults = PersonaDefaults(name="Données", description="Lit\\nles   tableaux.")

    async def process_message(self, message):
        self.send_message("Données: " + message.body)


class Assistant(BasePersona):
    defaults = PersonaDefaults(name="数据助手", description="读取表格")

    async def process_message(self, message):
        self.send_message("数据助手: " + message.body)


class Guru(BasePersona):
    defaults = PersonaDefaults(name="C++ Guru", description="Knows templates.")

    async def process_message(self, message):
        self.send_message("Guru: " + message.body)


class Script(BaseProvider, FakeListChatModel):
    id = "script"
    name = "Script"
    models = ["bees", "wasps"]
    responses: list[str] = ["Buzz."]
"""


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plugin(
        tmp_path_factory.mktemp("plugins"),
        "staff",
        {"__init__.py": STAFF},
        {
            "jupyter_ai.personas": {
                "donnees": "staff:Donnees",
                "assistant": "staff:Assistant",
                "guru": "staff:Guru",
            },
            "jupyter_ai.model_providers": {"script": "staff:Script"},
        },
    )


@pytest.fixture
async def lab(start_server: StartServer, staff: Path) -> JupyterServer:
    server = await start_server(
        lab=True, pythonpath=[staff], config={"AiExtension.default_model": "script:bees"}
    )
    assert (await server.get("/api/ai/personas"))[0] == 200
    return server


def options(person: ChatPage) -> Locator:
    return person.page.get_by_role("option")


async def test_personas_are_offered_with_avatar_and_description(
    lab: JupyterServer, chromium: Any
) -> None:
    async with (
        ChatPage(chromium, lab, "a.chat", "Ada") as ada,
        ChatPage(chromium, lab, "a.chat", "Bob") as bob,
    ):
        await bob.send("Hello")
        await ada.wait_for_body("Hello")
        await ada.type("@")
        # Each once, although the chat itself offers personas, too; people as before.
        await expect(options(ada)).to_have_count(5)
        assert sorted(await ada.completions()) == [
            "@Bob",
            "@C++-Guru",
            "@Données",
            "@Guide",
            "@数据助手",
        ]
        donnees = options(ada).filter(has_text="@Données")
        await expect(donnees).to_contain_text("Lit les tableaux.")
        await expect(options(ada).filter(has_text="@Guide").locator("img")).to_have_count(1)
        await ada.screenshot("completion-personas")

        await ada.type("don")
        await expect(options(ada)).to_have_text(["D@Données - Lit les tableaux."])
        # Enter completes and sends nothing; then it sends.
        await ada.page.keyboard.press("Enter")
        await expect(ada.input).to_have_value("@Données ")
        await expect(options(ada)).to_have_count(0)
        await ada.type("bonjour")
        await ada.page.keyboard.press("Enter")
        await bob.wait_for_body("Données: @Données bonjour")
        await expect(ada.page.locator(".jp-chat-mention")).to_have_text([" @Données "])
        assert ada.errors == bob.errors == []


async def test_tab_completes_and_what_is_picked_is_mentioned(
    lab: JupyterServer, chromium: Any
) -> None:
    async with ChatPage(chromium, lab, "a.chat", "Ada") as ada:
        for typed, picked, answer in (
            ("请问@数", "请问@数据助手 ", "数据助手: 请问@数据助手 hi"),
            ("(@guru", "(@C++-Guru ", "Guru: (@C++-Guru hi"),
        ):
            await ada.type(typed)
            await expect(options(ada)).to_have_count(1)
            await ada.page.keyboard.press("Tab")
            await expect(ada.input).to_have_value(picked)
            await expect(ada.input).to_be_focused()
            await ada.type("hi")
            await ada.page.keyboard.press("Enter")
            await ada.wait_for_body(answer)
        # Nobody is mentioned in an address.
        await ada.type("ada@gu")
        await expect(options(ada)).to_have_count(0)
        assert ada.errors == []


async def test_commands_are_offered_with_their_help(lab: JupyterServer, chromium: Any) -> None:
    async with ChatPage(chromium, lab, "a.chat", "Ada") as ada:
        await ada.type("/")
        names = await ada.completions()
        assert {"/help", "/model", "/models", "/stop"} <= set(names)
        await ada.screenshot("completion-commands")
        await ada.type("st")
        await expect(options(ada)).to_contain_text(["/stop", "/status"])
        await ada.page.keyboard.press("ArrowDown")
        await ada.page.keyboard.press("Tab")
        await expect(ada.input).to_have_value("/status ")
        await ada.input.fill("")
        # A command that is whole needs one Enter.
        await ada.type("/personas")
        await expect(options(ada)).to_have_count(0)
        await ada.page.keyboard.press("Enter")
        await ada.wait_for_body("@Données")
        assert ada.errors == []


async def test_a_model_is_chosen_by_keys(lab: JupyterServer, chromium: Any) -> None:
    async with ChatPage(chromium, lab, "a.chat", "Ada") as ada:
        await ada.type("/model @don")
        await expect(options(ada)).to_have_count(1)
        await ada.page.keyboard.press("Tab")
        await expect(ada.input).to_have_value("/model @Données ")
        await expect(options(ada).filter(has_text="script:wasps")).to_have_count(1)
        await ada.screenshot("completion-models")
        await ada.type("was")
        await expect(options(ada)).to_have_count(1)
        await ada.page.keyboard.press("Enter")
        await expect(ada.input).to_have_value("/model @Données script:wasps")
        await ada.page.keyboard.press("Enter")
        await ada.wait_for_body("script:wasps")
        # Before a letter is typed, too.
        await ada.type("/model @Données ")
        await ada.page.keyboard.press("ArrowDown")
        picked = options(ada).nth(1)
        name = await picked.locator(".jp-chat-command-name").inner_text()
        await ada.page.keyboard.press("Tab")
        await expect(ada.input).to_have_value(f"/model @Données {name}")
        assert ada.errors == []
