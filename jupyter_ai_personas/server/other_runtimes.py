"""Jupyter AI on the same server: another runtime, which loads the same entry points.

A package that depends on `jupyter_ai` installs it. Jupyter AI 3 answers in the same chats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import importlib_metadata

from jupyter_ai_personas.discovery import MODEL_PROVIDERS_GROUP, PERSONAS_GROUP
from jupyter_ai_personas.runtime.other_runtime import OtherRuntime

__all__ = ["PERSONA_MANAGER", "InstalledRuntime", "find_other_runtime", "other_runtime_in"]

PERSONA_MANAGER = "jupyter_ai_persona_manager"
_EXTENSIONS = ("jupyter_ai", PERSONA_MANAGER, "jupyter_ai_router")
_DISTRIBUTIONS = frozenset(name.replace("_", "-") for name in _EXTENSIONS)


@dataclass(frozen=True, slots=True)
class InstalledRuntime:
    """Jupyter AI as it is installed here.

    ``distributions`` are its own, each with its version; ``extensions`` those of its server
    extensions that are enabled; ``brought_by`` are the packages with plug-ins that require it.
    """

    distributions: tuple[str, ...]
    extensions: tuple[str, ...]
    brought_by: tuple[str, ...]


def other_runtime_in(settings: Mapping[str, Any], chat_id: str) -> OtherRuntime | None:
    """Return what Jupyter AI 3 serves in a chat, ``None`` if it does not run here.

    ``settings`` are the web application's.
    """
    theirs = settings.get("jupyter-ai")
    if not isinstance(theirs, Mapping) or "persona-managers" not in theirs:
        return None
    manager = theirs["persona-managers"].get(chat_id)
    if not hasattr(manager, "TO_PERSONA_METADATA_KEY"):
        return OtherRuntime()  # it is not ready in this chat, or answers mentions
    try:
        return OtherRuntime({id_: str(one.name) for id_, one in manager.personas.items()})
    except Exception:
        # A persona's name is its author's code.
        return OtherRuntime()


def find_other_runtime(enabled: Mapping[str, bool]) -> InstalledRuntime | None:
    """Return Jupyter AI if one of its server extensions is enabled, from the installed metadata.

    ``enabled`` are the server extensions by name. Blocking: reads the metadata of all packages.
    """
    extensions = tuple(name for name in _EXTENSIONS if enabled.get(name))
    if not extensions:
        return None
    return InstalledRuntime(tuple(_installed()) or extensions, extensions, tuple(_brought_by()))


def _installed() -> list[str]:
    found = []
    for name in _EXTENSIONS:
        try:
            found.append(f"{name} {importlib_metadata.version(name)}")
        except importlib_metadata.PackageNotFoundError:
            continue
    return found


def _brought_by() -> list[str]:
    """Return the packages with plug-ins for personas or models that require Jupyter AI."""
    from packaging.utils import canonicalize_name

    names: dict[str, None] = {}
    for group in (MODEL_PROVIDERS_GROUP, PERSONAS_GROUP):
        for point in importlib_metadata.entry_points(group=group):
            if point.dist is not None and _requires_it(point.dist.requires or ()):
                names[point.dist.name] = None
    return sorted(name for name in names if canonicalize_name(name) not in _DISTRIBUTIONS)


def _requires_it(lines: Any) -> bool:
    # Only the doctor comes here: the server does without half a megabyte.
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) in _DISTRIBUTIONS and not (
            requirement.marker and "extra" in str(requirement.marker)
        ):
            return True
    return False
