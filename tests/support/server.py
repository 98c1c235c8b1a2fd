"""A real Jupyter server in a process of its own, with directories, token and port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
import psutil

#: What a chat needs, without us.
CHAT_EXTENSIONS = ("jupyter_server_fileid", "jupyter_server_ydoc", "jupyterlab_chat")
#: What a chat with personas needs.
DEFAULT_EXTENSIONS = (*CHAT_EXTENSIONS, "jupyter_ai_personas")
# The environment's own configuration enables these; a server runs exactly what a test asked for.
_SWITCHED_OFF = (
    *DEFAULT_EXTENSIONS,
    "jupyter_lsp",
    "jupyter_server_terminals",
    "jupyterlab",
    "notebook_shim",
)

START_TIMEOUT = 180.0
"""Seconds until a server must answer; a cold start takes 5, on a busy machine many times that."""
WAIT = 180.0
"""Seconds a wait lasts unless a test says otherwise: only what never comes takes longer."""
_POLL = 0.02


class ServerError(AssertionError):
    """The server ended, or never came, while a test relied on it; carries the end of its log."""


class JupyterServer:
    """A Jupyter server process: ``async with JupyterServer(tmp_path) as server``.

    Its state belongs to ``directory``: ``root`` (what it serves, and its current directory, where
    the update store is written), ``config``, ``data``, ``runtime``. All of it, the port and the
    token survive `restart`. The process and its log do not depend on an event loop, so one server
    may serve tests that each have a loop of their own.

    Args:
        directory: An empty directory.
        config: Traits by dotted name: ``{"AiExtension.default_model": "x:y"}``; JSON values.
        extensions: Server extensions to enable. Every other one is disabled.
        lab: Start JupyterLab, for a browser, instead of the bare server (which starts faster).
        notebook: Start Jupyter Notebook instead.
        env: Environment variables on top of this process's; ``None`` removes one.
        pythonpath: Directories the server can import from: see `plugin.make_plugin`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Mapping[str, Any] | None = None,
        extensions: Sequence[str] = DEFAULT_EXTENSIONS,
        lab: bool = False,
        notebook: bool = False,
        env: Mapping[str, str | None] | None = None,
        pythonpath: Iterable[Path] = (),
    ) -> None:
        self.directory = directory
        self.root_dir = directory / "root"
        self.runtime_dir = directory / "runtime"
        self.data_dir = directory / "data"
        # The index is a process of its own: only tests of the search need it.
        self.config = {"AiExtension.workspace_search": False, **(config or {})}
        self.extensions = tuple(extensions)
        self.application = "notebook" if notebook else "jupyterlab" if lab else ""
        self.env = dict(env or {})
        self.pythonpath = list(pythonpath)
        self.token = "token-of-the-tests"
        self.port = 0
        self.log: list[str] = []
        """Every line of output, oldest first, across restarts."""
        self._life = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._reading = False
        self._http: httpx.Client | None = None
        self._lock = threading.Lock()
        self._waiters: set[_Waiter] = set()

    # -- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the process and return once it answers HTTP requests.

        Raises:
            ServerError: It ended, or did not answer within `START_TIMEOUT` seconds.
        """
        if self.running:
            raise RuntimeError("The server already runs.")
        self._write_config()
        try:
            with anyio.fail_after(START_TIMEOUT):
                while not await self._wait_until_ready(self._spawn()):
                    pass
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise ServerError(self._story("The server did not come up.")) from None
            raise

    def kill(self) -> None:
        """End the process at once, as a crash does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._ended()

    async def terminate(self, timeout: float = WAIT) -> int:
        """Ask the process to stop (SIGTERM) and return its exit code.

        Raises:
            ServerError: It still ran after ``timeout`` seconds; it has been killed.
        """
        process = self._running_process()
        process.send_signal(signal.SIGTERM)
        try:
            code = await anyio.to_thread.run_sync(partial(process.wait, timeout))
        except subprocess.TimeoutExpired:
            self.kill()
            story = self._story(f"The server did not stop within {timeout} s of SIGTERM.")
            raise ServerError(story) from None
        self._ended()
        return code

    async def restart(self) -> None:
        """Start again on the same directory, port and token; stops it first if it runs."""
        if self.running:
            await self.terminate()
        await self.start()

    async def close(self) -> None:
        """End the process and whatever it started, such as kernels."""
        children: list[psutil.Process] = []
        if self._process is not None and self.running:
            # It may end by itself at any moment.
            with contextlib.suppress(psutil.NoSuchProcess):
                children = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.kill()

    # -- facts -----------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._running_process().pid

    @property
    def url(self) -> str:
        """The address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Processor time the process has used since its start, user and system."""
        if sys.platform == "linux":
            # The clock of another process, to the nanosecond, where /proc counts hundredths of a
            # second: `make_process_cpuclock` of Linux's include/linux/posix-timers.h.
            return time.clock_gettime((~self.pid << 3) | 2)
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def rss(self) -> int:
        """Bytes of memory the process holds now."""
        return int(psutil.Process(self.pid).memory_info().rss)

    # -- log -------------------------------------------------------------------------------------

    def lines(self, pattern: str | re.Pattern[str], *, since: int | None = None) -> list[str]:
        """Lines of this process's log with ``pattern`` (a substring, or a compiled expression).

        Those that have been read so far: what a test relies on, it waits for with `wait_for_log`.

        Args:
            since: An index into `log`; without it, the lines since the last start.
        """
        found = _matcher(pattern)
        return [line for line in self.log[self._life if since is None else since :] if found(line)]

    async def wait_for_log(
        self,
        pattern: str | re.Pattern[str],
        *,
        since: int | None = None,
        timeout: float = WAIT,
    ) -> str:
        """Return the first line of the log with ``pattern``, waiting for it to be written.

        Args:
            pattern: A substring, or a compiled regular expression to search for.
            since: An index into `log` to look from; without it, since the last start.
            timeout: Seconds.

        Raises:
            ServerError: The process ended without the line, or did not write it in time.
        """
        waiter = _Waiter(pattern, asyncio.get_running_loop())
        with self._lock:
            for line in self.log[self._life if since is None else since :]:
                waiter.offer(line)
            # A process that has ended may have said more than has been read.
            if not self._reading:
                waiter.give_up()
            self._waiters.add(waiter)
        try:
            with anyio.fail_after(timeout):
                await waiter.event.wait()
        except TimeoutError:
            raise ServerError(self._story(f"No {pattern!r} in the log.")) from None
        finally:
            with self._lock:
                self._waiters.discard(waiter)
        if waiter.line is None:
            raise ServerError(self._story(f"The server ended without {pattern!r} in its log."))
        return waiter.line

    # -- HTTP ------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        authenticated: bool = True,
        timeout: float = WAIT,
        **options: Any,
    ) -> httpx.Response:
        """Send a request to ``path`` below the address; ``options`` as httpx takes them."""
        headers = dict(options.pop("headers", None) or {})
        if authenticated:
            headers["Authorization"] = f"token {self.token}"
        if self._http is None:
            # A proxy of the environment must not come between a test and its server, and a cookie
            # would authenticate the requests that must not be.
            no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            self._http = httpx.Client(base_url=self.url, trust_env=False, cookies=no_cookies)
        call = partial(
            self._http.request, method, path, headers=headers, timeout=timeout, **options
        )
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        """``(status, body)``; the body is decoded JSON, or bytes where it is something else."""
        return _answer(await self.request("GET", path, **options))

    async def post(self, path: str, **options: Any) -> tuple[int, Any]:
        """As `get`; send a body with ``json=``."""
        return _answer(await self.request("POST", path, **options))

    async def put(self, path: str, **options: Any) -> tuple[int, Any]:
        """As `get`; send a body with ``json=``."""
        return _answer(await self.request("PUT", path, **options))

    async def delete(self, path: str, **options: Any) -> tuple[int, Any]:
        """As `get`."""
        return _answer(await self.request("DELETE", path, **options))

    # -- chats -----------------------------------------------------------------------------------

    def create_chat(self, path: str, content: Mapping[str, Any] | None = None) -> None:
        """Write the file of a chat, unless it is there; the front end starts one with ``{}``."""
        file = self.root_dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps(content or {}), encoding="utf-8")

    def saved_chat(self, path: str) -> dict[str, Any]:
        """What the file of a chat holds now: messages, users, attachments, metadata."""
        saved: dict[str, Any] = json.loads((self.root_dir / path).read_text(encoding="utf-8"))
        return saved

    async def wait_until_saved(self, path: str, text: str, timeout: float = WAIT) -> None:
        """Return once the file of a chat holds ``text``: from then on a crash keeps it."""
        file = self.root_dir / path
        try:
            with anyio.fail_after(timeout):
                while True:
                    if text in file.read_text(encoding="utf-8"):
                        return
                    await anyio.sleep(_POLL)
        except TimeoutError:
            raise ServerError(self._story(f"{path} was not saved with {text!r}.")) from None

    # -- inside ----------------------------------------------------------------------------------

    def _running_process(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise ServerError(self._story("The server does not run."))
        return self._process

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._life = len(self.log)
        process = subprocess.Popen(
            self._command(),
            cwd=self.root_dir,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._process, self._reading = process, True
        self._reader = threading.Thread(target=self._read_output, args=(process,), daemon=True)
        self._reader.start()
        return process

    def _command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            self.application or "jupyter_server",
            "--no-browser",
            "--allow-root",
            f"--ServerApp.root_dir={self.root_dir}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
        ]

    def _environment(self) -> dict[str, str]:
        changes: dict[str, str | None] = {
            "JUPYTER_CONFIG_DIR": str(self.directory / "config"),
            "JUPYTER_DATA_DIR": str(self.data_dir),
            "JUPYTER_RUNTIME_DIR": str(self.runtime_dir),
            "IPYTHONDIR": str(self.directory / "ipython"),
            "JUPYTER_TOKEN": None,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(
                [*map(str, self.pythonpath), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            **self.env,
        }
        kept = {name: value for name, value in os.environ.items() if name not in changes}
        return kept | {name: value for name, value in changes.items() if value is not None}

    def _write_config(self) -> None:
        for folder in (self.root_dir, self.runtime_dir, self.data_dir):
            folder.mkdir(parents=True, exist_ok=True)
        enabled = dict.fromkeys(_SWITCHED_OFF, False) | dict.fromkeys(self.extensions, True)
        if self.application:
            enabled[self.application] = True
        traits: dict[str, dict[str, Any]] = {
            "ServerApp": {"jpserver_extensions": enabled},
            "LabApp": {"check_for_updates_class": "jupyterlab.NeverCheckForUpdate"},
        }
        for name, value in self.config.items():
            owner, _, trait = name.partition(".")
            traits.setdefault(owner, {})[trait] = value
        _write_json(self.directory / "config" / "jupyter_server_config.json", traits)
        # A notification about news would lie over what a browser test wants to click.
        _write_json(
            self.directory / "config" / "labconfig" / "page_config.json",
            {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}},
        )

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Return whether it came up; else somebody has borrowed its port while it was down."""
        info = self.runtime_dir / f"jpserver-{process.pid}.json"
        while True:
            if process.poll() is not None:
                self._ended()
                if self.port and self.lines(f"port {self.port} is already in use"):
                    await anyio.sleep(1)
                    return False
                raise ServerError(self._story(f"The server ended with {process.returncode}."))
            try:
                self.port = int(json.loads(info.read_text(encoding="utf-8"))["port"])
                if not self.port:  # an old Jupyter server does not tell which one it got
                    self.kill()
                    self.port = _free_port()
                    return False
                response = await self.request("GET", "/api/status")
            except (OSError, ValueError, httpx.TransportError):
                await anyio.sleep(_POLL)
            else:
                response.raise_for_status()
                return True

    def _read_output(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for raw in output:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                with self._lock:
                    self.log.append(line)
                    for waiter in self._waiters:
                        waiter.offer(line)
        with self._lock:
            if self._process is process:
                self._reading = False
            for waiter in self._waiters:
                waiter.give_up()

    def _ended(self) -> None:
        if self._reader is not None:
            # A kernel that outlives the server may hold the pipe open.
            self._reader.join(timeout=10)
            self._reader = None
            self._reading = False
        if self._http is not None:
            self._http.close()
            self._http = None

    def _story(self, what: str) -> str:
        return "\n".join([what, "The end of its log:", *self.log[-40:]])


class _Waiter:
    """Somebody waiting in an event loop for a line that the reading thread will see."""

    def __init__(self, pattern: str | re.Pattern[str], loop: asyncio.AbstractEventLoop) -> None:
        self._matches = _matcher(pattern)
        self._loop = loop
        self.event = anyio.Event()
        self.line: str | None = None

    def offer(self, line: str) -> None:
        if self.line is None and self._matches(line):
            self.line = line
            self.give_up()

    def give_up(self) -> None:
        self._loop.call_soon_threadsafe(self.event.set)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _matcher(pattern: str | re.Pattern[str]) -> Any:
    if isinstance(pattern, str):
        return lambda line: pattern in line
    return pattern.search


def _answer(response: httpx.Response) -> tuple[int, Any]:
    if response.headers.get("content-type", "").startswith("application/json"):
        return response.status_code, response.json()
    return response.status_code, response.content


def _write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
