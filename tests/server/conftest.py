from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from server.hostile import install
from support.server import JupyterServer

SECRETS = {
    "PLANTED_API_KEY": "planted-secret-4711-in-the-environment",
    "planted": "planted-password",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hostile_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[JupyterServer]:
    """One server with the hostile personas, for all tests of a module."""
    server = JupyterServer(
        tmp_path_factory.mktemp("server"),
        config={
            "AiExtension.block_warning": 1.0,
            "AiExtension.max_reply_chars": 50_000,
        },
        env={"PLANTED_API_KEY": SECRETS["PLANTED_API_KEY"]},
        pythonpath=[install(tmp_path_factory.mktemp("packages"))],
    )
    async with server:
        yield server
