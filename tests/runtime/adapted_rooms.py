"""Rooms with a persona as packages for Jupyter AI 3 write it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jupyterlab_chat.models import Message
from support.room import room

from jupyter_ai_personas.compat.persona_manager import (
    BasePersona,
    PersonaDefaults,
)

Act = Callable[[Any, Message], Any]


def adapted(act: Act, name: str = "Other", **attributes: Any) -> type[BasePersona]:
    """Return a class as packages for Jupyter AI write it; `act(self, message)` answers."""

    class Other(BasePersona):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

        @property
        def defaults(self) -> PersonaDefaults:
            return PersonaDefaults(
                name=name,
                description="Of another package.",
                avatar_path="/api/ai/static/other.svg",
                system_prompt="You are of another package.",
                slash_commands={"*"},
                model_uid=None,
            )

        async def process_message(self, message: Message) -> None:
            answer = act(self, message)
            if asyncio.iscoroutine(answer):
                await answer

    return type("Other", (Other,), {"__module__": "other_package.personas", **attributes})


async def answered(act: Act, body: str = "@Other hi", **options: Any) -> str:
    async with room(adapted(act), **options) as here:
        return (await here.reply(here.say(body))).body
