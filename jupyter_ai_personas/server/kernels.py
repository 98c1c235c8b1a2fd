"""Passes settings to kernels, which inherit the server's environment.

The operator's choices of models hold in the magics too. Parameters stay in the server, since they
may hold secrets; of the secrets file only the path is passed.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from jupyter_ai_personas.providers.settings import OPERATOR_VARIABLE, Endpoint, ProviderSettings
from jupyter_ai_personas.settings import settings_of

__all__ = ["tell_kernels"]


def tell_kernels(settings: ProviderSettings | None, *, problem: str = "") -> None:
    """Put ``settings`` into the environment, or the ``problem`` that there is with them."""
    told: dict[str, Any] = {"problem": problem}
    if settings is not None:
        told = {
            one.trait: getattr(settings, name)
            for name, one in settings_of(ProviderSettings).items()
            if one.in_notebooks and not one.secret
        }
    os.environ[OPERATOR_VARIABLE] = json.dumps(told, default=_plain)


def _plain(value: Endpoint | Path) -> dict[str, Any] | str:
    if isinstance(value, Path):
        return str(value.expanduser().absolute())  # a kernel works in another folder
    secret = {name for name, one in settings_of(Endpoint).items() if one.secret}
    return {k: v for k, v in dataclasses.asdict(value).items() if k not in secret}
