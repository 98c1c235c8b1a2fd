"""Model providers and their models as plain data, without importing LangChain."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..discovery import Broken
from ..errors import (
    ConfigurationError,
    MissingCredentialsError,
    MissingPackageError,
    ModelError,
    ModelFailedError,
    ModelNotAllowedError,
    NoModelError,
    NotAChatModelError,
    UnknownProviderError,
)
from ..redaction import looks_like_a_secret, remember, without_secret
from .auth import keyword_of, variables_of
from .credentials import ILLEGAL, Credentials, is_legal, read_secrets_file
from .descriptions import Description
from .limits import matches
from .packages import missing_packages
from .parameters import illegal_secret, stripped
from .references import ModelReference, find_reference
from .settings import ProviderSettings
from .trials import Trials

__all__ = ["AUTO_ORDER", "WORKSPACE", "FoundProviders", "ModelCatalogue", "ProviderInfo"]

AUTO_ORDER = (
    "anthropic",
    "openai",
    "google",
    "mistral",
    "groq",
    "openrouter",
    "huggingface",
    "bedrock",
)
"""Built-in providers in the order in which ``default_model = "auto"`` tries them."""

WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """The description of a provider for doctor, REST and ``/models``.

    ``models`` is ``("*",)`` where it names none. ``available`` means that nothing known hinders
    its use; otherwise ``problem`` is one line that says what does. ``source`` is the distribution
    that it comes with; the operator's endpoints have none.
    """

    id: str
    name: str
    models: tuple[str, ...]
    chat: bool
    registry: bool
    available: bool
    problem: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class FoundProviders:
    """The providers that a process has found; ``sources`` are distributions by provider ids.

    ``endpoints`` are the ids of those that the operator configured. ``problems`` are settings that
    could not be used.
    """

    known: Mapping[str, Description]
    sources: Mapping[str, str]
    endpoints: tuple[str, ...]
    broken: tuple[Broken, ...]
    problems: tuple[str, ...]


class ModelCatalogue:
    """Names providers and their models, and says which can be used.

    Safe to use from several threads once it is filled, by :meth:`ModelRegistry.load` or
    :meth:`adopt`. ``log`` gets what operators should know.
    """

    def __init__(self, settings: ProviderSettings, *, log: logging.Logger) -> None:
        self.settings = settings
        self.log = log
        self.credentials = self._credentials()
        self._secrets_read = False
        self._known: dict[str, Description] = {}
        self._sources: dict[str, str] = {}
        self._endpoints: set[str] = set()
        self._broken: list[Broken] = []
        self._problems: list[str] = []
        self._trials = Trials()

    @property
    def known(self) -> Mapping[str, Description]:
        """Every provider by its id, those that the lists exclude included."""
        return MappingProxyType(self._known)

    @property
    def found(self) -> FoundProviders:
        """The result as plain data, for :meth:`adopt` in another process."""
        return FoundProviders(
            dict(self._known),
            dict(self._sources),
            tuple(self._endpoints),
            tuple(self._broken),
            tuple(self._problems),
        )

    def adopt(self, found: FoundProviders) -> None:
        """Take over what another process with the same settings has found, and logged."""
        self._known = dict(found.known)
        self._sources = dict(found.sources)
        self._endpoints = set(found.endpoints)
        self._broken = list(found.broken)
        self._problems += found.problems
        remember(filter(looks_like_a_secret, self.settings.endpoints))

    @property
    def broken(self) -> Sequence[Broken]:
        """The entry points that could not be used."""
        return tuple(self._broken)

    @property
    def problems(self) -> Sequence[str]:
        """Settings that could not be used, one line each."""
        return tuple(self._problems)

    def untried(self) -> ModelReference | None:
        """Return the automatic default if it is a model of another package, else ``None``.

        Whether it can be built is to be tried before anybody is given it.
        """
        if self.settings.default_model != "auto":
            return None
        try:
            reference, _ = self._pick()
        except NoModelError:
            return None
        is_known = reference.provider_id in (*self._endpoints, *AUTO_ORDER, WORKSPACE)
        return None if is_known else reference

    def asked(self, provider_id: str) -> object:
        """Note that a model of a provider is asked; :meth:`settled` takes what is returned."""
        return self._trials.begun(provider_id)

    def settled(self, attempt: object) -> None:
        """Note that a model has begun to answer, or has failed."""
        self._trials.ended(attempt)

    def answered(self, reference: str) -> None:
        """Note that a model has begun to answer: from now on, an error of its provider stands."""
        self._trials.succeeded(reference.partition(":")[0])

    def instead_of(self, reference: ModelReference, error: ModelError) -> ModelReference | None:
        """Return what to ask instead of a model that failed, ``None`` if its error stands.

        A provider of another package that :meth:`default` picked is not picked again after it
        failed, unless it has answered before. A model that only people chose is not replaced.
        """
        if reference != self.untried() and not self._trials.problem(reference.provider_id):
            return None
        if not self._trials.is_picked(reference.provider_id):
            return None
        if not self.give_up(reference.provider_id, error):
            return None
        try:
            return self.default()[0]
        except NoModelError:
            return None

    def give_up(self, provider_id: str, error: ModelError) -> bool:
        """Pick a provider no more that failed; return whether it counts: see :class:`Trials`."""
        if not self._trials.failed(provider_id, str(error)):
            return False
        self.log.warning("`auto` does not pick `%s` any more. %s", provider_id, error)
        return True

    def read_secrets(self) -> None:
        """Read the secrets file, if there is one, at the first call."""
        if self.settings.secrets_file is None or self._secrets_read:
            return
        self._secrets_read = True
        try:
            secrets = read_secrets_file(Path(self.settings.secrets_file).expanduser())
        except ConfigurationError as error:
            self._report(str(error))
        else:
            self.credentials = self._credentials(secrets)

    def use(self, settings: ProviderSettings) -> None:
        """Take over other settings with the same providers, such as more credentials.

        Safe in any thread. A registry in another process gets the credentials of a provider when a
        persona there first uses it; see :func:`~.sharing.shared_settings`.
        """
        self.settings = settings
        self.credentials = self._credentials()

    def _credentials(self, file: Mapping[str, str] | None = None) -> Credentials:
        endpoints = self.settings.endpoints.values()
        parameters = [{"base_url": one.base_url, **one.parameters} for one in endpoints]
        parameters += map(dict, self.settings.model_parameters.values())
        return Credentials(file=file, config=self.settings.credentials, parameters=parameters)

    def _report(self, problem: str) -> None:
        self._problems.append(problem)
        self.log.error("%s", problem)

    def infos(self) -> list[ProviderInfo]:
        """Describe every provider, sorted by id. Imports no vendor's package."""
        return [self._info(provider_id) for provider_id in sorted(self._known)]

    def _info(self, provider_id: str) -> ProviderInfo:
        provider = self._known[provider_id]
        problem = None
        if not self.settings.allows(provider_id):
            problem = "not allowed on this server"
        elif packages := missing_packages(provider.packages):
            problem = f"pip install {' '.join(packages)}"
        elif variables := self._missing_variables(provider_id):
            problem = f"set {' and '.join(map(without_secret, variables))}"
        elif illegal := self._illegal(provider_id):
            problem = f"{illegal} {ILLEGAL}: enter it again"
        else:
            problem = self._trials.problem(provider_id)
        return ProviderInfo(
            id=provider_id,
            name=provider.name,
            models=tuple(self._models_of(provider_id)),
            chat=provider.chat,
            registry=provider.registry,
            available=problem is None,
            problem=problem,
            source=self._sources.get(provider_id),
        )

    def listed(self) -> list[ModelReference]:
        """Return the models that providers name, those that the lists exclude included."""
        return [
            ModelReference(provider_id, model_id)
            for provider_id, one in self._known.items()
            for model_id in one.models
            if model_id != "*"
        ]

    def takes_any_model(self, pattern: str) -> bool:
        """Return whether a provider that ``pattern`` matches may have models that it does not name.

        One that failed to load may.
        """
        found = [one for id, one in self._known.items() if matches(pattern, id)]
        return not found or any(one.registry or "*" in one.models for one in found)

    def allows_concurrency(self, reference: str) -> bool:
        """Return whether the provider of a model may answer several messages at once."""
        provider = self._known.get(reference.partition(":")[0])
        return provider is None or provider.allows_concurrency

    def _models_of(self, provider_id: str) -> list[str]:
        models = self._known[provider_id].models
        return [m for m in models if m == "*" or self.settings.allows(provider_id, m)]

    def _missing_variables(self, provider_id: str, model_id: str | None = None) -> list[str]:
        strategy = self._known[provider_id].strategy
        given = self._parameters(provider_id, model_id)
        missing = self.credentials.missing(strategy)
        return [variable for variable in missing if keyword_of(strategy, variable) not in given]

    def _illegal(self, provider_id: str, model_id: str | None = None) -> str | None:
        """Return the variable or parameter whose value cannot be sent in a header, if any."""
        provider = self._known[provider_id]
        if not provider.keys_in_headers:
            return None
        given = self._parameters(provider_id, model_id)
        for variable in self.credentials.illegal(provider.strategy):
            if keyword_of(provider.strategy, variable) not in given:
                return variable
        return illegal_secret(given, is_legal)

    def _parameters(self, provider_id: str, model_id: str | None = None) -> dict[str, Any]:
        """Return the operator's parameters: an endpoint's, a provider's, a model's; later win."""
        settings = self.settings
        endpoint = settings.endpoints.get(provider_id)
        return {
            **stripped(endpoint.parameters if endpoint else {}),
            **stripped(settings.parameters_of(provider_id)),
            **stripped(settings.parameters_of(f"{provider_id}:{model_id}")),
        }

    def resolve(self, reference: str, *, chat: bool = False) -> ModelReference:
        """Return the model that ``reference`` names: a reference, an alias or a bare model id.

        Raises :class:`UnknownProviderError`, :class:`UnknownModelError`,
        :class:`ModelNotAllowedError`, and, with ``chat``, :class:`NotAChatModelError`.
        """
        found = find_reference(
            reference,
            models={id: one.models for id, one in self._known.items()},
            registries={id for id, one in self._known.items() if one.registry},
            aliases=self.settings.aliases,
        )
        self._check_allowed(found)
        if chat and not self._is_chat(found):
            raise NotAChatModelError(str(found))
        return found

    def _is_chat(self, reference: ModelReference) -> bool:
        provider = self._known[reference.provider_id]
        return provider.chat and (provider.registry or reference.model_id in provider.chat_models)

    def _check_allowed(self, reference: ModelReference) -> None:
        if reference.provider_id not in self._known:
            raise UnknownProviderError(reference.provider_id, self._known)
        if not self.settings.allows(reference.provider_id, reference.model_id):
            raise ModelNotAllowedError(str(reference))

    def default(self, *, chat: bool = True) -> tuple[ModelReference, str]:
        """Return the automatic default model, and a short reason for the choice.

        With ``default_model = "auto"``: the operator's endpoints in their order, then
        :data:`AUTO_ORDER`, then other packages' providers by id; the first that is allowed, lists
        a model, and whose package and credentials are present; not another package's that failed
        before it ever answered (:meth:`instead_of`). Else the workspace provider. Raises
        :class:`NoModelError` when that is not allowed, and what :meth:`resolve` raises.
        """
        if self.settings.default_model != "auto":
            return self.resolve(self.settings.default_model, chat=chat), "set by the operator"
        reference, why = self._pick()
        self._trials.picked(reference.provider_id)
        return reference, why

    def _pick(self) -> tuple[ModelReference, str]:
        known = (*self.settings.endpoints, *AUTO_ORDER)
        for provider_id in (*known, *sorted(self._known.keys() - {*known, WORKSPACE})):
            why = None if self._trials.problem(provider_id) else self._why_auto(provider_id)
            model_id = next(iter(self._auto_models(provider_id)), None) if why else None
            if why and model_id:
                return ModelReference(provider_id, model_id), f"automatically: {why}"
        if WORKSPACE in self._known:
            for model_id in self._auto_models(WORKSPACE):
                why = "automatically: no provider's package and credentials are present"
                return ModelReference(WORKSPACE, model_id), why
        raise NoModelError

    def _auto_models(self, provider_id: str) -> list[str]:
        return [
            model_id
            for model_id in self._known[provider_id].chat_models
            if model_id != "*" and self.settings.allows(provider_id, model_id)
        ]

    def _why_auto(self, provider_id: str) -> str | None:
        """Return why ``provider_id`` may be picked unasked, or ``None``."""
        provider = self._known.get(provider_id)
        if provider is None or not provider.chat or self._missing_variables(provider_id):
            return None
        strategy = provider.strategy
        configured = provider_id in self._endpoints
        # Every turn asks this: packages are looked for on the disk, so only if all else is there.
        if not (configured or self.credentials.present(strategy)):
            return None
        if missing_packages(provider.packages):
            return None
        if configured:
            return f"the operator configured the endpoint `{provider_id}`"
        variables = variables_of(strategy)
        return f"{' and '.join(variables)} is set" if variables else "AWS credentials are present"

    def check(self, reference: ModelReference) -> None:
        """Check what can be known without a network, and without importing a vendor's package.

        Raises :class:`ModelNotAllowedError`, :class:`MissingPackageError`,
        :class:`MissingCredentialsError`, and :class:`ModelFailedError` for a key that no HTTP
        header can carry.
        """
        self._check_allowed(reference)
        provider = self._known[reference.provider_id]
        if packages := missing_packages(provider.packages):
            raise MissingPackageError(reference.provider_id, packages)
        if variables := self._missing_variables(reference.provider_id, reference.model_id):
            raise MissingCredentialsError(reference.provider_id, variables)
        if illegal := self._illegal(reference.provider_id, reference.model_id):
            raise illegal_error(reference, illegal)

    def list_models(self, provider_id: str, *, timeout: float = 10) -> list[str]:
        """Return the models of a provider; requests the list of an endpoint. Blocking.

        Raises :class:`UnknownProviderError`, :class:`ModelNotAllowedError`, and for endpoints
        :class:`RefusedCredentialsError` and :class:`ModelFailedError`.
        """
        if provider_id not in self._known:
            raise UnknownProviderError(provider_id, self._known)
        if not self.settings.allows(provider_id):
            raise ModelNotAllowedError(provider_id)
        if provider_id not in self._endpoints:
            return self._models_of(provider_id)
        from .endpoints import list_endpoint_models

        if illegal := self._illegal(provider_id):
            raise illegal_error(ModelReference(provider_id, "*"), illegal)
        endpoint = self.settings.endpoints[provider_id]
        key = self.credentials.get(endpoint.key_variable) if endpoint.key_variable else None
        listed = list_endpoint_models(provider_id, endpoint.base_url, key=key, timeout=timeout)
        return [model_id for model_id in listed if self.settings.allows(provider_id, model_id)]


def illegal_error(reference: ModelReference, name: str) -> ModelFailedError:
    reason = f"`{name}` {ILLEGAL}. The operator must enter it again."
    return ModelFailedError(str(reference), reason)
