"""A turn of a persona, and what it said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.personas import Turn, TurnSpec
from jupyter_ai_personas.personas.wire import HostEvent, ReplyOpened, TextDelta


def spec(**more: Any) -> TurnSpec:
    known: dict[str, Any] = {
        "turn_id": "t",
        "persona_id": "p",
        "persona_class": "m:C",
        "persona_name": "Echo",
        "chat_id": "c",
        "chat_path": "room.chat",
        "message": Message("m", "ada", "hi"),
        "speaker": "Ada",
    }
    return TurnSpec(**{**known, **more})


class Desk:
    """A turn, and what it said."""

    def __init__(self, **more: Any) -> None:
        self.said: list[HostEvent] = []
        self.turn = Turn(spec(**more), self.said.append)

    @property
    def types(self) -> list[type]:
        return [type(event) for event in self.said]

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.said if isinstance(e, ReplyOpened | TextDelta))


async def agen(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item
