"""Agents as personas that run in worker processes and on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.dask_cluster import DaskCluster
from support.engines import TESTS, importable_for_workers

from agents.talking import decide


@pytest.fixture(params=["processes", "dask"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    importable_for_workers(monkeypatch)
    if request.param == "processes":
        yield "processes"
        return
    (tmp_path / "dask").mkdir()
    with DaskCluster(tmp_path / "dask", pythonpath=[TESTS]) as cluster:
        yield cluster.place


async def test_an_agent_answers_and_asks_people_from_a_worker(agents: Any, place: str) -> None:
    async with agents.room(make_host=None, hosts={"*": place}, host_processes=1) as here:
        reply = await here.reply(here.say("@Bot hello there"))
        assert (reply.body, reply.state) == ("heard hello there", "done")
        question = here.say("@Bot ask ls")
        await decide(here, "approved")
        assert (await here.reply(question)).body.endswith("allowed: True")
    assert len(agents.noted("pid")) == 1
