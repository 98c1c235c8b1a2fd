"""AI personas for Jupyter's collaborative chat, and the model providers behind them.

The names below are the public face. Each is imported when it is first touched, so that importing
the package costs next to nothing: LangChain alone takes about a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_ai_personas.version import __version__ as __version__

if TYPE_CHECKING:
    from jupyter_ai_personas.errors import PersonasError as PersonasError
    from jupyter_ai_personas.personas import BasePersona as BasePersona
    from jupyter_ai_personas.personas import PersonaDefaults as PersonaDefaults
    from jupyter_ai_personas.personas import Turn as Turn
    from jupyter_ai_personas.providers import AwsAuthStrategy as AwsAuthStrategy
    from jupyter_ai_personas.providers import BaseProvider as BaseProvider
    from jupyter_ai_personas.providers import EnvAuthStrategy as EnvAuthStrategy
    from jupyter_ai_personas.providers import IntegerField as IntegerField
    from jupyter_ai_personas.providers import MultiEnvAuthStrategy as MultiEnvAuthStrategy
    from jupyter_ai_personas.providers import MultilineTextField as MultilineTextField
    from jupyter_ai_personas.providers import TextField as TextField

_ROOMS = {
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

__all__ = [*_ROOMS, "PersonasError", "__version__"]


def __getattr__(name: str) -> Any:
    room = "errors" if name.endswith("Error") else _ROOMS.get(name)
    if room is not None:
        module = import_module(f"jupyter_ai_personas.{room}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_ai_personas.server import AiExtension

    return [{"module": "jupyter_ai_personas", "app": AiExtension}]


def unload_ipython_extension(ipython: Any) -> None:
    """Take ``%ai`` and ``%%ai`` away (``%unload_ext jupyter_ai_personas``)."""
    from jupyter_ai_personas.magics import unload_ipython_extension as unload

    unload(ipython)


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%ai`` and ``%%ai`` (``%load_ext jupyter_ai_personas``)."""
    from jupyter_ai_personas.magics import load_ipython_extension as load

    load(ipython)
