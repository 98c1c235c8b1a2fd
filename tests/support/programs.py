"""Programs that tests run, and what they printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[..., "Ran"]

BIN = Path(sys.executable).parent


@dataclass
class Ran:
    """How the program ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def start(program: str, *arguments: str) -> Ran:
    """Run an installed program in a process of its own."""
    env = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run([BIN / program, *arguments], env=env, text=True, capture_output=True)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def findings(result: Ran, state: str) -> list[dict[str, str]]:
    report = json.loads(result.stdout)
    return [finding for finding in report["findings"] if finding["state"] == state]
