"""Writes the files of something new, never over others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from jupyter_ai_personas.cli.scaffold.names import GROUPS, Kind, Names, check_name
from jupyter_ai_personas.errors import ConfigurationError

__all__ = ["new"]

_ENDING = ".tmpl"
_REFERENCES = {
    "persona": "persona:{cls}",
    "provider": "provider:{cls}Provider",
    "toolset": "tools:{module}",
}


def new(kind: Kind, name: str, folder: Path, *, dry_run: bool) -> int:
    """Write a package into ``folder / name``, or a Markdown persona for ``folder``; return 0.

    ``dry_run`` prints the files and writes none.

    Raises:
        ConfigurationError: the name cannot be used, or there are such files already.
    """
    names = check_name(kind, name)
    made = dict(_files(kind, names))
    top = folder / ".jupyter" / "personas" if kind == "markdown" else folder / names.package
    _check_free(kind, top, made)
    for path, text in made.items():
        file = top / path
        if dry_run:
            print(f"# {file}\n{text}")
        else:
            _write(file, text)
            print(f"Wrote {file}")
    if not dry_run:
        print(_next_steps(kind, names, top))
    return 0


def _check_free(kind: Kind, top: Path, made: Mapping[str, str]) -> None:
    if kind == "markdown":
        there = next((top / path for path in made if _is_there(top / path)), None)
    else:
        there = top if _is_there(top) else None
    if there is not None:
        raise ConfigurationError(f"`{there}` is there already. Nothing was written.")
    parent = next(one for one in top.parents if one.exists() or one.is_symlink())
    if not parent.is_dir():
        raise ConfigurationError(f"`{parent}` is no folder. Nothing was written.")


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"`{file}` cannot be written: {reason}.") from None


def _files(kind: Kind, names: Names) -> Iterator[tuple[str, str]]:
    """Yield the files of something new, in order, with their texts."""
    values = {
        "package": names.package,
        "module": names.module,
        "cls": names.cls,
        "title": names.title,
        "quoted": json.dumps(names.title, ensure_ascii=False),
        "mention": names.title.replace(" ", "-"),
        "initial": names.title[:1],
        "kind": kind,
        "group": GROUPS.get(kind, ""),
        "reference": _REFERENCES.get(kind, "").format(cls=names.cls, module=names.module),
    }
    templates = files(__package__) / "templates"
    for folder in ("markdown",) if kind == "markdown" else ("package", kind):
        for path, text in _walk(templates / folder, ""):
            named = path.removesuffix(_ENDING).replace("MODULE", names.module)
            yield named.replace("NAME", names.package), Template(text).substitute(values)


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda one: one.name):
        here = f"{path}/{item.name}".lstrip("/")
        if item.is_dir():
            yield from _walk(item, here)
        elif item.name.endswith(_ENDING):
            yield here, item.read_text("utf-8")


def _next_steps(kind: Kind, names: Names, top: Path) -> str:
    if kind == "markdown":
        return f"\nMention @{names.title.replace(' ', '-')} in a chat of that folder."
    then = {
        "persona": f"restart Jupyter and mention @{names.title.replace(' ', '-')} in a chat",
        "provider": f"restart Jupyter and write `/model @Guide {names.package}:small` in a chat",
        "toolset": "restart Jupyter and write `/tools` in a chat",
    }[kind]
    return f"\nNow run\n\n    cd {top}\n    pip install -e '.[test]'\n    pytest\n\nthen {then}."
