"""Model providers: from an entry point and a reference to a LangChain model that can be called.

Each name is imported on first use: this package imports LangChain, which takes about a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .auth import AwsAuthStrategy, EnvAuthStrategy, MultiEnvAuthStrategy
    from .base import BaseProvider
    from .cache import ModelCache
    from .calling import stream_model
    from .catalogue import ModelCatalogue, ProviderInfo
    from .extracts import with_extract
    from .fields import IntegerField, MultilineTextField, TextField
    from .pieces import ModelChunk, reply_text
    from .references import ModelReference
    from .registry import ModelRegistry
    from .settings import Endpoint, ProviderSettings
    from .vendor import VendorProvider

_MODULES = {
    "AwsAuthStrategy": "auth",
    "BaseProvider": "base",
    "Endpoint": "settings",
    "EnvAuthStrategy": "auth",
    "IntegerField": "fields",
    "ModelCache": "cache",
    "ModelCatalogue": "catalogue",
    "ModelChunk": "pieces",
    "ModelReference": "references",
    "ModelRegistry": "registry",
    "MultiEnvAuthStrategy": "auth",
    "MultilineTextField": "fields",
    "ProviderInfo": "catalogue",
    "ProviderSettings": "settings",
    "TextField": "fields",
    "VendorProvider": "vendor",
    "reply_text": "pieces",
    "stream_model": "calling",
    "with_extract": "extracts",
}

__all__ = [
    "AwsAuthStrategy",
    "BaseProvider",
    "Endpoint",
    "EnvAuthStrategy",
    "IntegerField",
    "ModelCache",
    "ModelCatalogue",
    "ModelChunk",
    "ModelReference",
    "ModelRegistry",
    "MultiEnvAuthStrategy",
    "MultilineTextField",
    "ProviderInfo",
    "ProviderSettings",
    "TextField",
    "VendorProvider",
    "reply_text",
    "stream_model",
    "with_extract",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
