"""A Dask scheduler and workers, as processes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from support.machines import Machine

WAIT = 120.0


class DaskProcess:
    """``python -m distributed.cli.…``, whose output is read to its end."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path,
        machine: Machine | None = None,
    ) -> None:
        self.log: list[str] = []
        self.machine = machine
        self._said = threading.Condition()
        self._process = subprocess.Popen(
            [
                *(machine.prefix if machine is not None else ()),
                *(sys.executable, "-m", f"distributed.cli.{module}", *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.log.append(line)
                self._said.notify_all()
        with self._said:
            self.log.append("the end")
            self._said.notify_all()

    def wait_for(self, pattern: str) -> str:
        def found() -> list[str]:
            return [m[0] for m in (re.search(pattern, line) for line in self.log) if m]

        with self._said:
            done = self._said.wait_for(lambda: found() or "the end" in self.log, WAIT)
        assert done, self.log
        assert found(), self.log
        return found()[0]

    def kill(self) -> None:
        """End the process and its children, as a machine that fails does."""
        if self._process.poll() is None:
            children = psutil.Process(self.pid).children(recursive=True)
            for process in (psutil.Process(self.pid), *children):
                process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class DaskCluster:
    """A scheduler and workers: ``with DaskCluster(folder) as cluster``; its port is its own.

    The first workers run on ``machines``, one each, if there are some.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        protocol: str = "tcp",
        security: Sequence[str] = (),
        pythonpath: Iterable[Path] = (),
        machines: Iterable[Machine] = (),
    ) -> None:
        self.machines = list(machines)
        self.folder = folder
        self.count = workers
        self.workers: list[DaskProcess] = []
        self._protocol = protocol
        self._security = security
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        paths = [*map(str, pythonpath), os.environ.get("PYTHONPATH", "")]
        self._env = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    @property
    def address(self) -> str:
        return f"{self._protocol}://127.0.0.1:{self.port}"

    @property
    def place(self) -> str:
        scheme = "dask+tls" if self._protocol == "tls" else "dask"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start_scheduler()
        for number in range(self.count):
            self.add_worker(self.machines[number] if number < len(self.machines) else None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()

    def start_scheduler(self) -> None:
        host = "0.0.0.0" if self.machines else "127.0.0.1"
        self.scheduler = DaskProcess(
            "dask_scheduler",
            *("--protocol", self._protocol, "--host", f"{self._protocol}://{host}"),
            *("--port", str(self.port), "--no-dashboard"),
            *self._security,
            cwd=self.folder,
        )
        self.scheduler.wait_for("Scheduler at:")

    def add_worker(self, machine: Machine | None = None) -> DaskProcess:
        """Start a worker without a nanny: nobody replaces it when it is killed."""
        address, host = self.address, "127.0.0.1"
        if machine is not None:
            host = machine.address
            address = address.replace("127.0.0.1", machine.host)
        worker = DaskProcess(
            "dask_worker",
            *(address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
            *("--host", host, "--local-directory", str(self.folder)),
            *self._security,
            env=self._env,
            cwd=self.folder,
            machine=machine,
        )
        worker.wait_for("Registered to:")
        self.workers.append(worker)
        return worker
