"""The built package in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .server import JupyterServer

REPOSITORY = Path(__file__).parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the package and return its wheel."""
    command = ["wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(REPOSITORY)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    (file,) = folder.glob("*.whl")
    return file


class Environment:
    """A virtual environment with a configuration and data of its own.

    With ``uv``, packages come from its cache, and in seconds.
    """

    def __init__(self, folder: Path, *, uv: bool = False) -> None:
        self.bin = folder / "venv" / "bin"
        self.folder = folder
        make = ["uv", "venv", "--quiet", "--seed", f"--python={sys.executable}"]
        command = make if uv else ["venv"]
        subprocess.run([sys.executable, "-m", *command, str(folder / "venv")], check=True)
        self._uv = uv

    def variables(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return kept | {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
        }

    def run(self, program: str, *arguments: str, code: int = 0, cwd: Path | None = None) -> str:
        """Run a program of the environment and return what it prints."""
        done = subprocess.run(
            [self.bin / program, *arguments],
            env=self.variables(),
            cwd=cwd or self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def install(self, *requirements: str) -> None:
        if not self._uv:
            self.pip_install(*requirements)
            return
        command = ["uv", "pip", "install", "--quiet", f"--python={self.bin / 'python'}"]
        subprocess.run([sys.executable, "-m", *command, *requirements], check=True)

    def pip_install(self, *requirements: str) -> None:
        self.run("python", "-m", "pip", "install", "--quiet", *requirements)


class InstalledServer(JupyterServer):
    """A server of another environment than the tests' own."""

    def __init__(self, folder: Path, environment: Environment, **options: Any) -> None:
        super().__init__(folder, env={"PYTHONPATH": None}, **options)
        self._python = environment.bin / "python"

    def _command(self) -> list[str]:
        return [str(self._python), *super()._command()[1:]]
