"""Start a Dask scheduler, two workers and a Jupyter server on this machine, and ask a persona.

    python examples/cluster/cluster.py "What can you do?"
    python examples/cluster/cluster.py --lab

All processes end with this one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

WAIT = 120.0
READY = "is ready for personas"


@contextmanager
def running(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module as a process that ends with the block, and not on Ctrl-C."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_until(file: Path, text: str, *, times: int = 1) -> str:
    """Wait until a file holds a text so often; return what it holds."""
    until = time.monotonic() + WAIT
    held = ""
    while time.monotonic() < until:
        held = file.read_text("utf-8") if file.exists() else ""
        if held.count(text) >= times:
            return held
        time.sleep(0.1)
    sys.exit(f"{file.name} does not say `{text}`:\n{held}")


def ask(url: str, token: str, persona: str, question: str) -> str:
    """Ask a persona by the REST API."""
    request = urllib.request.Request(
        f"{url}/api/ai/message/{persona}",
        json.dumps({"message": question}).encode(),
        {"Authorization": f"token {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return str(json.load(answer)["response"])
    except urllib.error.HTTPError as error:
        sys.exit(error.read().decode())


def open_lab(setting: str) -> None:
    """Run JupyterLab in this folder until it ends: on Ctrl-C it asks whether it shall."""
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", setting]
    if Path("welcome.chat").exists():
        command.append("--LabApp.default_url=/lab/tree/welcome.chat")
    lab = subprocess.Popen(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        lab.wait()
    finally:
        lab.terminate()
        lab.wait()


def end(number: int, _: object) -> None:
    """End this process like an error does, so that it ends those that it started."""
    sys.exit(128 + number)


def main() -> None:
    """Start everything, ask, and print the answer; or open JupyterLab."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("question", nargs="?", default="What can you do?")
    parser.add_argument("--persona", default="Guide")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lab", action="store_true", help="open JupyterLab instead of asking")
    options = parser.parse_args()

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    known = folder / "scheduler.json"
    with ExitStack() as processes:

        def start(name: str, *command: str) -> Path:
            log = folder / f"{name}.log"
            processes.enter_context(running(*command, log=log))
            return log

        here = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(known)]
        start("scheduler", "distributed.cli.dask_scheduler", "--port", "0", *here)
        address = json.loads(wait_until(known, "address"))["address"]
        for number in range(options.workers):
            scratch = ["--nthreads", "1", "--local-directory", str(folder)]
            log = start(f"worker-{number}", "distributed.cli.dask_worker", *scratch, *here)
            wait_until(log, "Registered to:")
        place = address.replace("tcp://", "dask://")
        print(f"A scheduler and {options.workers} workers run; logs are in {folder}")
        print(f'c.AiExtension.hosts = "{place}"')
        setting = f"--AiExtension.hosts={place}"
        if options.lab:
            open_lab(setting)
            return
        os.environ["JUPYTER_TOKEN"] = token = secrets.token_hex()
        (folder / "root").mkdir()
        server = [
            "--ServerApp.jpserver_extensions=jupyter_ai_personas=True",
            f"--ServerApp.root_dir={folder / 'root'}",
            *("--ServerApp.port=0", "--ServerApp.open_browser=False", "--allow-root"),
        ]
        log = start("server", "jupyter_server", *server, setting)
        url = re.search(r"http://[^/\s]+", wait_until(log, "is running at:"))
        assert url is not None
        print(f"{options.persona}: {ask(url[0], token, options.persona, options.question)}")
        for line in wait_until(log, READY, times=options.workers).splitlines():
            if READY in line:
                print(line)


if __name__ == "__main__":
    main()
