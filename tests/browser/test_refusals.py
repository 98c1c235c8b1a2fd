"""What the server refuses, or does not answer, is told to the person who asked for it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, WebSocketRoute, expect
from support.browser import ChatPage, Join
from support.server import JupyterServer

from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]


class Behind:
    """A tab that does not hear what happens in its chat between `hold` and `release`."""

    def __init__(self, tab: ChatPage) -> None:
        self.tab = tab
        self._socket: WebSocketRoute | None = None
        self._held: list[str | bytes] | None = None

    async def start(self) -> None:
        """Load the tab anew, so that its connection goes through this."""
        await self.tab.page.route_web_socket(
            re.compile("/api/collaboration/room/text:chat:"), self._route
        )
        await self.tab.open()

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        assert self._socket is not None
        held, self._held = self._held or [], None
        for message in held:
            self._socket.send(message)

    def _route(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        server = socket.connect_to_server()

        def forward(message: str | bytes) -> None:
            if self._held is None:
                socket.send(message)
            else:
                self._held.append(message)

        server.on_message(forward)


def toast(person: ChatPage) -> Locator:
    return person.page.locator(".Toastify__toast").filter(has=person.page.get_by_role("alert"))


async def test_an_approval_that_somebody_else_has_decided_meanwhile(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    write = Call("workspace__write_file", {"path": "a.md", "content": "A\n", "expected": None})
    model.answer(Answer(text="I write it.", calls=[write]), Answer(text="It is there."))
    ada, bob = await join("Ada", "Bob")
    behind = Behind(bob)
    await behind.start()
    await ada.send("@Guide write it")
    cards = [one.page.get_by_role("region", name="Approval for Guide") for one in (ada, bob)]
    deny = cards[1].get_by_role("button", name="Deny")
    await deny.wait_for()
    behind.hold()
    await cards[0].get_by_role("button", name="Approve", exact=True).click()
    await ada.wait_for_body("It is there.")
    await deny.click()
    await expect(cards[1].get_by_role("alert")).to_contain_text("decided or closed already")
    await bob.screenshot("refused-approval")
    behind.release()
    await expect(cards[1]).to_contain_text("Approved by Ada")
    await expect(cards[1].get_by_role("alert")).to_have_count(0)
    await expect(cards[1].get_by_role("button")).to_have_count(0)
    assert (lab.root_dir / "a.md").read_text() == "A\n"


async def test_a_retry_of_what_somebody_else_has_retried_meanwhile(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    model.answer(Answer(status=400, text="I do not like it."), Answer(text="Now I do."))
    ada, bob = await join("Ada", "Bob")
    behind = Behind(bob)
    await behind.start()
    await ada.send("@Guide hum")
    retry = [one.page.get_by_role("button", name="Retry") for one in (ada, bob)]
    await retry[1].wait_for()
    behind.hold()
    await retry[0].click()
    await ada.wait_for_body("Now I do.")
    await expect(retry[0]).to_have_count(0)
    await retry[1].click()
    await expect(toast(bob)).to_contain_text("somebody has retried it meanwhile")
    await bob.screenshot("refused-retry")
    behind.release()
    await bob.wait_for_body("Now I do.")
    await expect(retry[1]).to_have_count(0)


async def test_a_server_that_does_not_answer(
    lab: JupyterServer, model: OpenAIServer, join: Join
) -> None:
    [ada] = await join("Ada", dark=True)
    await ada.send("@Guide hum")
    await ada.wait_for_body("Hello from the loopback model.")
    up = ada.page.get_by_role("button", name="Good reply")
    dialog = ada.page.locator(".jp-Dialog")
    await ada.page.remove_locator_handler(dialog)
    await ada.page.context.set_offline(True)
    await up.click()
    await expect(dialog).to_contain_text("The server cannot be reached.")
    await ada.screenshot("refused-unreachable-dark")
    await ada.page.context.set_offline(False)
    await ada.page.keyboard.press("Enter")
    await expect(up).to_have_accessible_name("Good reply, 0")
    await up.click()
    await expect(up).to_have_accessible_name("Good reply, 1")
    await ada.leave()
