"""Stopping and retrying by buttons and keys, the dark theme, what replies took, open sections."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from support.browser import ChatPage, Join, StartLab, choose_settings
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

STAFF = """
from itertools import count

import anyio
from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BasePersona, BaseProvider, PersonaDefaults


class Slow(BasePersona):
    defaults = PersonaDefaults(name="Slow", description="Never comes to an end.")

    async def process_message(self, message):
        async def numbers():
            for number in count(1):
                yield f"{number} "
                await anyio.sleep(0.05)

        await self.stream_message(numbers())


class Moody(BasePersona):
    defaults = PersonaDefaults(name="Moody", description="Fails unless a file is there.")

    async def process_message(self, message):
        if not (self.get_workspace_dir() / "cheer").exists():
            raise RuntimeError("not today")
        self.send_message("All is well.")


class Sections(BasePersona):
    defaults = PersonaDefaults(name="Sections", description="Goes on when a file is there.")

    async def process_message(self, message):
        async def text():
            yield "<details><summary>Steps</summary>\\n\\nSearched.\\n\\n</details>\\n\\nFirst."
            while not (self.get_workspace_dir() / "go").exists():
                await anyio.sleep(0.01)
            yield " Last."

        await self.stream_message(text())


class Modelled(BasePersona):
    defaults = PersonaDefaults(name="Modelled", description="Asks its model.")


class Script(BaseProvider, FakeListChatModel):
    id = "script"
    name = "Script"
    models = ["bees"]
    responses: list[str] = ["Buzz."]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(start_lab: StartLab, tmp_path_factory: pytest.TempPathFactory) -> JupyterServer:
    names = {name.lower(): f"staff:{name}" for name in ("Slow", "Moody", "Sections", "Modelled")}
    staff = make_plugin(
        tmp_path_factory.mktemp("plugins"),
        "staff",
        {"__init__.py": STAFF},
        {
            "jupyter_ai.personas": names,
            "jupyter_ai.model_providers": {"script": "staff:Script"},
        },
    )
    return await start_lab(pythonpath=[staff], config={"AiExtension.default_model": "script:bees"})


def message_with(person: ChatPage, text: str) -> Locator:
    return person.page.locator(".jp-chat-message").filter(has_text=text)


async def test_a_person_stops_what_they_asked_and_others_choose(
    lab: JupyterServer, join: Join
) -> None:
    ada, bob = await join("Ada", "Bob")
    stop = ada.page.locator(".jp-personas-stop")
    await expect(stop).to_have_count(0)
    await ada.send("@Slow count")
    await bob.wait_for_body("1 2 3")
    await expect(ada.page.get_by_role("button", name="Stop", exact=True)).to_have_count(1)
    # Bob asked nothing: he chooses from a menu.
    await expect(bob.page.locator(".jp-personas-stop")).to_have_count(0)
    await ada.screenshot("stop-mine")
    choose = bob.page.get_by_role("button", name="Choose what to stop")
    await choose.click()
    entry = bob.page.get_by_role("menuitem", name="Stop Slow, asked by Ada")
    await entry.wait_for()
    await bob.screenshot("stop-menu")
    await bob.page.keyboard.press("Escape")
    await expect(entry).to_have_count(0)
    await expect(choose).to_be_focused()

    await stop.click()
    for person in (ada, bob):
        await person.wait_for_body("Stopped by Ada")
        await expect(person.page.locator(".jp-personas-state")).to_have_text("■ Stopped")
        await expect(person.page.get_by_role("status").filter(has_text="Slow")).to_have_text(
            "Slow was stopped."
        )
    await expect(stop).to_have_count(0)
    await expect(choose).to_have_count(0)

    # Bob runs it again: now it is his, and Ada's menu has it.
    await bob.page.get_by_role("button", name="Retry").click()
    await bob.page.locator(".jp-personas-stop").wait_for()
    await ada.page.get_by_role("button", name="Choose what to stop").click()
    await ada.page.get_by_role("menuitem", name="Stop Slow, asked by Bob").click()
    await bob.wait_for_body("Stopped by Ada")


async def test_a_failed_reply_is_retried(lab: JupyterServer, join: Join) -> None:
    [ada] = await join("Ada")
    await ada.send("@Moody how are you?")
    await expect(ada.page.locator(".jp-personas-state")).to_have_text("✕ Failed")
    retry = ada.page.get_by_role("button", name="Retry")
    await ada.screenshot("retry-failed")
    (lab.root_dir / "cheer").touch()
    await retry.click()
    await ada.wait_for_body("All is well.")
    await expect(retry).to_have_count(0)
    await expect(ada.page.locator(".jp-personas-state")).to_have_count(0)


async def test_keys_alone_do_in_the_dark_theme(lab: JupyterServer, join: Join) -> None:
    ada, bob = await join("Ada", "Bob", dark=True)
    press = ada.page.keyboard.press
    await ada.type("@sl")
    await ada.page.get_by_role("option").wait_for()
    await ada.screenshot("dark-completion")
    await press("Tab")
    await ada.type("count")
    await press("Enter")
    await bob.send("@Slow count for me, too")
    menu = ada.page.get_by_role("button", name="Choose what to stop")
    await menu.wait_for()
    await ada.wait_for_body("1 2 3")
    await ada.screenshot("dark-stop")
    # From the input: attach, stop, its menu.
    await ada.input.focus()
    stop = ada.page.locator(".jp-personas-stop")
    await press("Tab")
    await press("Tab")
    await expect(stop).to_be_focused()
    await press("Tab")
    await expect(menu).to_be_focused()
    await press("Enter")
    await ada.page.get_by_role("menuitem", name="Stop Slow, asked by Bob").wait_for()
    await ada.screenshot("dark-stop-menu")
    await press("Escape")
    await press("Shift+Tab")
    await press("Enter")
    await ada.wait_for_body("Stopped by Ada")
    await ada.page.get_by_role("button", name="Retry").focus()
    await ada.screenshot("dark-retry")
    await press("Enter")
    await stop.wait_for()
    await bob.page.locator(".jp-personas-stop").click()
    await bob.wait_for_body("Stopped by Bob")


async def test_a_setting_shows_what_a_reply_took(lab: JupyterServer, join: Join) -> None:
    [ada] = await join("Ada")
    await ada.send("@Modelled hum")
    await ada.wait_for_body("Buzz.")
    usage = ada.page.locator(".jp-personas-usage")
    await expect(usage).to_have_count(0)
    await choose_settings(lab, "jupyter-ai-personas:personas", usage=True)
    await ada.open()
    await expect(usage).to_contain_text("script:bees · ")
    await expect(usage).to_contain_text(" s")
    await ada.screenshot("usage")


async def test_opened_sections_stay_open(lab: JupyterServer, join: Join) -> None:
    [ada] = await join("Ada")
    await ada.send("@Sections go")
    await ada.wait_for_body("First.")
    section = ada.page.locator(".jp-chat-rendered-message details")
    await section.locator("summary").click()
    await expect(section).to_have_attribute("open", "")
    (lab.root_dir / "go").touch()
    await ada.wait_for_body("Last.")
    await expect(ada.page.locator(".jp-personas-stop")).to_have_count(0)
    await expect(section).to_have_attribute("open", "")
