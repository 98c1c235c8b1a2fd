"""AI personas for Jupyter's collaborative chat, and the model providers behind them.

These are the public names. Each is imported on first use, because LangChain alone takes about a
second to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_ai_personas.version import __version__

if TYPE_CHECKING:
    from jupyter_ai_personas.errors import PersonasError
    from jupyter_ai_personas.personas import BasePersona, PersonaDefaults, Turn
    from jupyter_ai_personas.providers import (
        AwsAuthStrategy,
        BaseProvider,
        EnvAuthStrategy,
        IntegerField,
        MultiEnvAuthStrategy,
        MultilineTextField,
        TextField,
    )

_PACKAGES = {
    "BasePersona": "personas",
    "PersonaDefaults": "personas",
    "Turn": "personas",
    "AwsAuthStrategy": "providers",
    "BaseProvider": "providers",
    "EnvAuthStrategy": "providers",
    "IntegerField": "providers",
    "MultiEnvAuthStrategy": "providers",
    "MultilineTextField": "providers",
    "TextField": "providers",
}

__all__ = [
    "AwsAuthStrategy",
    "BasePersona",
    "BaseProvider",
    "EnvAuthStrategy",
    "IntegerField",
    "MultiEnvAuthStrategy",
    "MultilineTextField",
    "PersonaDefaults",
    "PersonasError",
    "TextField",
    "Turn",
    "__version__",
]


def __getattr__(name: str) -> Any:
    package = "errors" if name.endswith("Error") else _PACKAGES.get(name)
    if package is not None:
        module = import_module(f"jupyter_ai_personas.{package}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_ai_personas.server import AiExtension

    return [{"module": "jupyter_ai_personas", "app": AiExtension}]


def unload_ipython_extension(ipython: Any) -> None:
    """Remove ``%ai`` and ``%%ai`` (``%unload_ext jupyter_ai_personas``)."""
    from jupyter_ai_personas.magics import unload_ipython_extension as unload

    unload(ipython)


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%ai`` and ``%%ai`` (``%load_ext jupyter_ai_personas``)."""
    from jupyter_ai_personas.magics import load_ipython_extension as load

    load(ipython)
