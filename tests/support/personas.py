"""Personas for several tests of the runtime."""

from __future__ import annotations

from typing import Any

from jupyter_ai_personas.chat import Message
from support.room import Script, persona


def say(*bodies: str) -> Any:
    async def act(self: Any, message: Message) -> None:
        for body in bodies:
            self.send_message(body)

    return act


Echo = persona("Echo", lambda self, message: self.send_message(f"echo: {message.body}"))
Data = persona("Data Analyst", lambda self, message: self.send_message("data"))


def two_personas(script: Script) -> list[type]:
    return [persona("One", script), persona("Two", script)]
