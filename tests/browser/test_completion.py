"""Completion in the chat's input: personas in any alphabet, people, commands, models."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from support.browser import ChatPage, Join, StartLab
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

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
    commands = {"/instantiate": "fills in a `template`"}

    async def process_message(self, message):
        self.send_message("Guru: " + message.body)


class Script(BaseProvider, FakeListChatModel):
    id = "script"
    name = "Script"
    models = ["bees", "wasps"]
    responses: list[str] = ["Buzz."]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(start_lab: StartLab, tmp_path_factory: pytest.TempPathFactory) -> JupyterServer:
    staff = make_plugin(
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
    return await start_lab(pythonpath=[staff], config={"AiExtension.default_model": "script:bees"})


def options(person: ChatPage) -> Locator:
    return person.page.get_by_role("option")


async def test_personas_are_offered_with_avatar_and_description(
    lab: JupyterServer, join: Join
) -> None:
    ada, bob = await join("Ada", "Bob")
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


async def test_tab_completes_and_what_is_picked_is_mentioned(
    lab: JupyterServer, join: Join
) -> None:
    [ada] = await join("Ada")
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
    # A name that is typed out: Tab adds the space, and moves on only then.
    for typed in ("@数据助手", "/help"):
        await ada.type(typed)
        await expect(options(ada)).to_have_count(0)
        await ada.page.keyboard.press("Tab")
        await expect(ada.input).to_have_value(f"{typed} ")
        await expect(ada.input).to_be_focused()
        await ada.page.keyboard.press("Tab")
        await expect(ada.input).not_to_be_focused()
        await ada.input.fill("")
    # Nobody is mentioned in an address.
    await ada.type("ada@gu")
    await expect(options(ada)).to_have_count(0)


async def test_commands_are_offered_with_their_help(lab: JupyterServer, join: Join) -> None:
    [ada] = await join("Ada")
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
    # One of a persona addresses it.
    await ada.type("/inst")
    await expect(options(ada)).to_have_text(["/instantiate - fills in a template"])
    await ada.page.keyboard.press("Enter")
    await ada.type("this")
    await ada.page.keyboard.press("Enter")
    await ada.wait_for_body("Guru: /instantiate this")
    # A command that is whole needs one Enter.
    await ada.type("/personas")
    await expect(options(ada)).to_have_count(0)
    await ada.page.keyboard.press("Enter")
    await ada.wait_for_body("@Données")


async def test_a_model_is_chosen_by_keys(lab: JupyterServer, join: Join) -> None:
    [ada] = await join("Ada")
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
    # Of any persona, in any alphabet, with a space in its name.
    for typed, name in (("数", "数据助手"), ("gu", "Guide"), ("c++", "C++-Guru")):
        await ada.input.fill("")
        await ada.type(f"/model @{typed}")
        await ada.page.keyboard.press("Tab")
        await expect(ada.input).to_have_value(f"/model @{name} ")
        await ada.type("wasp")
        await ada.page.keyboard.press("Tab")
        await expect(ada.input).to_have_value(f"/model @{name} script:wasps")


async def test_a_local_persona_is_offered_in_its_folder_only(
    lab: JupyterServer, join: Join
) -> None:
    folder = lab.root_dir / "hives" / ".jupyter" / "personas"
    folder.mkdir(parents=True)
    (folder / "keeper.md").write_text(
        "---\nname: Bee Keeper\ndescription: Knows the hives.\n---\nYou keep bees.\n"
    )
    [ada] = await join("Ada", path="hives/a.chat")
    [bob] = await join("Bob")
    await ada.type("@kee")
    await expect(options(ada)).to_contain_text(["@Bee-Keeper - Knows the hives."])
    await ada.page.keyboard.press("Tab")
    await expect(ada.input).to_have_value("@Bee-Keeper ")
    await ada.type("hum")
    await ada.page.keyboard.press("Enter")
    await ada.wait_for_body("Buzz.")
    await bob.type("@")
    await expect(options(bob).filter(has_text="@Guide")).to_have_count(1)
    await bob.type("kee")
    await expect(options(bob)).to_have_count(0)
