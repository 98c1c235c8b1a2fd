"""A persona that fails again and again is paused on a real server, says so, and comes back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import METADATA_KEY, WAIT, ChatClient

pytestmark = pytest.mark.server

CURED = "cured"
"""A file beside the chats: where it is, nobody fails any more."""

SOURCE = f"""
from pathlib import Path

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Ailing(BasePersona):
    defaults = PersonaDefaults(name="Ailing")

    async def process_message(self, message):
        with open("asked", "a") as asked:
            asked.write("x")
        if not Path("{CURED}").exists():
            raise ValueError("always")
        self.send_message("well again")


class Unmade(BasePersona):
    defaults = PersonaDefaults(name="Unmade")

    def __init__(self, context):
        if not Path("{CURED}").exists():
            raise ValueError("never made")
        super().__init__(context)

    async def process_message(self, message):
        self.send_message("made at last")


class Good(BasePersona):
    defaults = PersonaDefaults(name="Good")

    async def process_message(self, message):
        self.send_message("Good day")
"""

FAILING = ("Ailing", "Unmade")


def make_server(directory: Path, config: dict[str, Any]) -> JupyterServer:
    points = {name.lower(): f"ailing:{name}" for name in (*FAILING, "Good")}
    package = make_plugin(
        directory / "packages", "ailing", {"__init__.py": SOURCE}, {"jupyter_ai.personas": points}
    )
    return JupyterServer(directory / "server", config=config, pythonpath=[package])


async def ask(client: ChatClient, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Ask personas in one message; return the state and the text of each one's reply, by name."""
    names = list(names)
    asked = client.post(" ".join(f"@{name}" for name in names) + " go")

    def ended(me: ChatClient) -> dict[str, tuple[str, str]] | None:
        found = {}
        for name in names:
            for reply in me.replies(asked, name):
                state = reply["metadata"][METADATA_KEY]["state"]
                if state != "streaming":
                    found[name] = (state, reply["body"])
        return found if len(found) == len(names) else None

    answers = await client.wait_for(ended)
    assert answers is not None
    return answers


async def test_who_fails_again_and_again_is_paused_and_comes_back_by_retry(
    tmp_path: Path,
) -> None:
    # No machine is so slow that the failures are an hour apart, or that the pause ends meanwhile.
    config = {
        "AiExtension.quarantine_failures": 3,
        "AiExtension.quarantine_window": 3600.0,
        "AiExtension.quarantine_pause": 7200.0,
    }
    async with (
        make_server(tmp_path, config) as server,
        ChatClient(server, "ward.chat", "Ada") as ada,
        ChatClient(server, "elsewhere.chat", "Bob") as bob,
    ):
        for _ in range(3):
            answers = await ask(ada, (*FAILING, "Good"))
            assert answers.pop("Good") == ("done", "Good day")
            assert {state for state, _ in answers.values()} == {"failed"}
        # Paused for everybody: it is the code that fails, whoever asks and wherever.
        for client in (ada, bob):
            answers = await ask(client, (*FAILING, "Good"))
            assert answers.pop("Good") == ("done", "Good day")
            for name, (state, body) in answers.items():
                assert state == "rejected"
                assert f"`{name}` failed again and again and is paused" in body
                minutes = re.search(r"Try again in (\d+) min", body)
                assert minutes is not None
                assert 60 < int(minutes[1]) <= 120
                assert "`/retry`" in body
        asked = server.root_dir / "asked"
        assert len(asked.read_text()) == 3, "a paused persona's code was run"
        await server.wait_for_log("ValueError: always")

        (server.root_dir / CURED).touch()
        for name, body in zip(FAILING, ("well again", "made at last"), strict=True):
            ada.post(f"/retry @{name}")
            await ada.wait_for_body(body)
            assert (await ask(ada, [name]))[name] == ("done", body)
            assert (await ask(bob, [name]))[name] == ("done", body)


async def test_a_pause_ends_by_itself(tmp_path: Path) -> None:
    config = {
        "AiExtension.quarantine_failures": 1,
        "AiExtension.quarantine_window": 3600.0,
        "AiExtension.quarantine_pause": 3.0,
        "AiExtension.max_messages_per_minute": 100_000,
    }
    async with (
        make_server(tmp_path, config) as server,
        ChatClient(server, "ward.chat", "Ada") as ada,
    ):

        async def until(wanted: str) -> str:
            # However slow the machine is: one that fails anew is paused anew.
            with anyio.fail_after(WAIT):
                while True:
                    state, body = (await ask(ada, ["Ailing"]))["Ailing"]
                    if state == wanted:
                        return body

        assert "is paused" in await until("rejected")
        (server.root_dir / CURED).touch()
        assert await until("done") == "well again"
