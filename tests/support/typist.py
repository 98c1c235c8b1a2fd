"""A persona that types what a test writes into a file, as long as the test does."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from support.plugin import make_plugin
from support.server import JupyterServer

_PERSONA = """
import asyncio, os
from pathlib import Path
from jupyter_ai_personas import BasePersona, PersonaDefaults

class Typist(BasePersona):
    defaults = PersonaDefaults(name="Typist", description="Types what a file says.")

    async def process_message(self, message):
        await self.stream_message(self.typed(message.body.split()[-1]))

    async def typed(self, name):
        file, done = Path(os.environ["TYPIST"]) / name, 0
        while True:
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            if text[done:]:
                more, done = text[done:], len(text)
                yield more.removesuffix("\\0")
                if more.endswith("\\0"):
                    return
            await asyncio.sleep(0.01)
"""


class Typescript:
    """What one reply says: `type` adds to it, `end` ends it; ``question`` asks for it."""

    def __init__(self, server: JupyterServer) -> None:
        self.name = uuid4().hex
        self.question = f"@Typist {self.name}"
        self.text = ""
        self._file = Path(server.env["TYPIST"]) / self.name

    def type(self, text: str) -> None:
        self.text += text
        with self._file.open("a", encoding="utf-8", newline="") as file:
            file.write(text)

    def end(self) -> None:
        with self._file.open("a", encoding="utf-8", newline="") as file:
            file.write("\0")


def make_typist(directory: Path) -> tuple[Path, dict[str, str]]:
    """Return the path to add to a server's packages, and the environment that it needs."""
    desk = directory / "typescripts"
    desk.mkdir(parents=True)
    path = make_plugin(
        directory / "typist",
        "typist",
        {"personas.py": _PERSONA},
        {"jupyter_ai.personas": {"typist": "typist.personas:Typist"}},
    )
    return path, {"TYPIST": str(desk)}
