"""Packages with entry points, installed by nothing but a place on ``PYTHONPATH``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path


def make_plugin(
    directory: Path,
    name: str,
    files: Mapping[str, str],
    entry_points: Mapping[str, Mapping[str, str]],
    *,
    version: str = "1.0",
    requires: Sequence[str] = (),
) -> Path:
    """Write an installed package, without pip, and return the directory to put on ``pythonpath``.

    Args:
        directory: Where: each package may have its own, or several share one.
        name: The package, and the distribution.
        files: Sources by path inside the package; an ``__init__.py`` is added when missing.
        entry_points: ``{group: {name: "package.module:object"}}``.
        version: The distribution's.
        requires: The distribution's requirements, as ``Requires-Dist`` gives them.
    """
    package = directory / name
    if package.exists():
        shutil.rmtree(package)
    for path, source in {"__init__.py": "", **files}.items():
        file = package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    metadata = directory / f"{name}-{version}.dist-info"
    metadata.mkdir(exist_ok=True)
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    head += [f"Requires-Dist: {requirement}" for requirement in requires]
    (metadata / "METADATA").write_text("\n".join(head) + "\n", encoding="utf-8")
    sections = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in points.items())])
        for group, points in entry_points.items()
    ]
    (metadata / "entry_points.txt").write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return directory
