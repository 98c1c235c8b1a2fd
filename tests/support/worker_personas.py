"""Personas that worker processes can import."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import ModelFailedError
from support.polling import until

WAIT = 120.0
"""Workers import all that a persona needs first."""


def mark(folder: str, what: str) -> None:
    """Leave a file that says what this process does."""
    Path(folder, f"{what}-{os.getpid()}").touch()


def marks(folder: str, what: str) -> list[int]:
    """Return the processes that have left such a file."""
    found = Path(folder).glob(f"{what}-*")
    return [int(file.name.rpartition("-")[2]) for file in found]


async def marked(folder: Path, what: str) -> int:
    """Wait for such a file, and return the process that left it."""
    found = await until(lambda: marks(str(folder), what))
    return found[0]


class Teller(BasePersona):
    """Says where it runs."""

    defaults = PersonaDefaults(name="Teller")

    async def process_message(self, message: Message) -> None:
        self.send_message(f"process {os.getpid()}")


class Worker(BasePersona):
    """Does what the message says, word by word."""

    defaults = PersonaDefaults(name="Worker")

    async def process_message(self, message: Message) -> None:
        word, _, rest = message.body.removeprefix("@Worker").strip().partition(" ")
        await getattr(self, f"do_{word}")(rest.strip())

    async def do_count(self, most: str) -> None:
        async def chunks() -> AsyncIterator[str]:
            for number in range(int(most)):
                yield f"{number} "
                await asyncio.sleep(0)

        await self.stream_message(chunks())

    async def do_hold(self, rest: str) -> None:
        async def chunks() -> AsyncIterator[str]:
            yield f"held by process {os.getpid()}"
            await asyncio.Event().wait()

        await self.stream_message(chunks())

    async def do_hold_once(self, marker: str) -> None:
        """Hold the first time, and answer the second."""
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            self.send_message("answered at last")
        else:
            await self.do_hold("")

    async def do_talk_once(self, folder: str) -> None:
        """Talk without end the first time, and answer the second."""
        if marks(folder, "talks"):
            self.send_message("answered at last")
            return
        mark(folder, "talks")

        async def chunks() -> AsyncIterator[str]:
            while True:
                yield "talk "
                await asyncio.sleep(0.01)

        try:
            await self.stream_message(chunks())
        finally:
            mark(folder, "ended")

    async def do_die_once(self, marker: str) -> None:
        """End the process before the first word, the first time; then hold."""
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            await self.do_hold("")
        else:
            await self.do_die("")

    async def do_die(self, rest: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def do_fail(self, rest: str) -> None:
        raise ValueError("of the persona")

    async def do_fail_as_a_model(self, rest: str) -> None:
        raise ModelFailedError("a:b", "it cannot be reached")

    async def do_read(self, path: str) -> None:
        found: Any = await self.turn.request("test.read", {"path": path})
        self.send_message(str(found["text"]))

    async def do_see(self, rest: str) -> None:
        self.send_message(", ".join(attachment.path for attachment in self.attachments()))

    async def do_spin(self, rest: str) -> None:
        self.set_status("spins")
        while True:
            pass

    async def do_remember(self, what: str) -> None:
        self.send_message(getattr(self, "what", "nothing"))
        self.what = what
