"""All features with the keyboard alone, and what axe-core finds of them."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, expect
from support.browser import ChatPage, Join
from support.server import JupyterServer
from support.typist import Typescript

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

MOST_TABS = 60
"""Stops of the Tab key from one place of a page to another."""


async def tab_to(person: ChatPage, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab, or Shift+Tab, until ``wanted`` has the focus."""
    await wanted.wait_for()
    for _ in range(MOST_TABS):
        if await wanted.evaluate("node => node === document.activeElement"):
            return
        await person.page.keyboard.press(key)
    raise AssertionError(f"{MOST_TABS} times {key} do not lead to {wanted}.")


async def faults(person: ChatPage, *selectors: str) -> list[str]:
    """What axe-core finds in these parts of the page."""
    for selector in selectors:
        await person.page.locator(selector).first.wait_for(state="attached")
    found: Any = await Axe().run(
        person.page,
        context={"include": [[selector] for selector in selectors]},
        options={"resultTypes": ["violations"]},
    )
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True])
async def test_axe_finds_no_fault_in_what_is_ours(
    lab: JupyterServer, model: OpenAIServer, join: Join, dark: bool
) -> None:
    theme = "dark" if dark else "light"
    name = f"{theme}.md"
    (lab.root_dir / name).write_text("old\n")
    edit = Call("workspace__edit_file", {"path": name, "old": "old", "new": "new"})
    model.answer(
        Answer(status=400, text="I do not like it."),
        Answer(text="I write it.", calls=[edit]),
        Answer(text="It is there."),
    )
    folder = lab.root_dir / ".jupyter" / "personas"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "broken.md").write_text("---\ndescription: Has no name.\n---\nHum.\n")
    script = Typescript(lab)
    ada, bob = await join("Ada", "Bob", dark=dark)
    await ada.send("@Guide hum")
    await ada.page.get_by_role("button", name="Retry").wait_for()
    await ada.send("@Guide write it")
    card = ada.page.get_by_role("region", name="Approval for Guide")
    await card.get_by_role("button", name="Approve", exact=True).wait_for()
    await bob.send(script.question)
    script.type("one")
    await ada.page.get_by_role("button", name="Choose what to stop").wait_for()
    await ada.page.locator(".jp-SideBar [data-id='jupyter-ai-personas-panel']").click()
    await ada.page.locator(".jp-personas-panel").get_by_label("Model in this chat").first.wait_for()
    await ada.screenshot(f"all-open-{theme}")
    found = await faults(
        ada,
        ".jp-personas-card",
        ".jp-personas-footer",
        ".jp-personas-stop-group",
        ".jp-personas-announcer",
        ".jp-personas-panel",
    )
    assert found == []
    await card.get_by_role("button", name="Approve", exact=True).click()
    await ada.wait_for_body("It is there.")
    await ada.page.get_by_role("button", name="Good reply").first.click()
    await ada.page.locator(".jp-personas-thumb[aria-pressed=true]").wait_for()
    await ada.page.locator(".jp-chat-rendered-message details summary").first.click()
    await ada.screenshot(f"all-decided-{theme}")
    parts = (".jp-personas-card", ".jp-personas-footer", ".jp-chat-rendered-message details")
    assert await faults(ada, *parts) == []
    await ada.page.get_by_role("button", name="Choose what to stop").click()
    await ada.page.get_by_role("menuitem", name="asked by Bob").wait_for()
    assert await faults(ada, ".lm-Menu") == []
    script.end()


async def test_keys_alone_complete_stop_decide_vote_choose_and_ask(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    write = Call("workspace__write_file", {"path": "keys.md", "content": "A\n", "expected": None})
    model.answer(
        Answer(text="I write it.", calls=[write]),
        Answer(text="Then I leave it."),
        Answer(text="Large words."),
    )
    script = Typescript(lab)
    [ada] = await join("Ada")
    page, keyboard = ada.page, ada.page.keyboard

    # Complete, send, stop, retry.
    await ada.input.focus()
    await keyboard.type("@typ")
    await page.get_by_role("option").wait_for()
    await keyboard.press("Tab")
    await keyboard.type(script.name)
    await keyboard.press("Enter")
    script.type("one")
    await tab_to(ada, page.get_by_role("button", name="Stop", exact=True))
    await keyboard.press("Enter")
    await ada.wait_for_body("Stopped by Ada")
    script.end()
    await tab_to(ada, page.get_by_role("button", name="Retry"), "Shift+Tab")
    await keyboard.press("Space")
    await expect(page.locator(".jp-personas-state")).to_have_count(0)

    # Deny, with a reason; the card has the focus when its buttons are gone.
    await ada.input.focus()
    await keyboard.type("@gui")
    await page.get_by_role("option").wait_for()
    await keyboard.press("Enter")
    await keyboard.type("write it")
    await keyboard.press("Enter")
    card = page.get_by_role("region", name="Approval for Guide")
    await tab_to(ada, card.get_by_label("Reason for denying, optional"), "Shift+Tab")
    await keyboard.type("Not now.")
    await tab_to(ada, card.get_by_role("button", name="Deny"))
    await keyboard.press("Enter")
    await expect(card).to_contain_text("Not now.")
    await expect(card).to_be_focused()
    await ada.wait_for_body("Then I leave it.")
    status = page.get_by_role("status").filter(has_text="Guide")
    await expect(status.filter(has_text="Guide has answered.")).to_have_count(1)

    # Open the call of the tool, and vote.
    summary = page.locator(".jp-chat-rendered-message details summary").last
    await tab_to(ada, summary)
    await keyboard.press("Enter")
    await expect(page.locator(".jp-chat-rendered-message details").last).to_have_attribute(
        "open", ""
    )
    up = page.get_by_role("button", name="Good reply").last
    await tab_to(ada, up)
    await keyboard.press("Space")
    await expect(up).to_have_attribute("aria-pressed", "true")
    await expect(up).to_be_focused()

    # Open the panel by its tab, and choose a model.
    await page.locator(".jp-SideBar [data-id='jupyter-ai-personas-panel']").focus()
    await keyboard.press("Enter")
    chosen = page.locator(".jp-personas-panel").get_by_label("Model in this chat").first
    await tab_to(ada, chosen)
    await keyboard.type("loop:l")
    await expect(chosen).to_have_value("loop:large")
    await ada.screenshot("keys-panel")

    # Ask about a cell.
    failed = nbformat.v4.new_code_cell("hive", id="bad")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[failed], metadata=kernel)
    nbformat.write(notebook, lab.root_dir / "keys.ipynb")
    await ada.execute("docmanager:open", path="keys.ipynb", options={"mode": "split-right"})
    cell = page.locator(".jp-Notebook .jp-Cell")
    await cell.focus()
    await keyboard.press("Shift+F10")
    await page.get_by_role("menuitem", name="Ask @").wait_for()
    await keyboard.press("A")
    await keyboard.press("Enter")
    await expect(ada.input).to_be_focused()
    await expect(ada.input).to_have_value("@Guide ")
    await keyboard.type("what is this?")
    await keyboard.press("Enter")
    await ada.wait_for_body("Large words.")
    assert model.requests[-1].json["model"] == "large"
    assert "hive" in str(model.requests[-1].json["messages"])
