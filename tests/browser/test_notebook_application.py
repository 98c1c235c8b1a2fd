"""Jupyter Notebook 7, which opens a chat in a tab of its own."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import expect
from support.browser import Join, StartLab
from support.server import JupyterServer
from support.typist import Typescript, make_typist

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(start_lab: StartLab, tmp_path_factory: pytest.TempPathFactory) -> JupyterServer:
    package, env = make_typist(tmp_path_factory.mktemp("typist"))
    return await start_lab(notebook=True, pythonpath=[package], env=env)


async def test_a_persona_is_completed_answers_live_is_stopped_and_gets_a_vote(
    lab: JupyterServer, join: Join
) -> None:
    script = Typescript(lab)
    ada, bob = await join("Ada", "Bob")
    await ada.type("@ty")
    await expect(ada.page.get_by_role("option")).to_contain_text(["@Typist"])
    await ada.screenshot("notebook-7-completion")
    await ada.page.keyboard.press("Tab")
    await ada.type(script.name)
    await ada.page.keyboard.press("Enter")
    script.type("one **two**")
    for person in (ada, bob):
        growing = person.page.locator(".jp-AiPersonas-live")
        await expect(growing.locator("strong")).to_have_text("two")
    await ada.screenshot("notebook-7-stop")
    await ada.page.get_by_role("button", name="Stop", exact=True).click()
    for person in (ada, bob):
        await person.wait_for_body("Stopped by Ada")
        await expect(person.page.locator(".jp-personas-state")).to_have_text("■ Stopped")
    await bob.page.get_by_role("button", name="Good reply").click()
    await expect(ada.page.get_by_role("button", name="Good reply")).to_have_accessible_name(
        "Good reply, 1"
    )
    await ada.screenshot("notebook-7-vote")
