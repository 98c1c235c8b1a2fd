"""`GET /api/ai/search` and `jupyter ai-personas search`: one list, with and without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from support.server import JupyterServer

pytestmark = pytest.mark.server

WAIT = 300.0
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Nectar"},
        {
            "cell_type": "code",
            "id": "failing",
            "metadata": {},
            "execution_count": 1,
            "source": "jar['pollen']",
            "outputs": [
                {"output_type": "error", "ename": "KeyError", "evalue": "'pollen'", "traceback": []}
            ],
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
FILES = {
    "docs/bees.md": "# Bees\n\nThey make honey.\n\n## Wax\n\nCandles are made of it.\n",
    "hive.py": "import os\n\n\ndef count_bees(hive):\n    return len(hive)\n",
    "nectar.ipynb": json.dumps(NOTEBOOK),
    "talk.chat": json.dumps({"messages": [{"id": "1", "sender": "ada", "body": "Drones leave."}]}),
    ".env": "SECRET_HONEY=honey",
}


def fill(root: Path) -> None:
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")


async def answer(
    server: JupyterServer, query: str, wanted: Callable[[list[dict[str, Any]]], bool] = bool
) -> list[dict[str, Any]]:
    """Ask until the results are as wanted; nothing but 503 may come before there are any."""
    told: Any = None
    with anyio.move_on_after(WAIT):
        while True:
            response = await server.request("GET", "/api/ai/search", params={"q": query})
            told = response.json()
            if response.status_code == 200 and wanted(told["results"]):
                return list(told["results"])
            assert response.status_code in (200, 503), told
            await anyio.sleep(0.05)
    raise AssertionError(told)


async def test_the_workspace_is_searched(start_server: Callable[..., Any], tmp_path: Path) -> None:
    root = tmp_path / "server-0" / "root"
    fill(root)
    server = await start_server(config={"AiExtension.workspace_search": True})
    (bees,) = await answer(server, "who makes honey?")
    assert bees == {
        "path": "docs/bees.md",
        "line": 1,
        "cell": None,
        "heading": "Bees",
        "text": "# Bees\n\nThey make honey.",
        "score": bees["score"],
    }
    (wax,) = await answer(server, "candels")
    assert (wax["path"], wax["line"], wax["heading"]) == ("docs/bees.md", 5, "Bees › Wax")
    (code, *_) = await answer(server, "countBees")
    assert (code["path"], code["line"], code["heading"]) == ("hive.py", 4, "count_bees")
    (cell,) = await answer(server, "KeyError pollen")
    assert (cell["path"], cell["cell"], cell["heading"]) == ("nectar.ipynb", "failing", "Nectar")
    (message,) = await answer(server, "when do drones leave")
    assert (message["path"], message["heading"]) == ("talk.chat", "ada")

    # Without the server's help, the command line prints the same.
    (row, *_) = json.loads(run_search(server, "countBees", "--json").stdout)
    assert row == code

    (root / "new.md").write_text("gnu")
    (gnu,) = await answer(server, "gnu")
    assert gnu["path"] == "new.md"
    response = await server.request("GET", "/api/ai/search?q=bees&limit=1")
    assert len(response.json()["results"]) == 1

    workers = [child for child in psutil.Process(server.pid).children() if is_worker(child)]
    assert len(workers) == 1
    await server.terminate()
    assert not workers[0].is_running()
    # Nor does it need one.
    (row, *_) = json.loads(run_search(server, "countBees", "--json").stdout)
    assert row["path"] == "hive.py"
    printed = run_search(server, "candels")
    assert printed.stdout.startswith("docs/bees.md, line 5  Bees › Wax\n    ## Wax\n")
    assert "Nothing was found." in run_search(server, "xylophone").stdout


def is_worker(process: psutil.Process) -> bool:
    return "jupyter_ai_personas.context.worker" in process.cmdline()


def run_search(server: JupyterServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "JUPYTER_CONFIG_DIR": str(server.directory / "config"),
        "JUPYTER_DATA_DIR": str(server.data_dir),
    }
    program = Path(sys.executable).with_name("jupyter-ai-personas")
    ran = subprocess.run(
        [program, "search", "--root", str(server.root_dir), *arguments],
        env=env,
        text=True,
        capture_output=True,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr
    return ran


async def test_what_the_operator_excludes_is_not_found(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    fill(tmp_path / "server-0" / "root")
    server = await start_server(
        config={
            "AiExtension.workspace_search": True,
            "AiExtension.search_exclude": ["docs/", "*.chat"],
        }
    )
    await answer(server, "count_bees")
    assert await answer(server, "honey drones candles", lambda results: not results) == []


async def test_search_that_is_turned_off_says_so(start_server: Callable[..., Any]) -> None:
    server = await start_server(config={"AiExtension.workspace_search": False})
    response = await server.request("GET", "/api/ai/search?q=honey")
    assert response.status_code == 503
    assert "c.AiExtension.workspace_search" in response.json()["message"]
    assert not [child for child in psutil.Process(server.pid).children() if is_worker(child)]
