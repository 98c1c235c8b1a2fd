"""What a server left in the ledger when it died."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.room import Room, id_of, persona
from support.stages import Stage

from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.runtime.ledger import TurnRecord

LOG = logging.getLogger("tests.recovery")


def answers(body: str) -> Callable[[Any, Any], None]:
    return lambda self, message: self.send_message(body)


Echo = persona("Echo", answers("answered"))
Other = persona("Other", answers("so did I"))


def raw(body: str, **fields: Any) -> dict[str, Any]:
    return {"id": "q", "type": "msg", "sender": "ada", "body": body, "time": time.time(), **fields}


def row(stage: Stage, message: dict[str, Any], **fields: Any) -> TurnRecord:
    defaults: dict[str, Any] = {
        "turn_id": "t",
        "chat_id": stage.chat.id,
        "path": stage.chat.path,
        "persona_id": id_of(Echo),
        "person": "ada",
        "accepted_at": time.time(),
        "root": message["id"],
    }
    return TurnRecord(message=message, **{**defaults, **fields})


async def left(path: Path, *rows: TurnRecord) -> Ledger:
    """Return the ledger of a new server, after the one that accepted ``rows`` has died."""
    dead = Ledger(path, log=LOG)
    await dead.open()
    assert all(await dead.accept(rows))
    await dead.aclose()
    return Ledger(path, log=LOG)


async def only_reply(here: Room) -> tuple[str, str | None]:
    await here.quiet()
    [message] = await here.replied("q")
    return message.body, message.state
