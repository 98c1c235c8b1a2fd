"""Persona packages that the stories run with: one that works, several that are broken."""

from __future__ import annotations

from pathlib import Path

from support.plugin import make_plugin

CREW = '''
from pathlib import Path
import time

import anyio

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Gated(BasePersona):
    """Says that it has begun, and goes on when the file named by the last word is there."""

    defaults = PersonaDefaults(name="Gated", description="Waits for a file.")

    async def process_message(self, message):
        gate = self.get_workspace_dir() / message.body.split()[-1]

        async def words():
            yield f"began {gate.name}"
            while not gate.exists():
                await anyio.sleep(0.01)
            yield ", ended"

        await self.stream_message(words())


class Blocker(BasePersona):
    defaults = PersonaDefaults(name="Blocker", description="Blocks its own loop.")

    async def process_message(self, message):
        gate = self.get_workspace_dir() / "unblock"
        self.send_message("blocking")
        while not gate.exists():
            time.sleep(0.05)
        self.send_message("woke up")


class Failing(BasePersona):
    defaults = PersonaDefaults(name="Failing", description="Fails until it is mended.")

    async def process_message(self, message):
        if not (self.get_workspace_dir() / "mended").exists():
            raise RuntimeError("sk-secret in /home/somebody")
        self.send_message("mended")


class DataAnalyst(BasePersona):
    defaults = PersonaDefaults(name="Data Analyst", description="Has a space in its name.")
    commands = {"/analyse": "asks the analyst"}

    async def process_message(self, message):
        self.send_message(f"analysed for {self.turn.speaker}")


class Ping(BasePersona):
    defaults = PersonaDefaults(name="Ping", description="Passes on to Pong.")

    async def process_message(self, message):
        self.send_message("@Pong your turn")


class Pong(BasePersona):
    defaults = PersonaDefaults(name="Pong", description="Passes on to Ping.")

    async def process_message(self, message):
        self.send_message("@Ping your turn")


class Modelless(BasePersona):
    defaults = PersonaDefaults(name="Modelless", model="nowhere:none")
'''


def crew(directory: Path) -> Path:
    """Make the package with the working personas."""
    names = ["Gated", "Blocker", "Failing", "DataAnalyst", "Ping", "Pong", "Modelless"]
    entry_points = {name.lower(): f"crew:{name}" for name in names}
    return make_plugin(
        directory, "crew", {"__init__.py": CREW}, {"jupyter_ai.personas": entry_points}
    )


def broken(directory: Path) -> Path:
    """Make a package whose personas fail at import, at class creation, and when made."""
    files = {
        "__init__.py": "",
        "at_import.py": "import a_module_that_is_not_there\n",
        "at_exit.py": "raise SystemExit(3)\n",
        "no_class.py": "persona = 42\n",
        "at_creation.py": "class Persona(int, str): ...\n",
        "when_made.py": (
            "from jupyter_ai_personas import BasePersona, PersonaDefaults\n"
            "class Unmade(BasePersona):\n"
            "    defaults = PersonaDefaults(name='Unmade')\n"
            "    def __init__(self, context):\n"
            "        raise ValueError('token=abc')\n"
        ),
    }
    entry_points = {
        "at-import": "broken_crew.at_import:Persona",
        "at-exit": "broken_crew.at_exit:Persona",
        "no-class": "broken_crew.no_class:persona",
        "at-creation": "broken_crew.at_creation:Persona",
        "when-made": "broken_crew.when_made:Unmade",
    }
    return make_plugin(directory, "broken_crew", files, {"jupyter_ai.personas": entry_points})
