"""What tests of agents do in a room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from support.polling import WAIT
from support.room import Room

from jupyter_ai_personas.runtime import Approval, Decision


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


async def decide(here: Room, outcome: Any) -> None:
    approval = await asked(here)
    await here.runtime.approvals.decide(approval.id, Decision(outcome, "ada", "Ada"), proven=True)


async def written(path: Path) -> str:
    """Wait until a command has written a line, and return it."""

    def text() -> str:
        return path.read_text() if path.exists() else ""

    with anyio.fail_after(WAIT):
        while not text().endswith("\n"):
            await anyio.lowlevel.checkpoint()
    return text()
