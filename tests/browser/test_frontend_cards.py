"""Links, approvals, votes, the panel and "Ask" in a real browser."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from playwright.async_api import Locator, Page, expect
from support.browser import Join, StartLab
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]


KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}


def write_notebook(
    server: JupyterServer, path: str, cells: list[Any], metadata: dict[str, Any] = KERNEL
) -> None:
    """Without a kernel in its metadata, JupyterLab opens a dialog that asks for one."""
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.write(notebook, server.root_dir / path)


def active_cell(page: Page) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell.jp-mod-active")


async def test_links_open_the_document_at_its_line_or_cell(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    lines = "".join(f"line number {n}\n" for n in range(1, 301))
    (lab.root_dir / "a b").mkdir()
    (lab.root_dir / "a b" / "é.txt").write_text(lines)
    cells = [nbformat.v4.new_code_cell(f"bees / {n}", id=f"c{n}") for n in range(100)]
    write_notebook(lab, "bees.ipynb", cells, {})
    model.answer(
        Answer(
            text="[the line](/lab/tree/a%20b/%C3%A9.txt#line=250), "
            "[the cell](/lab/tree/bees.ipynb#cell-id=c80), [past](/lab/tree/bees.ipynb#cell-id=no)"
        )
    )
    [ada] = await join("Ada")
    page = ada.page
    await ada.send("@Guide where?")
    reply = await ada.wait_for_body("the line")
    await reply.get_by_text("the cell").click()
    await expect(active_cell(page)).to_contain_text("bees / 80")
    await expect(active_cell(page)).to_be_in_viewport()
    ask = active_cell(page).get_by_role("button", name="Ask a persona about this cell")
    await expect(ask).to_have_count(1)
    await ada.screenshot("link-cell")
    await page.get_by_role("tab", name=ada.path).click()
    await reply.get_by_text("the line").click()
    await expect(page.locator("#jp-main-statusbar")).to_contain_text("Ln 250, Col 1")
    await expect(page.locator(".cm-line").get_by_text("line number 250")).to_be_in_viewport()
    await ada.screenshot("link-line")
    assert len(page.context.pages) == 1

    # In a tab of its own, as without the extension.
    await page.get_by_role("tab", name=ada.path).click()
    async with page.context.expect_page() as opening:
        await reply.get_by_text("the cell").click(modifiers=["Control"])
    other = await opening.value
    await other.bring_to_front()
    await expect(active_cell(other)).to_contain_text("bees / 80")
    await expect(active_cell(other)).to_be_in_viewport()


async def test_two_people_see_an_approval_and_who_decided(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    (lab.root_dir / "notes.md").write_text("Bees like 23 degrees.\nThey hum.\n")
    edit = Call(
        "workspace__edit_file", {"path": "notes.md", "old": "23 degrees", "new": "24 degrees"}
    )
    write = Call("workspace__write_file", {"path": "b.md", "content": "B\n", "expected": None})
    other = Call("workspace__write_file", {"path": "c.md", "content": "C\n", "expected": None})
    model.answer(
        Answer(text="I correct it.", calls=[edit]),
        Answer(text="I write more.", calls=[write]),
        Answer(text="And more.", calls=[other]),
        Answer(text="All is done."),
    )
    ada, bob = await join("Ada", "Bob")
    await ada.send("@Guide correct my notes")
    cards = [person.page.get_by_role("region", name="Approval for Guide") for person in (ada, bob)]
    for card in cards:
        await expect(card).to_contain_text("+Bees like 24 degrees.")
        await expect(card).to_contain_text("Anyone here may decide until")
        await expect(card).not_to_contain_text("/approve")
    await bob.screenshot("approval-open")
    approve = cards[1].get_by_role("button", name="Approve", exact=True)
    await approve.focus()
    await bob.page.keyboard.press("Enter")
    for card in cards:
        await expect(card.first).to_contain_text("Approved by Bob")
        await expect(card.first.get_by_role("button")).to_have_count(0)

    # From the next: once for all later ones.
    await cards[0].nth(1).get_by_role("button", name="Allow in this chat").click()
    await expect(cards[1].nth(1)).to_contain_text("Approved by Ada")
    await expect(cards[1].nth(1)).to_contain_text("also for later calls of this tool")
    await bob.wait_for_body("All is done.")
    await expect(cards[1]).to_have_count(2)
    assert (lab.root_dir / "notes.md").read_text().startswith("Bees like 24 degrees.")
    assert (lab.root_dir / "c.md").read_text() == "C\n"
    await bob.page.locator(".jp-chat-rendered-message details summary").first.click()
    await bob.screenshot("approval-decided")


async def test_people_vote_choose_models_and_ask_from_a_cell(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    trace = ["Traceback", "KeyError: 'wax'"]
    error = nbformat.v4.new_output("error", ename="KeyError", evalue="'wax'", traceback=trace)
    failed = nbformat.v4.new_code_cell("hive['wax']", id="bad", outputs=[error])
    write_notebook(lab, "bees.ipynb", [nbformat.v4.new_code_cell("hive = {}", id="ok"), failed])
    folder = lab.root_dir / ".jupyter" / "personas"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "broken.md").write_text("---\ndescription: Has no name.\n---\nHum.\n")
    ada, bob = await join("Ada", "Bob", dark=True)
    # The panel: Bob chooses, Ada sees it, Guide answers with it.
    for person in (ada, bob):
        await person.page.locator(
            ".jp-SideBar [data-id='jupyter-ai-personas-panel'] .lm-TabBar-tabIcon"
        ).click()
    panels = [person.page.locator(".jp-personas-panel") for person in (ada, bob)]
    chosen = [panel.get_by_label("Model in this chat").first for panel in panels]
    await expect(panels[0]).to_contain_text("@Guide")
    await expect(panels[0]).to_contain_text("Default (loop:small)")
    await expect(panels[0]).to_contain_text("Cannot be used:")
    await expect(panels[0].get_by_text("No model is set up")).to_have_count(0)
    await chosen[1].select_option("loop:large")
    await expect(chosen[0]).to_have_value("loop:large")
    await ada.screenshot("panel-dark")

    # Ask from the failing cell, by the context menu.
    await ada.page.evaluate(
        "void jupyterapp.commands.execute('docmanager:open', "
        "{path: 'bees.ipynb', options: {mode: 'split-right'}})"
    )
    cell = ada.page.locator(".jp-Notebook .jp-Cell").nth(1)
    await cell.locator(".cm-content").click()
    await cell.locator(".cm-content").click(button="right")
    await ada.page.get_by_role("menuitem", name="Ask @").click()
    await expect(ada.input).to_have_value("@Guide Why does this cell fail?")
    await expect(ada.input).to_be_focused()
    await ada.screenshot("ask-dark")
    await ada.page.keyboard.press("Escape")
    await ada.send()
    await bob.wait_for_body("Hello from the loopback model.")
    request = model.requests[-1].json
    assert request["model"] == "large"
    assert "KeyError" in str(request["messages"])
    assert "hive['wax']" in str(request["messages"])

    # Votes: one a person, seen by both.
    up = [person.page.get_by_role("button", name="Good reply") for person in (ada, bob)]
    down = bob.page.get_by_role("button", name="Bad reply")
    await up[0].click()
    await expect(up[0]).to_have_attribute("aria-pressed", "true")
    await expect(up[1]).to_have_accessible_name("Good reply, 1")
    await expect(up[1]).to_have_attribute("aria-pressed", "false")
    await down.click()
    await expect(down).to_have_accessible_name("Bad reply, 1")
    await up[1].click()
    await expect(up[0]).to_have_accessible_name("Good reply, 2")
    await expect(down).to_have_accessible_name("Bad reply, 0")
    await up[1].click()
    await expect(up[0]).to_have_accessible_name("Good reply, 1")
    await bob.screenshot("votes-dark")


async def test_without_model_or_chat_people_are_helped(start_lab: StartLab, join: Join) -> None:
    server = await start_lab()
    (server.root_dir / "honey").mkdir()
    cells = [nbformat.v4.new_code_cell(f"bees / {n}", id=f"c{n}") for n in range(3)]
    write_notebook(server, "honey/bees.ipynb", cells)
    [ada] = await join("Ada", server=server)
    page = ada.page
    panel = page.locator(".jp-personas-panel")
    tab = "[data-id='jupyter-ai-personas-panel'] .lm-TabBar-tabIcon"
    await page.locator(f".jp-SideBar {tab}").click()
    link = panel.get_by_role("link", name="How to set one up")
    await expect(link).to_have_attribute("href", f"{server.url}/api/ai/help/start#give-it-a-model")
    await ada.screenshot("panel-first-run")

    await page.goto(f"{server.url}/lab/workspaces/alone/tree/honey/bees.ipynb?reset")
    await page.locator(".jp-Notebook .jp-Cell").nth(2).locator(".cm-content").click()
    # The dialog that offers to create a chat is accepted.
    await page.evaluate("void jupyterapp.commands.execute('jupyter-ai-personas:ask')")
    await expect(ada.input).to_have_value("@Guide ")
    chip = page.locator(".jp-chat-input-container").get_by_text("bees.ipynb: code cell")
    await expect(chip).to_have_count(1)
    await ada.screenshot("ask-new-chat")
    await expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    [chat] = (server.root_dir / "honey").glob("*.chat")
    async with ChatClient(server, f"honey/{chat.name}", "Bob") as bob:
        place = {"notebook": "honey/bees.ipynb", "cell": "c2"}
        await bob.wait_for(
            lambda client: any(
                place.items() <= (state.get("jupyter_ai_personas") or {}).items()
                for state in client.present().values()
            )
        )
