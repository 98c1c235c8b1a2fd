"""The sides of the streaming benchmark: how each is started and asked."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import anyio
from support.server import CHAT_EXTENSIONS, DEFAULT_EXTENSIONS, JupyterServer

from .options import Options
from .packages import STREAM, make_floor, make_stream
from .peer import peer_python
from .watcher import Watcher

PEER_EXTENSIONS = (*CHAT_EXTENSIONS, "jupyter_ai_router", "jupyter_ai_persona_manager")


class OtherServer(JupyterServer):
    """A server of another environment."""

    python: Path

    def _command(self) -> list[str]:
        return [str(self.python), *super()._command()[1:]]


@dataclass
class Side:
    """``name`` is what tables call it; `ask` begins a stream of chunks in a client's chat.

    Chunks of the kind ``unheard`` are made in the same place, and thrown away; ``long`` ones have
    ten times as many characters. The clients of a ``live`` side
    announce that they show live bodies.
    """

    name: str
    server: JupyterServer
    live: bool = False

    async def ask(self, client: Watcher, count: int, rate: int, *, kind: str = "") -> None:
        body = f"{count} {kind} chunks at {rate} a second".replace("  ", " ")
        if self.name == "floor":
            answer = {"path": client.path, "body": body}
            status, _ = await self.server.post("/bench/run", json=answer)
            assert status == 200
        elif self.name == "peer":
            client.post(body, id=str(uuid4()), metadata={"to_persona": STREAM})
        else:
            client.post(f"@Stream {body}")


def make_sides(directory: Path, options: Options) -> list[Side]:
    """All of them, not started; the environment of the peer is made if it is missing."""
    floor = JupyterServer(
        directory / "floor",
        extensions=(*CHAT_EXTENSIONS, "bench_floor"),
        pythonpath=[make_floor(directory / "floor-packages")],
    )
    peer = OtherServer(
        directory / "peer",
        extensions=PEER_EXTENSIONS,
        pythonpath=[make_stream(directory / "peer-packages", peer=True)],
    )
    peer.python = peer_python(options.cache)
    packages = [make_stream(directory / "our-packages", peer=False)]
    ours, live = (
        JupyterServer(directory / name, extensions=DEFAULT_EXTENSIONS, pythonpath=packages)
        for name in ("ours", "live")
    )
    return [
        Side("floor", floor),
        Side("ours", ours),
        Side("live", live, live=True),
        Side("peer", peer),
    ]


def store_size(server: JupyterServer) -> tuple[int, int]:
    """Rows and bytes of updates that the server's update store holds."""
    file = server.root_dir / ".jupyter_ystore.db"
    if not file.exists():
        return 0, 0
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10) as db:
        try:
            rows, size = db.execute(
                "SELECT count(*), coalesce(sum(length(yupdate)), 0) FROM yupdates"
            ).fetchone()
        except sqlite3.OperationalError:
            return 0, 0
    return int(rows), int(size)


async def drained(server: JupyterServer, *, at_most: float = 120.0) -> None:
    """Return once the update store has not grown for 2 s and the server is at rest."""
    quiet = 0
    with anyio.move_on_after(at_most):
        while quiet < 2:
            rows, cpu = store_size(server)[0], server.cpu_seconds()
            await anyio.sleep(1.0)
            at_rest = store_size(server)[0] == rows and server.cpu_seconds() - cpu < 0.15
            quiet = quiet + 1 if at_rest else 0
