"""The main module of a worker process: ``python -m jupyter_ai_personas.hosts.worker_process``.

Its standard input is a socket to the server. It ends when the server does, however that ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

from jupyter_ai_personas.hosts.frames import Report, hello, pack_reports, unpack_commands
from jupyter_ai_personas.hosts.framing import read_frames, write_frame
from jupyter_ai_personas.hosts.worker import Worker

__all__ = ["main", "serve_parent"]

_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Let Linux kill this process with its parent; elsewhere, the end of the socket tells."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _take_socket() -> socket.socket:
    """Return the socket, which no code of personas finds as standard input."""
    taken = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return taken


async def _serve(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)

    def send(report: Report) -> None:
        write_frame(writer, pack_reports([report]))

    async def room() -> None:
        with suppress(ConnectionError):  # the server is gone, and so is this process soon
            await writer.drain()

    write_frame(writer, hello())
    worker = Worker(send, room, alone=True)
    async for frame in read_frames(reader):
        for command in unpack_commands(frame):
            await worker.do(command)
    await worker.close()


def serve_parent(serve: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> NoReturn:
    """Run ``serve`` with the socket to the server, and end this process with it."""
    _end_with_parent()
    # Ctrl+C in the server's terminal is the server's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve(_take_socket()))
    # Threads of abandoned personas must not keep the process.
    os._exit(0)


def main() -> None:
    """Serve until the server ends the connection."""
    serve_parent(_serve)


if __name__ == "__main__":
    main()
