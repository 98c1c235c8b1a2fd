"""The personas of the game: each writes one message a turn, so that two are one too many."""

from __future__ import annotations

from pathlib import Path

from support.plugin import make_plugin

SOURCE = """
import time

import anyio

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Quick(BasePersona):
    defaults = PersonaDefaults(name="Quick")

    async def process_message(self, message):
        self.send_message(f"At once: {message.body}")


class Slow(BasePersona):
    defaults = PersonaDefaults(name="Slow")

    async def process_message(self, message):
        await self.stream_message(self.words())

    async def words(self):
        for number in range(15):
            yield f"word {number} "
            await anyio.sleep(0.08)


class Wordy(BasePersona):
    defaults = PersonaDefaults(name="Wordy")

    async def process_message(self, message):
        await self.stream_message(self.words())

    async def words(self):
        for number in range(400):
            yield f"and {number} "
            if number % 10 == 0:
                await anyio.sleep(0.02)


class Blocking(BasePersona):
    defaults = PersonaDefaults(name="Blocking")

    async def process_message(self, message):
        await self.stream_message(self.words())

    def words(self):
        for number in range(3):
            yield f"slept {number} times "
            time.sleep(0.15)


class Shaky(BasePersona):
    defaults = PersonaDefaults(name="Shaky")

    async def process_message(self, message):
        await self.stream_message(self.words())

    async def words(self):
        yield "So far "
        await anyio.sleep(0.2)
        raise ValueError("on purpose")


class Relay(BasePersona):
    defaults = PersonaDefaults(name="Relay")

    async def process_message(self, message):
        await self.stream_message(self.words())

    async def words(self):
        yield "That is one "
        await anyio.sleep(0.1)
        yield "for @Quick to answer"
"""

PACKAGE = "chaos_personas"
NAMES = ("Quick", "Slow", "Wordy", "Blocking", "Shaky", "Relay")
PASSED_ON = ("Relay", "Quick")
"""Who passes every message on, and to whom."""


def persona_id(name: str) -> str:
    return f"jupyter-ai-personas::{PACKAGE}::{name}"


def install(directory: Path) -> Path:
    """Write the package; return what to put on ``pythonpath``."""
    points = {name.lower(): f"{PACKAGE}:{name}" for name in NAMES}
    return make_plugin(directory, PACKAGE, {"__init__.py": SOURCE}, {"jupyter_ai.personas": points})
