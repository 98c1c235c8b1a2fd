"""Two people in a chat whose personas run on a Dask cluster."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from support.browser import ChatPage, Join, StartLab
from support.dask_cluster import DaskCluster
from support.plugin import make_plugin
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

SOURCE = """
import os
from itertools import count

import anyio

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Where(BasePersona):
    defaults = PersonaDefaults(name="Where", description="Says where it runs.")

    async def process_message(self, message):
        self.send_message(f"In process {os.getpid()}.")


class Counting(BasePersona):
    defaults = PersonaDefaults(name="Counting", description="Never comes to an end.")

    async def process_message(self, message):
        async def numbers():
            yield f"Process {os.getpid()} counts: "
            for number in count(1):
                yield f"{number} "
                await anyio.sleep(0.05)

        await self.stream_message(numbers())
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    points = {name.lower(): f"far:{name}" for name in ("Where", "Counting")}
    files, folder = {"__init__.py": SOURCE}, tmp_path_factory.mktemp("packages")
    return make_plugin(folder, "far", files, {"jupyter_ai.personas": points})


@pytest.fixture(scope="module")
def cluster(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    folder = tmp_path_factory.mktemp("dask")
    with DaskCluster(folder, workers=2, pythonpath=[packages]) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(start_lab: StartLab, packages: Path, cluster: DaskCluster) -> JupyterServer:
    return await start_lab(pythonpath=[packages], config={"AiExtension.hosts": cluster.place})


def message_with(person: ChatPage, text: str) -> Locator:
    return person.page.locator(".jp-chat-message").filter(has_text=text)


async def test_people_see_replies_from_a_cluster_a_stop_and_the_end_of_a_worker(
    lab: JupyterServer, cluster: DaskCluster, join: Join
) -> None:
    ada, bob = await join("Ada", "Bob")
    workers = {worker.pid for worker in cluster.workers}
    await ada.send("@Where are you?")
    for person in (ada, bob):
        body = await person.wait_for_body("In process")
        assert process_in(await body.inner_text()) in workers

    await bob.send("@Counting go on")
    await ada.wait_for_body("counts: 1 2 3")
    await bob.send("/stop")
    for person in (ada, bob):
        await expect(message_with(person, "counts: 1 2 3")).to_contain_text("Stopped")

    await ada.send("@Counting once more")
    for person in (ada, bob):
        await expect(message_with(person, "counts: 1 2 3")).to_have_count(2)
    second = message_with(bob, "counts: 1 2 3").last
    fallen = process_in(await second.inner_text())
    await anyio.to_thread.run_sync(os.kill, fallen, signal.SIGKILL)
    for person in (ada, bob):
        last = message_with(person, f"Process {fallen} counts").last
        await expect(last).to_contain_text("its Dask worker")
    await bob.screenshot("cluster-worker-gone")

    await bob.send("@Where are you now?")
    for person in (ada, bob):
        here = message_with(person, "In process").last
        await expect(message_with(person, "In process")).to_have_count(2)
        assert process_in(await here.inner_text()) in workers - {fallen}
    await ada.screenshot("cluster")


def process_in(text: str) -> int:
    found = re.search(r"[Pp]rocess (\d+)", text)
    assert found is not None, text
    return int(found[1])
