"""Hides personas, providers and toolsets of packages that are installed beside the tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import importlib_metadata

OWN = "jupyter_ai_personas"
GROUPS = ("jupyter_ai.personas", "jupyter_ai.model_providers", "jupyter_ai_personas.toolsets")


def foreign() -> list[importlib_metadata.Distribution]:
    """Distributions, except our own, with entry points that a server would load."""
    points = [point for group in GROUPS for point in importlib_metadata.entry_points(group=group)]
    found = {point.dist.name: point.dist for point in points if point.dist is not None}
    return [dist for name, dist in found.items() if name.replace("-", "_") != OWN]


def is_installed(name: str) -> bool:
    """Whether there is a distribution `name`: its import name may be a stand-in of ours."""
    return any(importlib_metadata.distributions(name=name))


def hide() -> Path | None:
    """Hide them from this process and all that it starts; return a folder to remove in the end.

    Metadata of the same name that comes first on the path counts: here it has no entry points. A
    package that a test puts on ``PYTHONPATH`` comes before that.
    """
    if not (hidden := foreign()):
        return None
    folder = Path(tempfile.mkdtemp(prefix="hidden-entry-points-"))
    for dist in hidden:
        info = folder / f"{dist.name.replace('-', '_')}-{dist.version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {dist.name}\nVersion: {dist.version}\n", "utf-8")
    sys.path.insert(0, str(folder))
    kept = filter(None, [os.environ.get("PYTHONPATH")])
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *kept])
    return folder


def show(folder: Path) -> None:
    """Undo what `hide` did."""
    sys.path.remove(str(folder))
    kept = os.environ["PYTHONPATH"].split(os.pathsep)
    kept.remove(str(folder))
    if kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    else:
        del os.environ["PYTHONPATH"]
    shutil.rmtree(folder)
