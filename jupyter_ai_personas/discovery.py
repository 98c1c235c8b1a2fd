"""Entry points of a group, each found or broken, none hindering another.

Reading is blocking (it imports foreign packages): call it in a worker thread, never on an event
loop. The source of the format is the entry-points specification of the Python Packaging User
Guide, read by ``importlib_metadata``.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import importlib_metadata

from . import stand_ins
from .import_errors import one_line, why_not_imported

__all__ = [
    "MODEL_PROVIDERS_GROUP",
    "PERSONAS_GROUP",
    "TOOLSETS_GROUP",
    "Broken",
    "Entry",
    "Found",
    "Stage",
    "Wanted",
    "Watch",
    "discover",
    "one_line",
    "unwatched",
]

PERSONAS_GROUP = "jupyter_ai.personas"
MODEL_PROVIDERS_GROUP = "jupyter_ai.model_providers"
TOOLSETS_GROUP = "jupyter_ai_personas.toolsets"
_GROUPS = (PERSONAS_GROUP, MODEL_PROVIDERS_GROUP, TOOLSETS_GROUP)

Stage = Literal["import", "class", "duplicate", "instantiate", "requirements", "elsewhere"]
Wanted = Literal["class", "callable"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry point: its group, its name, its distribution's name, and what it names."""

    group: str
    name: str
    distribution: str
    value: str


@dataclass(frozen=True, slots=True)
class Found:
    """An entry point that loaded: its name, its distribution's name, and the object."""

    name: str
    distribution: str
    value: str
    obj: Any
    group: str = ""

    @property
    def entry(self) -> Entry:
        """The entry point without its object."""
        return Entry(self.group, self.name, self.distribution, self.value)


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry point that cannot be used.

    ``stage`` says where it failed: at ``import``, because what it names is not the ``class`` that
    the group wants (or the callable), because its id is a ``duplicate``, or when it was first
    ``instantiate``\\ d or called. Its ``requirements`` may not be installed, as its package itself
    says, or it may run ``elsewhere``: that is no fault.
    ``error`` is one line; ``fix`` is what to do about it.
    """

    name: str
    distribution: str
    value: str
    stage: Stage
    error: str
    fix: str

    @property
    def is_fault(self) -> bool:
        """Whether something must be mended."""
        return self.stage not in ("requirements", "elsewhere")

    def __str__(self) -> str:
        return f"{self.name} ({self.value}, from {self.distribution}): {self.error}. {self.fix}"


Watch = Callable[[Entry], Broken | None]
"""Called before code of an entry point runs. Returns why it must not, ``None`` if it may."""


def unwatched(entry: Entry) -> Broken | None:
    """Let all entry points run."""
    return None


def _load(
    entry_point: Any,
    distribution: str,
    group: str,
    check: Callable[[Any], str | None],
    wanted: Wanted,
) -> Found | Broken:
    """Import what an entry point names; see :func:`discover`."""

    def broken(stage: Stage, error: str, fix: str) -> Broken:
        return Broken(entry_point.name, distribution, entry_point.value, stage, error, fix)

    where = f"the entry point in group `{group}` of `{distribution}`"
    try:
        obj = entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if any(cls.__name__ == "PersonaRequirementsUnmet" for cls in type(error).__mro__):
            text = " ".join(str(error).split()).rstrip(".")
            return broken("requirements", text, "Without that, this one is not offered")
        # An import runs foreign code, which may well raise SystemExit.
        fix = f"Fix {where}"
        return broken("import", *why_not_imported(error, entry_point.value, distribution, fix))
    if not (inspect.isclass(obj) if wanted == "class" else callable(obj)):
        return broken("class", f"it names a `{type(obj).__name__}`, not a {wanted}", f"Fix {where}")
    try:
        problem = check(obj)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        problem = f"looking at it raised {one_line(error)}"
    if problem:
        return broken("class", problem, f"Fix the {wanted}, or {where}")
    return Found(entry_point.name, distribution, entry_point.value, obj, group)


def _installed(group: str) -> Iterable[Any]:
    """Return the entry points of ``group`` in the folders of ``sys.path``, as they are now."""
    if group not in _GROUPS:
        return importlib_metadata.entry_points(group=group)
    return _read(tuple((folder, _changed(folder)) for folder in sys.path))[group]


def _changed(folder: str) -> int:
    """Return when a package was last added or removed (ns), 0 for a folder that is not there."""
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _read(folders: tuple[tuple[str, int], ...]) -> Mapping[str, Iterable[Any]]:
    """Read the entry points of every installed package, once for all groups."""
    every = importlib_metadata.entry_points()
    return {group: tuple(every.select(group=group)) for group in _GROUPS}


def discover(
    group: str,
    *,
    check: Callable[[Any], str | None] = lambda obj: None,
    entry_points: Iterable[Any] | None = None,
    wanted: Wanted = "class",
    watch: Watch = unwatched,
) -> tuple[list[Found], list[Broken]]:
    """Load every entry point of ``group``; each must name a ``wanted`` object.

    ``check`` gets each loaded object and returns what is wrong with it, or ``None``.
    ``entry_points`` stands in for the installed ones (tests). ``watch`` is called before each one
    is loaded, and may keep it from that. Entry points are taken in the order of distribution and
    name, so that the outcome does not depend on the file system. An error of
    any kind while one is loaded or checked, ``SystemExit`` included, makes that one
    :class:`Broken`; only ``KeyboardInterrupt`` passes.
    """
    stand_ins.install()
    if entry_points is None:
        entry_points = _installed(group)
    found: list[Found] = []
    broken: list[Broken] = []

    names: dict[int, str] = {}

    def key(entry_point: Any) -> tuple[str, str]:
        # `name` parses all metadata of the distribution: ask once.
        dist = entry_point.dist
        if id(dist) not in names:
            names[id(dist)] = getattr(dist, "name", None) or ""
        return (names[id(dist)], entry_point.name)

    seen: set[tuple[str, str, str]] = set()
    for entry_point in sorted(entry_points, key=key):
        distribution = key(entry_point)[0] or "unknown distribution"
        identity = (distribution, entry_point.name, entry_point.value)
        if identity in seen:  # the same distribution twice on sys.path (editable installs)
            continue
        seen.add(identity)
        kept = watch(Entry(group, entry_point.name, distribution, entry_point.value))
        loaded = kept or _load(entry_point, distribution, group, check, wanted)
        if isinstance(loaded, Found):
            found.append(loaded)
        else:
            broken.append(loaded)
    return found, broken
