"""`make cluster`: a persona answers through a scheduler and two workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "cluster" / "cluster.py"


# It starts four interpreters with LangChain; the tests of Dask hosts prove the parts.
@pytest.mark.slow
@pytest.mark.server
def test_the_example_answers_through_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    ran = subprocess.run(
        [sys.executable, EXAMPLE, "What can you do?"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "A scheduler and 2 workers run" in ran.stdout
    assert "Guide: I answer with passages of your files" in ran.stdout
    assert ran.stdout.count("is ready for personas") == 2
