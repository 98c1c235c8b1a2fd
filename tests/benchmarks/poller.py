"""Asks a server for its status every 50 ms, from a process of its own, until its input ends.

``python -m benchmarks.poller <host:port> <token>`` prints a JSON list of ``[at, delay]`` (Unix time
and seconds) for each request.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from support.server import JupyterServer

EVERY = 0.05


def main(address: str, token: str) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    connection = http.client.HTTPConnection(address, timeout=120)
    samples = []
    due = time.time()
    while not ended.wait(max(0.0, due - time.time())):
        began = time.time()
        connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
        connection.getresponse().read()
        samples.append((began, time.time() - began))
        due = max(due + EVERY, time.time())
    print(json.dumps(samples))


def spread(delays: list[float]) -> list[float]:
    """Add the requests that a late answer kept from being sent, as somebody else would see them.

    One request at a time hides a stall: the ones due during it are never sent. Each would have
    waited for the rest of it.
    """
    seen = []
    for delay in delays:
        while delay > 0:
            seen.append(delay)
            delay -= EVERY
    return sorted(seen)


class StatusPoller:
    """``async with StatusPoller(server) as poller``; then `delays` since a time."""

    def __init__(self, server: JupyterServer) -> None:
        self._server = server
        self._samples: list[tuple[float, float]] = []

    async def __aenter__(self) -> Self:
        self._process = self._start()
        return self

    def _start(self) -> subprocess.Popen[bytes]:
        address = f"127.0.0.1:{self._server.port}"
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.poller", address, self._server.token],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            out, _ = await asyncio.to_thread(self._process.communicate, timeout=150)
        finally:
            self._process.kill()
        self._samples = json.loads(out or "[]")

    def delays(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Sorted seconds, once the block has ended; see `spread`.

        Of a request that was on its way at ``since``, what it waited from then on.
        """
        return spread(
            [
                at + delay - max(at, since)
                for at, delay in self._samples
                if at + delay > since and at <= until
            ]
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
