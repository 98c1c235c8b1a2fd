"""The benchmarks and the chaos game, which only people start, fit the product."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_all_modules_can_be_imported() -> None:
    names = [
        f"{file.parent.name}.{file.stem}"
        for folder in ("benchmarks", "chaos")
        for file in sorted((HERE / folder).glob("*.py"))
        if not file.stem.startswith(("__", "test_"))
    ]
    assert len(names) > 30
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], cwd=HERE, check=True)
