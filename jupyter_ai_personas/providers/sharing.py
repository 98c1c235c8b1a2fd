"""The operator's settings as another process gets them: secrets only of the providers it uses."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..redaction import names_a_secret
from .auth import variables_of
from .credentials import AWS_KEYS
from .references import RENAMED
from .settings import ProviderSettings

if TYPE_CHECKING:
    from .catalogue import ModelCatalogue

__all__ = ["public_environment", "shared_settings"]


def shared_settings(models: ModelCatalogue, provider_ids: Collection[str]) -> ProviderSettings:
    """Return the settings with the secrets of these providers, and of no other.

    The secrets file is read here only. Parameters may hold secrets, so those of other providers
    are left out too.
    """
    settings = models.settings
    credentials = {
        variable: value
        for provider_id in provider_ids
        for variable in _variables(models, provider_id)
        if (value := models.credentials.get(variable))
    }
    endpoints = {
        id_: one if id_ in provider_ids else replace(one, parameters={})
        for id_, one in settings.endpoints.items()
    }
    used = {_plain(provider_id) for provider_id in provider_ids}
    parameters = {
        key: given for key, given in settings.model_parameters.items() if _provider_of(key) in used
    }
    return replace(
        settings,
        secrets_file=None,
        credentials=credentials,
        endpoints=endpoints,
        model_parameters=parameters,
    )


def public_environment(
    models: ModelCatalogue | None, passed_on: Collection[str] = ()
) -> dict[str, str]:
    """Return this process's environment without secrets, for another process.

    Left out are variables that a provider takes its secret from, and those that are named like a
    secret, but for ``passed_on``.
    """
    secret: set[str] = set()
    if models is not None:
        secret = {variable for id_ in models.known for variable in _variables(models, id_)}
        secret |= set(models.settings.credentials)
    return {
        name: value
        for name, value in os.environ.items()
        if name in passed_on or not (name in secret or names_a_secret(name))
    }


def _provider_of(key: str) -> str:
    """Return the provider id of a key of ``model_parameters``, which may be a former name."""
    plain = _plain(key)
    return RENAMED.get(plain, plain).partition(":")[0]


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def _variables(models: ModelCatalogue, provider_id: str) -> Iterator[str]:
    known = models.known.get(provider_id)
    strategy = None if known is None else known.strategy
    if getattr(strategy, "type", None) == "aws":
        yield from AWS_KEYS
    yield from variables_of(strategy)
