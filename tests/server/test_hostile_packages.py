"""Each hostile persona costs its own turn, and tells nobody what it should not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from server.conftest import SECRETS
from server.hostile import SOURCE, install
from support.server import JupyterServer
from support.yclient import METADATA_KEY, ChatClient

pytestmark = pytest.mark.server

FAILING = [
    *("Constructor", "Prepares", "Raises", "RaisesLate", "Exits", "Interrupts", "Cancels"),
    *("NotText", "Floods"),
]


def line_of(name: str, code: str) -> int:
    """Return the number of the first line with ``code`` in the class ``name``."""
    lines = SOURCE.splitlines()
    start = lines.index(f"class {name}(BasePersona):")
    return next(n for n, line in enumerate(lines[start:], start + 1) if code in line)


async def test_what_fails_costs_its_own_turn_and_tells_no_secret(
    hostile_server: JupyterServer,
) -> None:
    async with ChatClient(hostile_server, "fail.chat", "Ada") as ada:
        asked = ada.post(" ".join(f"@{name}" for name in [*FAILING, "Good"]))
        good = await ada.wait_for_reply(asked, "Good")
        assert good["body"] == "Good day"
        bodies = [(await ada.wait_for_reply(asked, name, "failed"))["body"] for name in FAILING]
        again = ada.post("@Good still there?")
        await ada.wait_for_reply(again, "Good")
        shown = json.dumps(ada.messages())
    assert all("Traceback" not in body for body in bodies)
    rest = [
        (await hostile_server.request("GET", f"/api/ai/{route}")).text
        for route in ("personas", "model_providers")
    ]
    for secret in (*SECRETS.values(), str(hostile_server.directory), "<b>"):
        assert all(secret not in text for text in [shown, *rest]), secret
    await hostile_server.wait_for_log("from the constructor")
    assert not any(SECRETS["PLANTED_API_KEY"] in line for line in hostile_server.log)


async def test_what_does_not_end_is_stopped_at_once(hostile_server: JupyterServer) -> None:
    names = ("Silent", "Swallows", "Slow", "Sleeps", "Spins", "InExecutor")
    async with ChatClient(hostile_server, "stop.chat", "Ada") as ada:
        asked = ada.post(" ".join(f"@{name}" for name in names))
        await ada.wait_for_reply(asked, "Slow", "streaming")
        spins = line_of("Spins", "while True")
        places = {
            "Sleeps": rf"__init__\.py:{line_of('Sleeps', 'time.sleep')} \(process_message\)",
            # The head of its loop or its body, as it happens.
            "Spins": rf"__init__\.py:(?:{spins}|{spins + 1}) \(process_message\)",
        }
        for name, place in places.items():
            # With the place: on a slow machine it may be seen at its import before.
            told = rf"Persona {name} has blocked its event loop for \d+\.\d s at {place};"
            await hostile_server.wait_for_log(re.compile(told))
        status = ada.post("/status")
        shown = (await ada.wait_for_reply(status, state=None))["body"]
        lines = shown.replace("\\", "").splitlines()
        for name, place in places.items():
            told = rf"- {name} blocked for \d+ s at {place}"
            assert any(re.fullmatch(told, line) for line in lines), shown
        for directory in (hostile_server.directory, *hostile_server.pythonpath):
            assert str(directory) not in shown.replace("\\", "")
        stop = ada.post("/stop")
        await ada.wait_for_reply(stop, state=None)
        await ada.wait_for(lambda me: not me.writers())
        assert ada.replies(asked, state="streaming") == []
        for name in ("Silent", "Slow", "Spins"):
            assert ada.replies(asked, name, "stopped")
        again = ada.post("@Good still there?")
        await ada.wait_for_reply(again, "Good")


async def test_a_host_that_does_not_come_back_is_replaced(tmp_path: Path) -> None:
    # A server of its own: a persona that is merely slow must not be given up after three seconds.
    config = {"AiExtension.block_warning": 1.0, "AiExtension.block_timeout": 3.0}
    packages = [install(tmp_path / "packages")]
    async with (
        JupyterServer(tmp_path / "server", config=config, pythonpath=packages) as server,
        ChatClient(server, "lost.chat", "Ada") as ada,
    ):
        asked = ada.post("@Spins go")
        lost = await ada.wait_for_reply(asked, "Spins", "failed")
        assert "restarted" in lost["body"]
        await server.wait_for_log("its host is replaced")


async def test_threads_of_a_persona_may_write(hostile_server: JupyterServer) -> None:
    async with ChatClient(hostile_server, "threads.chat", "Ada") as ada:
        asked = ada.post("@Threaded @Leaks go")
        await ada.wait_for(lambda me: len(me.replies(asked, "Threaded", "done")) == 40)
        await ada.wait_for_reply(asked, "Leaks")
        assert len({reply["id"] for reply in ada.replies(asked, "Threaded")}) == 40


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("HalfPairs", ["done", "done"]),
        ("Usage", ["done"]),
        ("Unprintable", ["failed"]),
        ("Unspeakable", ["failed"]),
        ("Recurses", ["failed"]),
        ("ClosesLoop", ["failed"]),
        ("StopsLoop", ["done"]),
        ("CancelsAll", ["failed"]),
        ("Huge", ["failed"]),
        ("Many", ["done"] * 50 + ["failed"]),
        ("Careless", ["failed"]),
    ],
)
async def test_what_is_odd_hurts_nobody_else(
    hostile_server: JupyterServer, name: str, states: list[str]
) -> None:
    async with ChatClient(hostile_server, "odd.chat", "Ada") as ada:
        asked = ada.post(f"@{name} @Good go")

        def ended(me: ChatClient) -> list[str]:
            found = [m["metadata"][METADATA_KEY]["state"] for m in me.replies(asked, name)]
            return found if found and "streaming" not in found and len(found) >= len(states) else []

        assert await ada.wait_for(ended) == states
        again = ada.post("@Good still there?")
        for question in (asked, again):
            await ada.wait_for_reply(question, "Good")
        await ada.wait_for(lambda me: not me.writers())
    async with ChatClient(hostile_server, f"after {name}.chat", "Bob") as bob:
        await bob.wait_for_reply(bob.post("@Good and here?"), "Good")
