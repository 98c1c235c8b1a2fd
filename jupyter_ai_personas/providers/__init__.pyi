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
