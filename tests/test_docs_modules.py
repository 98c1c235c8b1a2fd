"""The tables of modules in `docs/architecture.md` are complete, and in the order of imports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import jupyter_ai_personas

PACKAGE = Path(jupyter_ai_personas.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "architecture.md"


def rows_of(package: str) -> list[list[str]]:
    """Return the modules in each row of the table below the heading of a package."""
    section = PAGE.read_text("utf-8").partition(f"### {package}/")[2].partition("\n##")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [re.findall(r"`(\w+)/?`", cell) for cell in cells]


@pytest.mark.parametrize("package", ["chat", "runtime"])
def test_each_module_is_listed_below_those_that_it_imports(package: str) -> None:
    listed = [name for row in rows_of(package) for name in row]
    folder = PACKAGE / package
    files = {
        path: path.relative_to(folder).parts[0].removesuffix(".py")
        for path in folder.rglob("*.py")
        if path != folder / "__init__.py"
    }
    assert sorted(listed) == sorted(set(files.values()))
    importing = re.compile(rf"^ *from jupyter_ai_personas\.{package}\.(\w+)", re.MULTILINE)
    faults = [
        f"{name} imports {imported}"
        for path, name in files.items()
        for imported in importing.findall(path.read_text("utf-8"))
        if listed.index(imported) > listed.index(name)
    ]
    assert faults == []
