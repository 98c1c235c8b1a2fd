"""The names of ``jupyter_ai_magics`` 2 that providers use."""

from __future__ import annotations

from dataclasses import dataclass

from ..providers.auth import AuthStrategy, AwsAuthStrategy, EnvAuthStrategy, MultiEnvAuthStrategy
from ..providers.base import BaseProvider
from ..providers.fields import Field, IntegerField, MultilineTextField, TextField

__all__ = [
    "AuthStrategy",
    "AwsAuthStrategy",
    "BaseProvider",
    "EnvAuthStrategy",
    "Field",
    "IntegerField",
    "MultiEnvAuthStrategy",
    "MultilineTextField",
    "Persona",
    "TextField",
]


@dataclass(frozen=True, slots=True)
class Persona:
    """Name and avatar route of a provider's answers in Jupyter AI v2; accepted and not used."""

    name: str
    avatar_route: str
