"""Agents as personas: a real subprocess answers in a chat in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.room import LOG, Room
from support.stages import Stage

from jupyter_ai_personas.runtime import Approval, Decision
from jupyter_ai_personas.tools import McpServers
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings

ALLOW = {"*": "allow"}


async def said(here: Room, text: str, state: str = "done") -> str:
    reply = await here.reply(here.say(f"@Bot {text}"))
    assert reply.state == state, reply.body
    return reply.body


async def asked(here: Room) -> Approval:
    def one() -> Approval | None:
        ids = {message.id for message in here.messages if message.is_approval}
        return next((a for a in here.runtime.approvals.open() if a.id in ids), None)

    found = await here.until(one)
    assert found is not None
    return found


async def decide(here: Room, outcome: str) -> None:
    approval = await asked(here)
    decision: Any = Decision(outcome, "ada", "Ada")  # type: ignore[arg-type]
    await here.runtime.approvals.decide(approval.id, decision, proven=True)


async def test_an_agent_answers_a_mention_and_its_tokens_are_recorded(agents: Any) -> None:
    async with agents.room() as here:
        reply = await here.reply(here.say("@Bot hello there"))
        assert reply.body == "heard hello there"
        assert reply.state == "done"
        assert reply.metadata["usage"]["total_tokens"] == 10
        again = await here.reply(here.say("@Bot again"))
        # It tells the tokens of the whole session, which are those of the first turn.
        assert again.metadata["usage"]["total_tokens"] == 0
    assert len(agents.noted("pid")) == 1


async def test_thoughts_plans_and_calls_are_collapsed_lines_around_the_text(agents: Any) -> None:
    async with agents.room() as here:
        body = await said(here, "show")
    thought, plan, call, text, end = body.split("</details>\n\n")
    print(body)
    raise AssertionError
