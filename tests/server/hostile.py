"""Personas that do what no persona should, each in its own way; and one that behaves."""

from __future__ import annotations

from pathlib import Path

from support.plugin import make_plugin

PACKAGE = "hostile_personas"

SOURCE = """
import asyncio
import itertools
import os
import sys
import threading
import time

import anyio

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.errors import ModelError


def persona(cls):
    cls.defaults = PersonaDefaults(name=cls.__name__)
    return cls


@persona
class Good(BasePersona):
    async def process_message(self, message):
        self.send_message("Good day")


@persona
class Slow(BasePersona):
    async def process_message(self, message):
        async def words():
            for number in itertools.count():
                yield f"word {number} "
                await anyio.sleep(0.05)

        await self.stream_message(words())


@persona
class Constructor(BasePersona):
    def __init__(self, context):
        raise RuntimeError("from the constructor: " + os.environ["PLANTED_API_KEY"])


@persona
class Prepares(BasePersona):
    async def prepare(self):
        raise RuntimeError("from prepare: https://user:planted-password@example.org/?key=abc")


@persona
class Raises(BasePersona):
    async def process_message(self, message):
        raise RuntimeError(f"{os.environ['PLANTED_API_KEY']} in {__file__} <b>bold</b>")


@persona
class RaisesLate(BasePersona):
    async def process_message(self, message):
        async def words():
            yield "So far, "
            raise ValueError("late")

        await self.stream_message(words())


@persona
class Exits(BasePersona):
    async def process_message(self, message):
        raise SystemExit(3)


@persona
class Interrupts(BasePersona):
    async def process_message(self, message):
        raise KeyboardInterrupt


@persona
class Cancels(BasePersona):
    async def process_message(self, message):
        raise asyncio.CancelledError


@persona
class NotText(BasePersona):
    async def process_message(self, message):
        await self.stream_message([object()])


@persona
class Floods(BasePersona):
    async def process_message(self, message):
        async def words():
            while True:
                yield "x" * 1000

        await self.stream_message(words())


@persona
class Silent(BasePersona):
    async def process_message(self, message):
        async def words():
            await asyncio.Event().wait()
            yield "never"

        await self.stream_message(words())


@persona
class Swallows(BasePersona):
    async def process_message(self, message):
        self.send_message("begun")
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass


@persona
class Leaks(BasePersona):
    async def process_message(self, message):
        async def stray():
            raise SystemExit("stray")

        self.task = asyncio.get_running_loop().create_task(stray())
        threading.Thread(target=time.sleep, args=(0.2,)).start()
        await asyncio.sleep(0.05)
        self.send_message("leaked")


@persona
class Sleeps(BasePersona):
    async def process_message(self, message):
        self.send_message("asleep")
        await asyncio.sleep(0)
        time.sleep(3600)


@persona
class Spins(BasePersona):
    async def process_message(self, message):
        while True:
            pass


@persona
class Threaded(BasePersona):
    async def process_message(self, message):
        turn = self.turn

        def work():
            for number in range(20):
                turn.send(f"from a thread {number}")

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])


@persona
class InExecutor(BasePersona):
    async def process_message(self, message):
        self.send_message("begun")
        await asyncio.to_thread(time.sleep, 3600)


@persona
class HalfPairs(BasePersona):
    async def process_message(self, message):
        self.set_status("\\ud800")
        self.turn.record_usage({"model": "\\ud800"})
        self.send_message("half \\ud800 a pair")

        async def words():
            yield "and \\ud83d"
            yield "\\ude00 more"

        await self.stream_message(words())


@persona
class Usage(BasePersona):
    async def process_message(self, message):
        odd = {"model": "m", 5: 6, "input_tokens": "x", "output_tokens": -5, "deep": {}}
        self.turn.record_usage(odd)
        self.turn.record_usage({"model": object(), "total_tokens": float("nan")})
        self.send_message("used")


class OddClass(Exception):
    @property
    def __class__(self):
        raise RuntimeError("which class?")


class OddText(ModelError):
    def __str__(self):
        raise SystemExit(3)


@persona
class Unprintable(BasePersona):
    async def process_message(self, message):
        raise OddClass


@persona
class Unspeakable(BasePersona):
    async def process_message(self, message):
        raise OddText


@persona
class Recurses(BasePersona):
    async def process_message(self, message):
        await self.process_message(message)


@persona
class ClosesLoop(BasePersona):
    async def process_message(self, message):
        asyncio.get_running_loop().close()


@persona
class StopsLoop(BasePersona):
    async def process_message(self, message):
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        self.send_message("went on")


@persona
class CancelsAll(BasePersona):
    async def process_message(self, message):
        for task in asyncio.all_tasks():
            task.cancel()
        await asyncio.sleep(3600)


@persona
class Huge(BasePersona):
    async def process_message(self, message):
        self.set_status("<b>much</b>\\n" * 1_000_000)
        self.send_message("x" * 50_000_000)


@persona
class Many(BasePersona):
    async def process_message(self, message):
        for number in range(5_000):
            self.send_message(f"number {number}")


@persona
class Careless(BasePersona):
    async def process_message(self, message):
        sys.stdout = sys.stderr = None
        self.log.info("%d", "no number")
        self.__dict__.pop("_turns")


@persona
class Holds(BasePersona):
    async def process_message(self, message):
        threading.Thread(target=time.sleep, args=(3600,), daemon=False).start()
        self.send_message("held")
"""

NAMES = [
    line[6:].partition("(")[0]
    for line in SOURCE.splitlines()
    if line.startswith("class ") and line.endswith("(BasePersona):")
]


def install(directory: Path) -> Path:
    """Write the package; return what to put on ``pythonpath``."""
    points = {name.lower(): f"{PACKAGE}:{name}" for name in NAMES}
    files = {"__init__.py": SOURCE}
    return make_plugin(directory, PACKAGE, files, {"jupyter_ai.personas": points})
