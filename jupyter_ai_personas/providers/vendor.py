"""Providers that need their vendor's package only when a model is built.

Importing all vendors' packages takes many seconds, and most are never used. An entry point loads a
light class that names the LangChain class; building a model joins the two.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import ClassVar

from langchain_core.language_models.chat_models import BaseChatModel

from ..errors import MissingPackageError
from .base import BaseProvider

__all__ = ["VendorProvider", "concrete_class", "is_chat_class"]


class VendorProvider(BaseProvider):
    """A provider of chat models whose LangChain class is imported when a model is first built.

    For example::

        class AcmeProvider(VendorProvider):
            id = "acme"
            name = "Acme"
            models = ["acme-large"]
            model_id_key = "model"
            pypi_package_deps = ["langchain-acme"]
            auth_strategy = EnvAuthStrategy("ACME_API_KEY", "api_key")
            langchain_class = "langchain_acme:ChatAcme"
    """

    langchain_class: ClassVar[str]
    """``module:name`` of a ``BaseChatModel``."""
    vendor_variables: ClassVar[tuple[str, ...]] = ()
    """Variables that the class, or the package below it, reads by itself besides the credentials.

    An error that one of them may have caused names it.
    """
    proxies: ClassVar[tuple[str, ...]] = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
    """Those of the usual variables with a proxy that the vendor's package heeds."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return ``False``: LangChain could not load it, since its class is made at run time."""
        return False


@cache
def concrete_class(provider: type) -> type:
    """Return the class to instantiate: ``provider``, joined with its vendor's class if need be.

    Blocking: imports the vendor's package. Raises :class:`MissingPackageError` when that fails
    if a package is missing, and any other error of the import.
    """
    if not issubclass(provider, VendorProvider):
        return provider
    module, _, name = provider.langchain_class.partition(":")
    try:
        vendor = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise MissingPackageError(provider.id, provider.pypi_package_deps) from error
    return type(provider.__name__, (provider, vendor), {"__module__": provider.__module__})


def is_chat_class(provider: type) -> bool:
    """Return whether the instances of ``provider`` are chat models."""
    return issubclass(provider, BaseChatModel | VendorProvider)
