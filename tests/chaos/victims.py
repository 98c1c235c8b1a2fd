"""What is killed in a round: the server, or what its personas run in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol

import anyio.to_thread
import psutil
from support.dask_cluster import DaskCluster
from support.machines import Machines, why_not
from support.server import JupyterServer

SERVER = "server"

_HARD = {
    # Turns go on elsewhere, however often they are hit: the harder game.
    "AiExtension.resume_interrupted": True,
    "AiExtension.quarantine_failures": 1_000_000,
}


class Victims(Protocol):
    """Where personas run, and what of it may be killed."""

    kinds: Sequence[str]
    config: dict[str, Any]

    async def start(self) -> None:
        """Start what is not the server's."""

    async def kill(self, kind: str, server: JupyterServer, random: Random) -> None:
        """Kill one of a kind, and see to it that another one comes."""

    async def close(self) -> None:
        """End what was started."""


class Threads:
    """Personas in the server's process."""

    kinds: Sequence[str] = (SERVER,)

    def __init__(self, packages: Path, folder: Path) -> None:
        self.config: dict[str, Any] = {}

    async def start(self) -> None:
        """There is nothing but the server."""

    async def kill(self, kind: str, server: JupyterServer, random: Random) -> None:
        raise AssertionError("only the server can be killed")

    async def close(self) -> None:
        """There is nothing but the server."""


class Processes(Threads):
    """Personas in two worker processes."""

    kinds = ("worker", SERVER)

    def __init__(self, packages: Path, folder: Path) -> None:
        self.config = {
            "AiExtension.hosts": "processes",
            "AiExtension.host_processes": 2,
            **_HARD,
        }

    async def kill(self, kind: str, server: JupyterServer, random: Random) -> None:
        children = psutil.Process(server.pid).children()
        workers = [c for c in children if "worker_process" in " ".join(c.cmdline())]
        if workers:
            random.choice(workers).kill()


class Dask(Threads):
    """Personas on two workers of a Dask cluster, each on a machine of its own where that can be.

    Then the network to one of them is cut for a while in some rounds.
    """

    def __init__(self, packages: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        reason = why_not()
        self._machines = Machines(0 if reason else 2)
        self.kinds = ("worker", "scheduler", SERVER, *(() if reason else ("network",)))
        if reason:
            print(f"The network is not cut: {reason}", flush=True)
        self._cluster = DaskCluster(
            folder, workers=2, pythonpath=[packages], machines=self._machines.all
        )
        self.config = {"AiExtension.hosts": self._cluster.place, **_HARD}

    async def start(self) -> None:
        await anyio.to_thread.run_sync(self._machines.__enter__)
        await anyio.to_thread.run_sync(self._cluster.__enter__)

    async def kill(self, kind: str, server: JupyterServer, random: Random) -> None:
        cluster = self._cluster
        if kind == "network":
            machine = random.choice(cluster.machines)
            await anyio.to_thread.run_sync(machine.cut)
            # Shorter and longer than the silence after which the worker is given up.
            await anyio.sleep(random.uniform(0.5, 5))
            await anyio.to_thread.run_sync(machine.heal)
            return

        def kill() -> None:
            fallen = [cluster.workers.pop(random.randrange(2))]
            if kind == "scheduler":
                cluster.scheduler.kill()
                fallen.append(cluster.workers.pop())
            for worker in fallen:
                worker.kill()
            if kind == "scheduler":
                cluster.start_scheduler()
            for worker in fallen:
                cluster.add_worker(worker.machine)

        await anyio.to_thread.run_sync(kill)

    async def close(self) -> None:
        await anyio.to_thread.run_sync(self._cluster.__exit__, None, None, None)
        await anyio.to_thread.run_sync(self._machines.__exit__, None, None, None)


VICTIMS: dict[str, Callable[[Path, Path], Victims]] = {
    "threads": Threads,
    "processes": Processes,
    "dask": Dask,
}
