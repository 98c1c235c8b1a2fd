"""What the tests in the browser share: a Chromium and servers for each module, tabs for each test.

A module says where its people are by a fixture ``lab``; see `start_lab`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from support.browser import ChatPage, Join, StartLab, follow_schemes
from support.browser import chromium as run_chromium
from support.server import JupyterServer

if TYPE_CHECKING:
    from playwright.async_api import Browser

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """A browser for all tests of a module; `join` opens tabs in it."""
    async with run_chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def start_lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StartLab]:
    """Starts JupyterLab for a module, with the personas there; arguments as for `JupyterServer`.

    Themes follow what a tab prefers: see ``dark`` of `ChatPage`.
    """
    servers: list[JupyterServer] = []

    async def start(**options: Any) -> JupyterServer:
        config = {"LabApp.expose_app_in_browser": True, **options.pop("config", {})}
        directory = tmp_path_factory.mktemp("server")
        options.setdefault("lab", True)
        server = JupyterServer(directory, config=config, **options)
        servers.append(server)
        await server.start()
        # Answered once the personas are there: whoever opens a chat finds them offered.
        assert (await server.get("/api/ai/personas"))[0] == 200
        await follow_schemes(server)
        return server

    yield start
    for server in servers:
        await server.close()


@pytest_asyncio.fixture(loop_scope="module")
async def join(request: pytest.FixtureRequest, chromium: Browser) -> AsyncIterator[Join]:
    """Opens a chat for some people: ``ada, bob = await join("Ada", "Bob")``.

    It is a new chat of the module's `lab` unless ``path`` and ``server`` name another; other
    arguments are those of `ChatPage`. A test that fails leaves pictures. An exception that nothing
    in a tab catches fails the test.
    """
    pages: list[ChatPage] = []
    new = f"{uuid4().hex[:8]}.chat"
    async with AsyncExitStack() as stack:

        async def join(
            *people: str, path: str = new, server: JupyterServer | None = None, **options: Any
        ) -> list[ChatPage]:
            server = server or request.getfixturevalue("lab")
            server.create_chat(path)
            joining = [ChatPage(chromium, server, path, name, **options) for name in people]
            pages.extend(joining)
            for page in joining:
                stack.push_async_exit(page)
            await asyncio.gather(*(page.__aenter__() for page in joining))
            return joining

        yield join
        if request.node.stash.get(_FAILED, False):
            for page in pages:
                if not page.page.is_closed():
                    await page.screenshot(f"failed-{request.node.name}-{page.user}")
    errors = [error for page in pages for error in page.errors]
    assert [error for error in errors if not _is_expected(error)] == []


def _is_expected(error: str) -> bool:
    """Jupyter Notebook 7.6 raises the first in each tab, JupyterLab the second without our part.

    The stock chat raises the third if a message changes while it loads the file.
    """
    of_notebook = "reading 'schema'" in error and "/static/notebook/" in error
    of_stock = "reading 'get'" in error and "Array.forEach" in error and "/static/lab/" in error
    of_chat = "reading 'update'" in error and "/jupyterlab-chat-extension/" in error
    return of_notebook or of_stock or of_chat
