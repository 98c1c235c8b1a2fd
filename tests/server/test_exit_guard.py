"""How a process ends that has the guard: with its own status, soon, and with the ledger written."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest
from support.plugin import make_plugin
from support.server import DEFAULT_EXTENSIONS, JupyterServer

from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.server import exit_guard

PROGRAM = """
import atexit, logging, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import SourceFileLoader

# By its path: the package would import the whole server.
guard = SourceFileLoader("exit_guard", sys.argv[1]).load_module()
guard.GRACE_SECONDS = 0.3

logging.basicConfig(level=logging.INFO, format="%(message)s")
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
atexit.register(print, "exit handlers ran", flush=True)


class Server:
    def stop(self, from_signal=False):
        sys.exit(5)


def spin():
    while True:
        pass


guard.guard_exit(Server(), logging.getLogger())
if "thread" in sys.argv:
    threading.Thread(target=threading.Event().wait, name="stuck").start()
if "executor" in sys.argv:
    ThreadPoolExecutor().submit(threading.Event().wait)
if "spins" in sys.argv:
    threading.Thread(target=spin, name="spins").start()
if "ledger" in sys.argv:
    import asyncio
    from jupyter_ai_personas.runtime.ledger import Ledger, TurnRecord, ReplySnapshot

    async def record():
        ledger = Ledger("ledger.sqlite", log=logging.getLogger())
        await ledger.open()
        row = TurnRecord(
            turn_id="t", chat_id="c", path="a.chat", message={"id": "m"}, persona_id="p",
            person="ada", accepted_at=time.time(), root="m",
        )
        await ledger.accept([row])
        ledger.started("t")
        ledger.checkpoint("t", [ReplySnapshot("r", "so far", "streaming", {})])

    asyncio.run(record())
"""

ENDS = {
    "": 0,
    "sys.exit(3)": 3,
    "raise SystemExit(4)": 4,
    "sys.exit('sorry')": 1,
    "raise ValueError('x')": 1,
    "raise KeyboardInterrupt": -signal.SIGINT,
    "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)": 0,
    "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)": 5,
    "os.kill(os.getpid(), signal.SIGABRT)": -signal.SIGABRT,
}


def run(end: str, *left: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM + end, exit_guard.__file__, *left]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


CASES = [*((end, "thread") for end in ENDS), ("sys.exit(3)", "nothing"), ("sys.exit(3)", "spins")]


@pytest.mark.parametrize(("end", "left"), CASES)
def test_the_exit_status_is_the_one_that_it_would_have_been(end: str, left: str) -> None:
    done = run(end, left)
    assert done.returncode == ENDS[end], done.stderr
    assert ("exit handlers ran" in done.stdout) == ("SIGABRT" not in end)


def test_threads_that_are_not_waited_for_are_named() -> None:
    assert "not waiting for these threads: stuck" in run("", "thread").stderr
    assert "not waiting" not in run("", "nothing").stderr


def test_an_executor_that_is_stuck_does_not_hold_the_process() -> None:
    assert run("sys.exit(3)", "executor").returncode == 3


@pytest.mark.parametrize("left", ["nothing", "thread"])
async def test_the_ledger_that_nobody_closed_is_written(tmp_path: Path, left: str) -> None:
    done = run("sys.exit(3)", left, "ledger", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "ai-personas-ledger" not in done.stderr
    ledger = Ledger(tmp_path / "ledger.sqlite", log=logging.getLogger("tests"))
    await ledger.open()
    try:
        (row,) = await ledger.open_turns("c")
        assert [reply.body for reply in row.replies] == ["so far"]
    finally:
        await ledger.aclose()


QUITS = """
import sys
import threading

from tornado.web import RequestHandler


class Quit(RequestHandler):
    def get(self):
        threading.Thread(target=threading.Event().wait, name="stuck").start()
        sys.exit(3)


def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*", [("/quit", Quit)])


def _jupyter_server_extension_points():
    return [{"module": "quits"}]
"""


@pytest.mark.server
async def test_a_server_that_fails_says_so_to_its_supervisor(tmp_path: Path) -> None:
    package = make_plugin(tmp_path / "packages", "quits", {"__init__.py": QUITS}, {})
    extensions = (*DEFAULT_EXTENSIONS, "quits")
    server = JupyterServer(tmp_path / "server", pythonpath=[package], extensions=extensions)
    async with server:
        assert (await server.get("/api/ai/personas"))[0] == 200
        with pytest.raises(httpx.TransportError):
            await server.get("/quit")
        process = server._process
        assert process is not None
        assert await anyio.to_thread.run_sync(process.wait, 120) == 3
        await server.wait_for_log(re.compile("not waiting for these threads: .*stuck"))
