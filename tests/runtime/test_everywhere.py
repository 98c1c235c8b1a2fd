"""One behaviour wherever a persona runs: threads, worker processes, workers of a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from support.dask_cluster import DaskCluster
from support.desk import Desk as Notebooks
from support.desk import notebook_of
from support.engines import TESTS, importable_for_workers
from support.plugin import make_plugin
from support.room import LOG, Room, room, wait_for_processes
from support.worker_adapted import Adapted
from support.worker_personas import Teller, Worker, marked
from support.worker_tools import Caller
from toolroom import Box, Desk, asked

from jupyter_ai_personas.chat import Attachment
from jupyter_ai_personas.providers import ModelRegistry
from jupyter_ai_personas.providers.settings import ProviderSettings
from jupyter_ai_personas.runtime import Decision
from jupyter_ai_personas.tools import PackageToolsets, ToolRegistry, ToolSettings

ALLOW = {"*": "allow"}
APPROVED = Decision("approved", "ada", "Ada")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with the provider of `Caller`, which workers find as any other."""
    points = {"jupyter_ai.model_providers": {"scripted": "support.worker_tools:Scripted"}}
    return make_plugin(tmp_path_factory.mktemp("packages"), "scripted_models", {}, points)


@pytest.fixture(scope="module")
def cluster(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    folder = tmp_path_factory.mktemp("dask")
    with DaskCluster(folder, pythonpath=[TESTS, packages]) as made:
        yield made


@pytest.fixture(params=["threads", "processes", "dask"])
def place(
    request: pytest.FixtureRequest, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", str(packages), prepend=os.pathsep)
    importable_for_workers(monkeypatch)
    wait_for_processes(monkeypatch)
    if request.param != "dask":
        yield request.param
        return
    made: DaskCluster = request.getfixturevalue("cluster")
    yield made.place


@asynccontextmanager
async def room_at(place: str, **options: Any) -> AsyncIterator[Room]:
    models = ModelRegistry(ProviderSettings(), log=LOG)
    options = {"hosts": {"*": place}, "host_processes": 2, **options}
    personas = (Caller, Worker, Teller, Adapted)
    async with room(*personas, make_host=None, models=models, **options) as here:
        yield here


async def test_a_tool_waits_for_a_person_and_runs_once(place: str) -> None:
    desk = Desk()
    async with room_at(place, tools=Box(desk)) as here:
        question = here.say('@Caller call desk.note {"what": "x"}')
        [approval] = await asked(here)
        assert desk.ran == []
        await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        reply = await here.reply(question)
        assert (reply.body.count("It said"), reply.state) == (1, "done")
        assert json.dumps({"did": "x"}) in reply.body
    assert [arguments for _, arguments in desk.ran] == [{"what": "x"}]


async def test_a_notebook_is_read_and_changed(place: str, tmp_path: Path) -> None:
    desk, tools = Notebooks(tmp_path), PackageToolsets(log=LOG)
    tools.load()
    settings = ToolSettings(tool_policy=ALLOW)
    toolbox = ToolRegistry(settings, tools, executors=desk.tools.executors)
    notebook = desk.rooms.open_notebook("a.ipynb", notebook_of("x = 1"))
    async with room_at(place, tools=toolbox, changes=desk.tools, root_dir=str(tmp_path)) as here:
        read = here.say('@Caller call notebook.read {"path": "a.ipynb"}')
        assert "x = 1" in (await here.reply(read)).body
        new = json.dumps({"path": "a.ipynb", "cell": "c0", "source": "x = 2", "expected": "x = 1"})
        changed = here.say(f"@Caller call notebook.edit_cell {new}")
        assert "c0" in (await here.reply(changed)).body
    assert notebook.get()["cells"][0]["source"] == "x = 2"


async def test_what_is_attached_is_there(place: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    async with room_at(place, root_dir=str(tmp_path)) as here:
        here.stage.join("ada", "Ada")
        attached = [Attachment("f", "a.csv", "file")]
        question = here.stage.post("@Worker see", sender="ada", attachments=attached)
        assert (await here.reply(question)).body == "a.csv"


async def test_a_persona_that_fails_again_and_again_is_paused(place: str) -> None:
    async with room_at(place, quarantine_failures=2) as here:
        for _ in range(2):
            assert (await here.reply(here.say("@Worker fail"))).state == "failed"
        assert "is paused" in (await here.reply(here.say("@Worker count 1"))).body
        assert (await here.reply(here.say("@Teller hi"))).state == "done"


async def test_a_persona_of_jupyter_ai_3_reads_and_writes_its_chat(
    place: str, tmp_path: Path
) -> None:
    async with room_at(place, root_dir=str(tmp_path)) as here:
        for before in range(2):
            [reply] = await here.replied(here.say(f"@Adapted number {before}"))
            assert reply.state == "done", reply.body
            told = f"asked {before} times before; last: number {before}; "
            assert reply.body == f"{told}{tmp_path}"


@pytest.mark.parametrize("place", ["processes", "dask"], indirect=True)
async def test_a_turn_goes_on_from_its_steps_on_another_worker(
    cluster: DaskCluster, place: str, tmp_path: Path
) -> None:
    desk = Desk()
    if place.startswith("dask"):
        await anyio.to_thread.run_sync(cluster.add_worker)
    async with room_at(place, tools=Box(desk, ALLOW), resume_interrupted=True) as here:
        question = here.say(f'@Caller call desk.note {{"what": "x"}} hold {tmp_path}')
        pid = await marked(tmp_path, "holds")
        os.kill(pid, signal.SIGKILL)
        [reply] = await here.replied(question)
        assert (reply.body.count("It said"), reply.state) == (1, "done")
    assert len(desk.ran) == 1
