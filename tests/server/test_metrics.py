"""What ``/metrics`` tells, read off a real server as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.plugin import make_plugin
from support.server import WAIT, JupyterServer
from support.yclient import ChatClient

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

pytestmark = pytest.mark.server

PREFIX = "jupyter_ai_personas_"

PERSONAS = """
import asyncio
from jupyter_ai_personas import BasePersona, PersonaDefaults

class Echo(BasePersona):
    defaults = PersonaDefaults(name="Echo")

    async def process_message(self, message):
        async def words():
            for word in ("one ", "two ", "three"):
                yield word
        await self.stream_message(words())
        usage = {"model": "acme:one", "input_tokens": 3, "output_tokens": 5}
        self.turn.record_usage(usage)

class Broken(BasePersona):
    defaults = PersonaDefaults(name="Broken")

    async def process_message(self, message):
        raise ValueError("no")

class Slow(BasePersona):
    defaults = PersonaDefaults(name="Slow")

    async def process_message(self, message):
        self.send_message("begun")
        await asyncio.Event().wait()
"""


async def start(start_server: StartServer, tmp_path: Path) -> JupyterServer:
    names = ("Echo", "Broken", "Slow")
    plugin = make_plugin(
        tmp_path / "plugin",
        "metrics_plugin",
        {"personas.py": PERSONAS},
        {"jupyter_ai.personas": {n.lower(): f"metrics_plugin.personas:{n}" for n in names}},
    )
    # A busy machine is not a persona that blocks.
    server = await start_server(pythonpath=[plugin], config={"AiExtension.block_warning": 600.0})
    # The runtime and its metrics are made after the server's first answer, before that of this.
    assert (await server.get("/api/ai/personas"))[0] == 200
    return server


async def scrape(server: JupyterServer) -> tuple[dict[str, float], dict[str, str]]:
    """Our samples, ``name`` or ``name{label}`` → value; and the types of our families."""
    status, body = await server.get("/metrics")
    assert status == 200
    values: dict[str, float] = {}
    types: dict[str, str] = {}
    for family in text_string_to_metric_families(body.decode()):
        # The library adds when each counter began, as a gauge of its own.
        if family.name.startswith(PREFIX) and not family.name.endswith("_created"):
            types[family.name.removeprefix(PREFIX)] = family.type
            for sample in family.samples:
                labels = ",".join(v for k, v in sample.labels.items() if k != "le")
                name = sample.name.removeprefix(PREFIX) + (f"{{{labels}}}" if labels else "")
                values[name] = sample.value
    return values, types


async def test_turns_are_counted_by_how_they_ended(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start(start_server, tmp_path)
    began = time.monotonic()
    async with ChatClient(server, "a.chat", user="Ada") as ada:
        await ada.wait_for_reply(ada.post("@Echo hello"), "Echo")
        await ada.wait_for_reply(ada.post("@Broken hello"), "Broken", state="failed")
        slow = ada.post("@Slow hello")
        await ada.wait_for(lambda me: "begun" in me.bodies())
        values, _ = await scrape(server)
        assert values["turns_running"] == 1
        ada.post("/stop")
        await ada.wait_for(lambda me: "stopped" in str(me.replies(slow)).lower())
        values, _ = await scrape(server)
    assert values["turns_total{done}"] == 1
    assert values["turns_total{failed}"] == 1
    assert values["turns_total{stopped}"] == 1
    assert values["model_tokens_total{input,acme:one}"] == 3
    assert values["model_tokens_total{output,acme:one}"] == 5
    assert values["model_duration_seconds_count{acme:one}"] == 1
    assert values["turns_running"] == values["turns_queued"] == 0
    assert values["chats_open"] == 1
    assert values["turn_duration_seconds_count"] == 3
    assert values["turn_first_text_seconds_count"] == 2, "a turn that failed first wrote no text"
    # Of three turns, each within that time: in seconds, and in no other unit.
    assert 0 < values["turn_duration_seconds_sum"] < 3 * (time.monotonic() - began)
    assert values["flushes_total"] >= 3
    assert values["written_bytes_total"] >= len("one two three")
    assert values["flush_stretch_ratio"] >= 1
    assert values["host_blocks_total"] == 0


async def test_a_turn_that_waits_for_an_earlier_one_counts_as_queued(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start(start_server, tmp_path)
    async with ChatClient(server, "a.chat", user="Ada") as ada:
        ada.post("@Slow first")
        await ada.wait_for(lambda me: "begun" in me.bodies())
        ada.post("@Slow second")
        await ada.flush()
        with anyio.fail_after(WAIT):
            while (values := (await scrape(server))[0])["turns_queued"] == 0:
                await anyio.lowlevel.checkpoint()
    assert (values["turns_running"], values["turns_queued"]) == (1, 1)


async def test_names_and_units_keep_the_conventions_and_are_documented(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start(start_server, tmp_path)
    _, types = await scrape(server)
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert types
    for name, kind in types.items():
        shown = f"{name}_total" if kind == "counter" else name
        assert f"`{PREFIX}{shown}`" in page, f"docs/metrics.md does not tell of {name}"
        assert kind != "histogram" or name.endswith("_seconds")
        assert kind != "unknown"
