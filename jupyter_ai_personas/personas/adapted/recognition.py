"""Recognizes classes of personas that are written for Jupyter AI 3."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__all__ = [
    "OF_OTHER_VERSIONS",
    "base_of",
    "is_adapted",
    "is_of_jupyter_ai",
    "overrides",
    "package_of",
]

OF_OTHER_VERSIONS = {
    "config_manager": "it was that of an earlier Jupyter AI, which chose the model",
    "state": "`report_model_configuration` and the like tell of the persona",
    "on_message": "the server calls `process_message`",
}
"""Attributes of personas in other versions of Jupyter AI that are not here, and why."""

_BASE = "BasePersona"
_PACKAGES = ("jupyter_ai_persona_manager", "jupyter_ai", "jupyter_ai_personas.compat")


def _is_base(cls: type) -> bool:
    module = cls.__module__
    named = any(module == name or module.startswith(f"{name}.") for name in _PACKAGES)
    return named and cls.__name__ == _BASE


def base_of(cls: type) -> type | None:
    """Return the ``BasePersona`` of Jupyter AI that a class inherits, or of its stand-in."""
    return next((base for base in cls.__mro__ if _is_base(base)), None)


def is_adapted(cls: type) -> bool:
    """Return whether a class is a persona of Jupyter AI 3, which runs here adapted."""
    return base_of(cls) is not None


def is_of_jupyter_ai(cls: type) -> bool:
    """Return whether the base of a persona's class is that of an installed Jupyter AI."""
    base = base_of(cls)
    return base is not None and not base.__module__.startswith("jupyter_ai_personas.")


def overrides(obj: Any, method: str) -> bool:
    """Return whether the class of a persona has a ``method`` of its own, not the base's."""
    owner = next((base for base in type(obj).__mro__ if method in vars(base)), None)
    return owner is not None and not _is_base(owner)


def package_of(cls: type) -> ModuleType | None:
    """Return the module that has the other public names of the base of a persona's class."""
    base = base_of(cls)
    return None if base is None else sys.modules.get(base.__module__.rpartition(".")[0])
