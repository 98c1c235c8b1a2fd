from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from support import foreign, lazy

if TYPE_CHECKING:
    from playwright.async_api import Browser
    from support.server import JupyterServer

StartServer = Callable[..., Coroutine[Any, Any, "JupyterServer"]]

# The same examples each time, however slow the machine: a run says the same of the same commit.
# `--hypothesis-profile=explore` looks for new ones.
_ANY_MACHINE: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("tests", derandomize=True, **_ANY_MACHINE)
settings.register_profile("explore", **_ANY_MACHINE)
settings.load_profile("tests")

# Whoever starts the tests in the background of a shell ignores SIGINT, and so would the servers,
# kernels and terminals that they start: those would never hear that they are interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start some hundred interpreters. Without bytecode on disk, each compiles what it imports,
# which doubles the processor time of its start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Nor does each compile the grammars of a package that none of them uses: half of a server's start.
lazy.install()

# A package index that hesitates fails no test; whoever runs them may have set these already.
os.environ.setdefault("PIP_RETRIES", "10")
os.environ.setdefault("PIP_DEFAULT_TIMEOUT", "60")


def pytest_configure(config: pytest.Config) -> None:
    # The environment of the lowest versions tests the providers of Jupyter AI v2.
    if foreign.is_installed("jupyter_ai_magics"):
        return
    if (folder := foreign.hide()) is not None:
        config.add_cleanup(lambda: foreign.show(folder))


_left: set[threading.Thread] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """A persona's thread that outlives its test, in a loop, say, takes the time of all others."""
    yield
    if "distributed" in sys.modules and (nextitem is None or nextitem.path != item.path):
        _collect_sockets_of_dask(item)
    for thread in threading.enumerate():
        is_host = thread.name.startswith("persona ") and thread.name != "persona worker"
        if is_host and thread not in _left:
            thread.join(60)
            if thread.is_alive():
                _left.add(thread)  # Later tests neither wait for it nor are blamed.
            assert not thread.is_alive(), f"The test has left {thread.name} running."


def _collect_sockets_of_dask(item: pytest.Item) -> None:
    """Collect what Dask's client left, before a later test is blamed for it.

    Tornado, which it uses, does not close a socket whose task is cancelled as it is connected.
    """
    used = vars(item.module) if isinstance(item, pytest.Function) else {}
    homes = {getattr(one, "__module__", "") for one in used.values()}
    if not homes.isdisjoint({"support.dask_cluster", "support.engines"}):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"unclosed <socket.* proto=0,", ResourceWarning)
            # Finalizers keep some alive for a later one; pytest does as many at its end.
            for _ in range(5):
                gc.collect()


@pytest.fixture
async def start_server(tmp_path: Path) -> AsyncIterator[StartServer]:
    """Starts servers, each in a directory of its own; arguments as `JupyterServer` takes them."""
    from support.server import JupyterServer

    servers: list[JupyterServer] = []

    async def start(**options: Any) -> JupyterServer:
        server = JupyterServer(tmp_path / f"server-{len(servers)}", **options)
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def server(start_server: StartServer) -> JupyterServer:
    """A server with chat and personas."""
    return await start_server()


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser; open a `ChatPage` in it for each person."""
    from support import browser

    async with browser.chromium() as running:
        yield running


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike ``tmp_path``."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def unprivileged(public_folder: Path) -> Iterator[Callable[[], None]]:
    """Return what makes this process an ordinary user until the test ends: root reads anything."""
    user = os.geteuid()
    nobody = 65534

    def drop() -> None:
        if user == 0:
            os.seteuid(nobody)

    yield drop
    if user == 0:
        os.seteuid(0)
