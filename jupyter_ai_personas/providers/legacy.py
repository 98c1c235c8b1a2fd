"""The import name ``jupyter_ai_magics``, for provider packages written for Jupyter AI v2.

They say ``from jupyter_ai_magics import BaseProvider``. Where that package is not installed, the
name exists while the entry points of providers are loaded and no longer: other code must not take
it for the real one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any

from .auth import AuthStrategy, AwsAuthStrategy, EnvAuthStrategy, MultiEnvAuthStrategy
from .base import BaseProvider
from .fields import Field, IntegerField, MultilineTextField, TextField

__all__ = ["legacy_import_name"]

_NAME = "jupyter_ai_magics"
_lock = RLock()


@dataclass(frozen=True, slots=True)
class Persona:
    """Name and avatar route of a provider's answers in Jupyter AI v2; accepted and not used."""

    name: str
    avatar_route: str


_PROVIDER_NAMES = {
    "AuthStrategy": AuthStrategy,
    "AwsAuthStrategy": AwsAuthStrategy,
    "BaseProvider": BaseProvider,
    "EnvAuthStrategy": EnvAuthStrategy,
    "Field": Field,
    "IntegerField": IntegerField,
    "MultiEnvAuthStrategy": MultiEnvAuthStrategy,
    "MultilineTextField": MultilineTextField,
    "TextField": TextField,
}
_MODULES: dict[str, dict[str, Any]] = {
    _NAME: {**_PROVIDER_NAMES, "Persona": Persona},
    f"{_NAME}.providers": _PROVIDER_NAMES,
    f"{_NAME}.base_provider": {**_PROVIDER_NAMES, "Persona": Persona},
    f"{_NAME}.models": {},
    f"{_NAME}.models.persona": {"Persona": Persona},
}


@contextmanager
def legacy_import_name() -> Iterator[None]:
    """Let ``jupyter_ai_magics`` be imported inside the block, if it is not installed."""
    with _lock:
        if _NAME in sys.modules or find_spec(_NAME) is not None:
            yield
        else:
            made = _make_modules()
            sys.modules.update(made)
            try:
                yield
            finally:
                for name in made:
                    sys.modules.pop(name, None)


def _make_modules() -> dict[str, ModuleType]:
    made: dict[str, ModuleType] = {}
    for name, contents in _MODULES.items():
        module = ModuleType(name, "Stands in while providers are loaded.")
        module.__dict__.update(contents)
        if any(other.startswith(f"{name}.") for other in _MODULES):
            module.__path__ = []
        made[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(made[parent], child, module)
    return made
