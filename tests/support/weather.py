"""Where the MCP server of the weather is, and how it is served by HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = str(Path(__file__).with_name("weather_server.py"))


@contextmanager
def weather_url() -> Iterator[str]:
    """Serve the weather by HTTP, and yield the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, SCRIPT, "streamable-http", str(port)], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    for line in server.stderr:
        if "running on" in line:
            break
    # A pipe that nobody reads fills up, and the server would wait for ever.
    reader = threading.Thread(target=server.stderr.read)
    reader.start()
    yield f"http://127.0.0.1:{port}/mcp"
    server.kill()
    server.wait()
    reader.join()
    server.stderr.close()
