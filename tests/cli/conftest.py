from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mcp.client.stdio  # noqa: F401  # binds the error stream, which has no file in a test
import pytest
from support.broken import make_broken_plugins
from support.programs import Ran, Run

from jupyter_ai_personas.cli import main


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_broken_plugins(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program with a configuration of its own, and with packages, if any.

    In this process: another one imports every vendor's package anew, for seconds.
    """
    folder = tmp_path / "config"
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(folder))
    # An MCP server that a busy machine starts slowly is not a broken one.
    monkeypatch.setattr("jupyter_ai_personas.tools.mcp.WAIT_SECONDS", 180.0)
    monkeypatch.setattr("jupyter_ai_personas.tools.mcp_server.START_SECONDS", 180.0)
    # Without these, what is logged for nobody is printed, as in a process of its own.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    def run(
        *arguments: str, config: Mapping[str, Any] | None = None, pythonpath: Path | None = None
    ) -> Ran:
        folder.mkdir(exist_ok=True)
        (folder / "jupyter_server_config.json").write_text(json.dumps(config or {}))
        capsys.readouterr()
        with monkeypatch.context() as patch:
            if pythonpath is not None:
                patch.syspath_prepend(pythonpath)
            code = main(arguments)
        return Ran(code, *capsys.readouterr())

    return run
