"""Cards of approvals where only the person who asked may decide; without votes."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import expect
from support.browser import Join, StartLab
from support.server import JupyterServer

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(start_lab: StartLab, loopback: OpenAIServer) -> JupyterServer:
    return await start_lab(
        config={
            "AiExtension.approvers": ["asker"],
            "AiExtension.feedback": False,
            "AiExtension.endpoints": {"loop": {"base_url": loopback.url, "models": ["small"]}},
            "AiExtension.default_model": "loop:small",
        },
    )


async def test_who_asked_denies_with_a_reason_and_others_have_no_buttons(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    (lab.root_dir / "notes.md").write_text("Bees like 23 degrees.\nThey hum.\n")
    edit = Call(
        "workspace__edit_file", {"path": "notes.md", "old": "23 degrees", "new": "24 degrees"}
    )
    model.answer(Answer(text="I correct it.", calls=[edit]), Answer(text="Then I leave it."))
    [ada], [bob] = await join("Ada", dark=True), await join("Bob")
    await ada.send("@Guide correct my notes")
    cards = [one.page.get_by_role("region", name="Approval for Guide") for one in (ada, bob)]
    for card in cards:
        await expect(card).to_contain_text("Ada may decide until")
        # Lines that are new and lines that are gone: by their signs, their elements, and colours.
        await expect(card.locator("del")).to_have_text(["-Bees like 23 degrees.\n"])
        await expect(card.locator("ins")).to_have_text(["+Bees like 24 degrees.\n"])
        lines = [card.locator(line) for line in ("del", "ins")]
        colours = [
            await line.evaluate("line => getComputedStyle(line).backgroundColor") for line in lines
        ]
        assert len(set(colours)) == 2
        await expect(card.locator("code.language-diff")).to_contain_text("--- notes.md")
    await expect(cards[1].get_by_role("button")).to_have_count(0)
    await ada.screenshot("approval-dark")
    await bob.screenshot("approval-of-another")

    await cards[0].get_by_label("Reason for denying, optional").fill("They like it cool.")
    await cards[0].get_by_role("button", name="Deny").click()
    for card in cards:
        await expect(card).to_contain_text("Denied by Ada")
        await expect(card).to_contain_text("They like it cool.")
        await expect(card.get_by_role("button")).to_have_count(0)
    await expect(cards[0]).to_be_focused()
    await bob.wait_for_body("Then I leave it.")
    # Here the operator has turned votes off.
    await expect(bob.page.locator(".jp-personas-footer")).not_to_have_count(0)
    await expect(bob.page.get_by_role("button", name="Good reply")).to_have_count(0)
    assert "They like it cool." in str(model.requests[-1].json["messages"])
    assert (lab.root_dir / "notes.md").read_text() == "Bees like 23 degrees.\nThey hum.\n"
    await ada.screenshot("approval-denied-dark")


async def test_a_person_whom_the_server_takes_for_another_is_told_that_they_may_not_decide(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    write = Call("workspace__write_file", {"path": "a.md", "content": "A\n", "expected": None})
    model.answer(Answer(text="I write it.", calls=[write]))
    [ada] = await join("Ada")
    await ada.send("@Guide write it")
    card = ada.page.get_by_role("region", name="Approval for Guide")
    approve = card.get_by_role("button", name="Approve", exact=True)
    await approve.wait_for()
    # Her session has ended: the server gives her another name.
    await ada.page.context.clear_cookies()
    await approve.click()
    await expect(card.get_by_role("alert")).to_contain_text(
        "Only these may decide this: the person who asked."
    )
    await ada.screenshot("refused-decision")
    await expect(approve).to_be_enabled()
    assert not (lab.root_dir / "a.md").exists()
    await ada.leave()
