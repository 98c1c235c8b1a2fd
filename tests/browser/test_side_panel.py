"""A chat in JupyterLab's side panel instead of the main area: the same features."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from support.browser import Join
from support.server import JupyterServer
from support.typist import Typescript

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]


async def test_a_reply_is_completed_live_stopped_and_retried(
    lab: JupyterServer, join: Join
) -> None:
    script = Typescript(lab)
    [ada] = await join("Ada", sidebar=True)
    [bob] = await join("Bob")
    await expect(ada.page.locator("#jp-main-dock-panel .jp-chat-input-container")).to_have_count(0)
    await ada.type("@ty")
    await expect(ada.page.get_by_role("option")).to_contain_text(["@Typist"])
    await ada.screenshot("side-panel-completion")
    await ada.page.keyboard.press("Tab")
    await ada.type(script.name)
    await ada.page.keyboard.press("Enter")
    script.type("one **two**")
    for person in (ada, bob):
        growing = person.page.locator(".jp-AiPersonas-live")
        await expect(growing.locator("strong")).to_have_text("two")
    await ada.screenshot("side-panel-stop")
    await ada.page.get_by_role("button", name="Stop", exact=True).click()
    await expect(ada.page.locator(".jp-personas-state")).to_have_text("■ Stopped")
    await expect(ada.page.get_by_role("status").filter(has_text="was stopped")).to_have_count(1)
    script.end()
    await ada.page.get_by_role("button", name="Retry").click()
    await expect(ada.page.locator(".jp-personas-state")).to_have_count(0)
    await expect(ada.page.get_by_role("button", name="Good reply")).to_have_count(1)


async def test_an_approval_a_vote_and_a_choice_of_model_work_there(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    write = Call("workspace__write_file", {"path": "side.md", "content": "A\n", "expected": None})
    model.answer(Answer(text="I write it.", calls=[write]), Answer(text="It is there."))
    [ada] = await join("Ada", sidebar=True)
    page = ada.page
    await ada.send("@Guide write it")
    card = page.get_by_role("region", name="Approval for Guide")
    await expect(card.locator("ins")).to_have_text(["+A\n"])
    await ada.screenshot("side-panel-card")
    await card.get_by_role("button", name="Approve", exact=True).click()
    await ada.wait_for_body("It is there.")
    await expect(card).to_contain_text("Approved by Ada")
    up = page.get_by_role("button", name="Good reply")
    await up.click()
    await expect(up).to_have_accessible_name("Good reply, 1")

    # The other sidebar: it is the chat in this one that the panel tells of.
    await page.locator(".jp-SideBar [data-id='jupyter-ai-personas-panel']").click()
    panel = page.locator(".jp-personas-panel")
    await expect(panel).to_contain_text(ada.path)
    await panel.get_by_label("Model in this chat").first.select_option("loop:large")
    await expect(page.locator(".jp-chat-message").first).to_be_visible()
    await ada.screenshot("side-panel-model")
    await ada.send("@Guide and now?")
    await ada.wait_for_body("Hello from the loopback model.")
    assert model.requests[-1].json["model"] == "large"
