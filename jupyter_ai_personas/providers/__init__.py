"""Model providers: from an entry point and a reference to a LangChain model that can be called.

The names below are imported when they are first touched: this room imports LangChain, which takes
about a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .auth import AwsAuthStrategy as AwsAuthStrategy
    from .auth import EnvAuthStrategy as EnvAuthStrategy
    from .auth import MultiEnvAuthStrategy as MultiEnvAuthStrategy
    from .base import BaseProvider as BaseProvider
    from .cache import ModelCache as ModelCache
    from .calling import stream_model as stream_model
    from .extracts import with_extract as with_extract
    from .fields import IntegerField as IntegerField
    from .fields import MultilineTextField as MultilineTextField
    from .fields import TextField as TextField
    from .pieces import ModelChunk as ModelChunk
    from .pieces import reply_text as reply_text
    from .references import ModelReference as ModelReference
    from .registry import ModelRegistry as ModelRegistry
    from .registry import ProviderInfo as ProviderInfo
    from .settings import Endpoint as Endpoint
    from .settings import ProviderSettings as ProviderSettings
    from .vendor import VendorProvider as VendorProvider

_MODULES = {
    "AwsAuthStrategy": "auth",
    "BaseProvider": "base",
    "Endpoint": "settings",
    "EnvAuthStrategy": "auth",
    "IntegerField": "fields",
    "ModelCache": "cache",
    "ModelChunk": "pieces",
    "ModelReference": "references",
    "ModelRegistry": "registry",
    "MultiEnvAuthStrategy": "auth",
    "MultilineTextField": "fields",
    "ProviderInfo": "registry",
    "ProviderSettings": "settings",
    "TextField": "fields",
    "VendorProvider": "vendor",
    "reply_text": "pieces",
    "stream_model": "calling",
    "with_extract": "extracts",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
