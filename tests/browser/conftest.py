"""What the tests in the browser share: a Chromium, JupyterLab with a model, and people's tabs.

A module that needs another JupyterLab has a fixture ``lab`` of its own; see `start_lab`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from support.browser import ChatPage, Join, StartLab, choose_settings
from support.browser import chromium as run_chromium
from support.server import JupyterServer
from support.typist import make_typist

from jupyter_ai_personas.testing import OpenAIServer

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


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A browser for all tests; `join` opens tabs in it."""
    async with run_chromium() as running:
        yield running


@asynccontextmanager
async def _starting(
    factory: pytest.TempPathFactory, tabs: list[ChatPage]
) -> AsyncIterator[StartLab]:
    servers: list[JupyterServer] = []

    async def start(**options: Any) -> JupyterServer:
        config = {"LabApp.expose_app_in_browser": True, **options.pop("config", {})}
        options.setdefault("lab", True)
        server = JupyterServer(factory.mktemp("server"), config=config, **options)
        servers.append(server)
        await server.start()
        # Answered once the personas are there: whoever opens a chat finds them offered.
        assert (await server.get("/api/ai/personas"))[0] == 200
        await choose_settings(
            server, "@jupyterlab/apputils-extension:themes", **{"adaptive-theme": True}
        )
        return server

    yield start
    for tab in [tab for tab in tabs if tab.server in servers]:
        tabs.remove(tab)
        await tab.leave()
    for server in servers:
        await server.close()


@pytest.fixture(scope="package")
def tabs() -> list[ChatPage]:
    """Tabs of earlier tests in a `lab`: JupyterLab need not be loaded anew for another chat."""
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def start_lab(
    chromium: Browser, tabs: list[ChatPage], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StartLab]:
    """Starts JupyterLab for a module, with the personas there; arguments as for `JupyterServer`.

    Themes follow what a tab prefers: see ``dark`` of `ChatPage`.
    """
    async with _starting(tmp_path_factory, tabs) as start:
        yield start


@pytest.fixture(scope="package")
def loopback() -> Iterator[OpenAIServer]:
    with OpenAIServer() as model:
        yield model


@pytest.fixture
def model(loopback: OpenAIServer) -> OpenAIServer:
    """The model that answers in all chats; a test says what."""
    loopback.requests.clear()
    loopback._answers.clear()
    return loopback


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def lab(
    chromium: Browser,
    tabs: list[ChatPage],
    loopback: OpenAIServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[JupyterServer]:
    """JupyterLab with `model`, a persona that types what a `Typescript` says, and usage shown."""
    package, env = make_typist(tmp_path_factory.mktemp("typist"))
    models = ["small", "large"]
    async with _starting(tmp_path_factory, tabs) as start:
        server = await start(
            pythonpath=[package],
            env=env,
            config={
                "AiExtension.endpoints": {"loop": {"base_url": loopback.url, "models": models}},
                "AiExtension.default_model": "loop:small",
            },
        )
        await choose_settings(server, "jupyter-ai-personas:personas", usage=True)
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def join(
    request: pytest.FixtureRequest, chromium: Browser, tabs: list[ChatPage]
) -> AsyncIterator[Join]:
    """Opens a chat for some people: ``ada, bob = await join("Ada", "Bob")``.

    It is a new chat of the module's `lab` unless ``path`` and ``server`` name another; other
    arguments are those of `ChatPage`. In a `lab`, a person has the tab of an earlier test, without
    what it showed: a test that leaves more behind ends with `ChatPage.leave`. A test that fails
    leaves pictures. An exception that nothing in a tab catches fails the test.
    """
    pages: list[ChatPage] = []
    reusable: list[ChatPage] = []
    new = f"{uuid4().hex[:8]}.chat"

    async def enter(page: ChatPage) -> ChatPage:
        for tab in tabs:
            if tab.may_be(page):
                tabs.remove(tab)
                pages.append(tab)
                await tab.turn_to(page.path, dark=page.dark)
                return tab
        pages.append(await page.__aenter__())
        return page

    async def join(
        *people: str, path: str = new, server: JupyterServer | None = None, **options: Any
    ) -> list[ChatPage]:
        there = server or request.getfixturevalue("lab")
        there.create_chat(path)
        joining = [ChatPage(chromium, there, path, name, **options) for name in people]
        joined = await asyncio.gather(*map(enter, joining))
        if server is None:
            reusable.extend(joined)
        return joined

    yield join
    failed = request.node.stash.get(_FAILED, True)
    for page in pages:
        if failed and page.is_open:
            await page.screenshot(f"failed-{request.node.name}-{page.user}")
        if page.is_open and page in reusable and not failed:
            tabs.append(page)
        else:
            await page.leave()
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
