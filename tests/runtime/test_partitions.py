"""Workers behind a network that drops packets, and comes back: one reply, one effect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.dask_cluster import DaskCluster
from support.engines import TESTS
from support.machines import Machine, Machines, machines_or_skip
from support.plugin import make_plugin
from support.polling import until
from support.room import LOG, Room, room, wait_for_processes
from support.worker_personas import Worker, marked
from support.worker_tools import Caller
from toolroom import Box, Desk

from jupyter_ai_personas.providers import ModelRegistry
from jupyter_ai_personas.providers.settings import ProviderSettings

ALLOW = {"*": "allow"}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wait_for_processes(monkeypatch)
    points = {"jupyter_ai.model_providers": {"scripted": "support.worker_tools:Scripted"}}
    made = make_plugin(tmp_path / "packages", "scripted_models", {}, points)
    monkeypatch.syspath_prepend(made)
    return made


@pytest.fixture
def machines() -> Iterator[Machines]:
    with machines_or_skip(2) as made:
        yield made


@pytest.fixture
def cluster(machines: Machines, packages: Path, tmp_path: Path) -> Iterator[DaskCluster]:
    with ExitStack() as stack:
        yield stack.enter_context(
            DaskCluster(tmp_path, workers=2, pythonpath=[TESTS, packages], machines=machines)
        )
        for machine in machines:
            machine.heal()


async def until_ready(here: Room, cluster: DaskCluster, count: int) -> None:
    engine = here.runtime.placement._engine(cluster.place)
    await until(lambda: len(engine.workers.ready) == count)  # type: ignore[attr-defined]


def machine_of(cluster: DaskCluster, pid: int) -> Machine:
    pids = [worker.pid for worker in cluster.workers]
    return cluster.machines[pids.index(pid)]


async def test_a_turn_that_goes_on_behind_a_partition_has_one_reply_and_one_effect(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    """The attempt that the server lost goes on; what it says after the network is back is late."""
    desk, models = Desk(), ModelRegistry(ProviderSettings(), log=LOG)
    async with room(
        Caller,
        make_host=None,
        models=models,
        tools=Box(desk, ALLOW),
        hosts={"*": cluster.place},
        resume_interrupted=True,
    ) as here:
        await until_ready_at_first(here, cluster)
        asked = here.say(f'@Caller call desk.note {{"what": "x"}} hold {tmp_path}')
        machine = machine_of(cluster, await marked(tmp_path, "holds"))
        machine.cut()
        loop = asyncio.get_running_loop()
        began = loop.time()
        reply = await here.reply(asked)
        assert (reply.body.count("It said"), reply.state) == (1, "done")
        LOG.info("The turn was answered elsewhere after %.1f s", loop.time() - began)
        machine.heal()
        await until_ready(here, cluster, 2)
        # Its server never asks for what the lost attempt says: the worker ends it.
        await marked(tmp_path, "ended")
        await here.quiet()
        assert [m.body for m in here.replies(asked)] == [reply.body]
    assert len(desk.ran) == 1


async def test_words_that_were_held_up_by_the_network_are_not_heard(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    """A worker goes on to speak while it cannot be heard, and can again before it gives up."""
    async with room(
        Worker, make_host=None, hosts={"*": cluster.place}, resume_interrupted=True
    ) as here:
        await until_ready_at_first(here, cluster)
        asked = here.say(f"@Worker talk_once {tmp_path}")
        machine = machine_of(cluster, await marked(tmp_path, "talks"))
        await here.streaming(asked, "talk")
        machine.cut()
        [reply] = await here.replied(asked)
        machine.heal()
        await until_ready(here, cluster, 2)
        await marked(tmp_path, "ended")
        await here.quiet()
        assert [(m.body, m.state) for m in here.replies(asked)] == [("answered at last", "done")]
        assert reply.body == "answered at last"


async def until_ready_at_first(here: Room, cluster: DaskCluster) -> None:
    here.runtime.placement.preload()
    await until_ready(here, cluster, 2)
