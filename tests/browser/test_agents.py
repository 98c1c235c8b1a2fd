"""An agent of the Agent Client Protocol asks for an edit, and a second person allows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from agents import obedient
from playwright.async_api import expect
from support.browser import ChatPage
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]


async def test_a_second_person_allows_what_an_agent_asks_and_sees_its_diff(
    start_server: StartServer, chromium: Any, tmp_path: Path
) -> None:
    agent = {
        "command": [sys.executable, obedient.SCRIPT],
        "env": {"AGENT_MEMORY": str(tmp_path / "memory.jsonl")},
        "avatar": "🤖",
    }
    server = await start_server(lab=True, config={"AiExtension.acp_agents": {"Bot": agent}})
    notes = server.root_dir / "notes.md"
    notes.write_text("They like 23 degrees.\nThey hum.\n")
    assert (await server.get("/api/ai/personas"))[0] == 200
    async with (
        ChatPage(chromium, server, "team.chat", "Ada") as ada,
        ChatPage(chromium, server, "team.chat", "Bob") as bob,
    ):
        await ada.send("@Bot edit notes.md")
        cards = [
            person.page.get_by_role("region", name="Approval for Bot") for person in (ada, bob)
        ]
        for card in cards:
            await expect(card).to_contain_text("wants to use Bot.edit")
            await expect(card).to_contain_text("-They like 23 degrees.")
            await expect(card).to_contain_text("+They like 24 degrees.")
        await bob.screenshot("agent-asks")
        assert "23" in notes.read_text()
        await cards[1].get_by_role("button", name="Approve", exact=True).click()
        for card in cards:
            await expect(card).to_contain_text("Approved by Bob")
        await ada.wait_for_body("It is corrected.")
        assert "24" in notes.read_text()
        call = ada.page.locator(".jp-chat-rendered-message details", has_text="Edit notes.md").last
        await call.locator("summary").click()
        await expect(call).to_contain_text("+They like 24 degrees.")
        await ada.screenshot("agent-edited")
        # Its commands are offered.
        await bob.send("/help")
        await bob.wait_for_body("/compact")
        assert ada.errors == bob.errors == []
