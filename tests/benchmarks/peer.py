"""The environment of the published alternative, made once and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PEER = ("jupyter-ai-persona-manager==0.2.2", "jupyter-ai-router==0.1.1")
# The ground must be the same on both sides, to the last digit.
_SAME = (
    "anyio",
    "jupyter-collaboration",
    "jupyter-server",
    "jupyter-server-ydoc",
    "jupyter-ydoc",
    "jupyterlab-chat",
    "pycrdt",
    "pycrdt-websocket",
    "tornado",
)


def ground() -> list[str]:
    """What both sides stand on, as requirements."""
    return [f"{name}=={version(name)}" for name in _SAME]


def peer_python(directory: Path) -> Path:
    """The interpreter of an environment with the alternative, made in ``directory`` if missing."""
    python = directory / "bin" / "python"
    wanted = "\n".join([*PEER, *ground()])
    stamp = directory / "installed.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"Installing {' '.join(PEER)} into {directory.name} …", flush=True)
    if directory.exists():
        shutil.rmtree(directory)
    uv = shutil.which("uv")
    if uv:
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(directory)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        make = [sys.executable, "-m", "venv", str(directory)]
        install = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run(make, check=True, timeout=300)
    subprocess.run([*install, *PEER, *ground()], check=True, timeout=900)
    stamp.write_text(wanted, encoding="utf-8")
    return python
