"""Packages of other people, as published: installed without their dependencies into a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def installed(folder: Path, *requirements: str) -> Path:
    """Install `requirements` into `folder`, and return it for ``pythonpath``."""
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, *command, "--target", str(folder), *requirements],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder
