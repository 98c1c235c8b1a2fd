"""What built-in tools need of a server where none runs: its managers of files and kernels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.utils import ensure_async

__all__ = ["headless_settings"]

SHUTDOWN_SECONDS = 10.0
"""Time limit for the kernels to end."""


@asynccontextmanager
async def headless_settings(server: ServerApp, root: Path) -> AsyncIterator[dict[str, Any]]:
    """Give the settings that a web application of ``server`` would hold, for tools below ``root``.

    Contents are files, also where the operator's are not. Nobody has a document open. Kernels that
    are started meanwhile are shut down at the end.
    """
    server.init_event_logger()
    server.gateway_config = GatewayClient.instance(parent=server)
    contents_class = server.contents_manager_class
    if not issubclass(contents_class, FileContentsManager):
        contents_class = AsyncLargeFileManager
    where: dict[str, Any] = {"parent": server, "log": server.log, "root_dir": str(root)}
    contents = contents_class(**where, preferred_dir="")
    specs = server.kernel_spec_manager_class(parent=server)
    make: Any = server.kernel_manager_class
    kernels = make(**where, connection_dir=server.runtime_dir, kernel_spec_manager=specs)
    sessions = server.session_manager_class(
        parent=server, log=server.log, kernel_manager=kernels, contents_manager=contents
    )
    try:
        yield {
            "contents_manager": contents,
            "kernel_manager": kernels,
            "kernel_spec_manager": specs,
            "session_manager": sessions,
        }
    finally:
        with anyio.move_on_after(SHUTDOWN_SECONDS, shield=True):
            await ensure_async(kernels.shutdown_all(now=True))
        sessions.close()
        sessions.connection.close()  # which `close` leaves open
