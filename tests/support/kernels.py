"""The managers of sessions and kernels of a server, with real kernels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.services.sessions.sessionmanager import SessionManager

from .desk import Desk


@asynccontextmanager
async def with_kernels(desk: Desk) -> AsyncIterator[AsyncMappingKernelManager]:
    """Give ``desk`` kernels; they are shut down at the end."""
    with TemporaryDirectory() as connections:  # by default, the current directory
        manager = AsyncMappingKernelManager(root_dir=str(desk.root), connection_dir=connections)
        async with _with_sessions(desk, manager):
            yield manager


@asynccontextmanager
async def _with_sessions(desk: Desk, manager: AsyncMappingKernelManager) -> AsyncIterator[None]:
    sessions = SessionManager(kernel_manager=manager, contents_manager=desk.manager)
    desk.settings |= {"kernel_manager": manager, "session_manager": sessions}
    try:
        yield
    finally:
        await manager.shutdown_all(now=True)
        manager.context.destroy()  # its collection would warn that nobody closed it
        sessions.close()  # before its connection: it would do so again when it is collected
        if sessions._connection is not None:
            sessions._connection.close()
