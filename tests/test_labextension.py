"""The built front end: small, and where JupyterLab looks for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jupyterlab_server.config import get_federated_extensions

REPOSITORY = Path(__file__).parents[1]
BUNDLE = REPOSITORY / "jupyter_ai_personas" / "labextension"
INSTALLED = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
MAX_BYTES = 60_000


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_the_bundle_is_small() -> None:
    scripts = {file.name: file.stat().st_size for file in (BUNDLE / "static").glob("*.js")}
    assert sum(scripts.values()) <= MAX_BYTES, scripts


def test_jupyterlab_lists_the_labextension() -> None:
    found = get_federated_extensions([str(INSTALLED)])["jupyter-ai-personas"]
    assert found["install"]["packageManager"] == "python"
    assert found["jupyterlab"]["_build"]["load"].startswith("static/remoteEntry.")


def test_the_environment_has_the_bundle_of_the_repository() -> None:
    """If not: `make frontend` copies it, as does installing the package again."""
    installed = contents(INSTALLED / "jupyter-ai-personas")
    assert json.loads(installed.pop("install.json"))["packageName"] == "jupyter_ai_personas"
    assert installed == contents(BUNDLE)
