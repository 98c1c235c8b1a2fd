"""The registry of all installed model providers and their models.

Importing this module is cheap: the two blocking methods import LangChain.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..discovery import Broken, Found
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
from .limits import matches
from .packages import missing_packages
from .parameters import copied, illegal_secret, key_of_another_model, secrets_in, stripped
from .references import ModelReference, find_reference
from .settings import ProviderSettings
from .trials import Trials

if TYPE_CHECKING:
    from .loading import Description

__all__ = ["AUTO_ORDER", "ModelRegistry", "ProviderInfo"]

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

_WORKSPACE = "workspace"


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


class ModelRegistry:
    """Finds providers by their entry points, names their models, and builds them.

    Safe to use from several threads once :meth:`load` has returned. ``log`` gets one line for
    each provider. ``server_settings`` are those of the web application, which providers see
    read-only as their class attribute of that name.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        log: logging.Logger,
        server_settings: dict[str, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.log = log
        self.credentials = self._credentials()
        self._lock = threading.Lock()
        self._loaded = False
        self._secrets_read = False
        self._providers: dict[str, Description] = {}
        self._sources: dict[str, str] = {}
        self._endpoints: set[str] = set()
        self._broken: list[Broken] = []
        self._problems: list[str] = []
        self._server_settings = server_settings
        self._trials = Trials()

    @property
    def providers(self) -> Mapping[str, type]:
        """Every provider class by its id, those that the lists exclude included."""
        return MappingProxyType({id: one.provider for id, one in self._providers.items()})

    @property
    def broken(self) -> Sequence[Broken]:
        """The entry points that could not be used."""
        return tuple(self._broken)

    @property
    def problems(self) -> Sequence[str]:
        """Settings that could not be used, one line each."""
        return tuple(self._problems)

    def load(self) -> None:
        """Discover the providers; the second call and later ones do nothing.

        Blocking, for seconds: imports foreign packages. Never raises for what it finds; what
        cannot be used is logged once and kept in :attr:`broken` and :attr:`problems`.
        """
        with self._lock:
            if self._loaded:
                return
            from .loading import discover_providers, endpoint_classes

            self.read_secrets()
            found, broken = discover_providers()
            for one in found:
                self._register_found(one, broken)
            for provider_id, provider in endpoint_classes(self.settings.endpoints).items():
                self._register_endpoint(provider_id, provider)
            for one_broken in broken:
                self.log.warning("Cannot use the model provider %s", one_broken)
            self._broken = broken
            self._try_default()
            self._loaded = True

    def _try_default(self) -> None:
        """Build the model that ``auto`` picks until one can be, if it is another package's."""
        tried: set[ModelReference] = set()
        while (reference := self._picked()) is not None and reference not in tried:
            tried.add(reference)
            try:
                self.build(reference)
            except ModelError as error:
                self._give_up(reference.provider_id, error)

    def _picked(self) -> ModelReference | None:
        """Return the automatic default if it is a model of another package, else ``None``."""
        if self.settings.default_model != "auto":
            return None
        try:
            reference, _ = self._pick()
        except NoModelError:
            return None
        is_known = reference.provider_id in (*self._endpoints, *AUTO_ORDER, _WORKSPACE)
        return None if is_known else reference

    def answered(self, reference: str) -> None:
        """Note that a model has begun to answer: from now on, an error of its provider stands."""
        self._trials.succeeded(reference.partition(":")[0])

    def instead_of(self, reference: ModelReference, error: ModelError) -> ModelReference | None:
        """Return what to ask instead of a model that failed, ``None`` if its error stands.

        A provider of another package that :meth:`default` picked is not picked again after it
        failed, unless it has answered before. A model that only people chose is not replaced.
        """
        if reference != self._picked() and not self._trials.problem(reference.provider_id):
            return None
        if not self._trials.is_picked(reference.provider_id):
            return None
        if not self._give_up(reference.provider_id, error):
            return None
        try:
            return self.default()[0]
        except NoModelError:
            return None

    def _give_up(self, provider_id: str, error: ModelError) -> bool:
        if not self._trials.failed(provider_id, str(error)):
            return False
        self.log.warning("`auto` does not pick `%s` any more. %s", provider_id, error)
        return True

    def read_secrets(self) -> None:
        """Read the secrets file, if there is one; :meth:`load` does, unless it was done before."""
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

    def _register_found(self, found: Found, broken: list[Broken]) -> None:
        provider_id = str(found.obj.id)
        if provider_id in self._providers:
            taken, provider_id = provider_id, f"{found.distribution}/{provider_id}"
            if provider_id in self._providers:
                error = f"it provides `{taken}` a second time"
                fix = f"Give the providers of `{found.distribution}` different ids"
                broken.append(
                    Broken(found.name, found.distribution, found.value, "duplicate", error, fix)
                )
                return
            is_own = self._sources.get(taken) == found.distribution
            self.log.warning(
                "The model provider `%s` of %s is named `%s` here: another %s has that id.",
                taken,
                found.distribution,
                provider_id,
                "of its classes" if is_own else "package",
            )
        self._sources[provider_id] = found.distribution
        self._register(provider_id, found.obj)

    def _register_endpoint(self, provider_id: str, provider: type) -> None:
        if looks_like_a_secret(provider_id):
            remember([provider_id])
            self._report(
                "The name of an endpoint in `c.AiExtension.endpoints` looks like a secret, so the "
                "endpoint is left out. Give it a name such as `gateway`; `key_variable` names the "
                "variable that holds its key."
            )
        elif provider_id in self._providers:
            self._report(
                f"The endpoint `{provider_id}` in `{self.settings.owner}.endpoints` has the id of "
                "a provider. Give it another name."
            )
        else:
            self._endpoints.add(provider_id)
            self._register(provider_id, provider)

    def _register(self, provider_id: str, provider: type) -> None:
        from .loading import describe

        if self._server_settings is not None:
            # A view, as Jupyter AI v2 had it: what other extensions add later is seen too.
            view = MappingProxyType(self._server_settings)
            setattr(provider, "server_settings", view)  # noqa: B010
        self._providers[provider_id] = describe(provider)
        if self.settings.allows(provider_id):
            self.log.info("Registered model provider `%s`.", provider_id)
        else:
            self.log.info("Model provider `%s` is not allowed on this server.", provider_id)

    def infos(self) -> list[ProviderInfo]:
        """Describe every provider, sorted by id. Imports no vendor's package."""
        return [self._info(provider_id) for provider_id in sorted(self._providers)]

    def _info(self, provider_id: str) -> ProviderInfo:
        provider = self._providers[provider_id]
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
            for provider_id, one in self._providers.items()
            for model_id in one.models
            if model_id != "*"
        ]

    def takes_any_model(self, pattern: str) -> bool:
        """Return whether a provider that ``pattern`` matches may have models that it does not name.

        One that failed to load may.
        """
        found = [one for id, one in self._providers.items() if matches(pattern, id)]
        return not found or any(one.registry or "*" in one.models for one in found)

    def allows_concurrency(self, reference: str) -> bool:
        """Return whether the provider of a model may answer several messages at once."""
        provider = self._providers.get(reference.partition(":")[0])
        return provider is None or provider.allows_concurrency

    def _models_of(self, provider_id: str) -> list[str]:
        models = self._providers[provider_id].models
        return [m for m in models if m == "*" or self.settings.allows(provider_id, m)]

    def _missing_variables(self, provider_id: str, model_id: str | None = None) -> list[str]:
        strategy = self._providers[provider_id].strategy
        given = self._parameters(provider_id, model_id)
        missing = self.credentials.missing(strategy)
        return [variable for variable in missing if keyword_of(strategy, variable) not in given]

    def _illegal(self, provider_id: str, model_id: str | None = None) -> str | None:
        """Return the variable or parameter whose value cannot be sent in a header, if any."""
        provider = self._providers[provider_id]
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
            models={id: one.models for id, one in self._providers.items()},
            registries={id for id, one in self._providers.items() if one.registry},
            aliases=self.settings.aliases,
        )
        self._check_allowed(found)
        if chat and not self._is_chat(found):
            raise NotAChatModelError(str(found))
        return found

    def _is_chat(self, reference: ModelReference) -> bool:
        provider = self._providers[reference.provider_id]
        return provider.chat and (provider.registry or reference.model_id in provider.chat_models)

    def _check_allowed(self, reference: ModelReference) -> None:
        if reference.provider_id not in self._providers:
            raise UnknownProviderError(reference.provider_id, self._providers)
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
        for provider_id in (*known, *sorted(self._providers.keys() - {*known, _WORKSPACE})):
            why = None if self._trials.problem(provider_id) else self._why_auto(provider_id)
            model_id = next(iter(self._auto_models(provider_id)), None) if why else None
            if why and model_id:
                return ModelReference(provider_id, model_id), f"automatically: {why}"
        if _WORKSPACE in self._providers:
            for model_id in self._auto_models(_WORKSPACE):
                why = "automatically: no provider's package and credentials are present"
                return ModelReference(_WORKSPACE, model_id), why
        raise NoModelError

    def _auto_models(self, provider_id: str) -> list[str]:
        return [
            model_id
            for model_id in self._providers[provider_id].chat_models
            if model_id != "*" and self.settings.allows(provider_id, model_id)
        ]

    def _why_auto(self, provider_id: str) -> str | None:
        """Return why ``provider_id`` may be picked unasked, or ``None``."""
        provider = self._providers.get(provider_id)
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
        provider = self._providers[reference.provider_id]
        if packages := missing_packages(provider.packages):
            raise MissingPackageError(reference.provider_id, packages)
        if variables := self._missing_variables(reference.provider_id, reference.model_id):
            raise MissingCredentialsError(reference.provider_id, variables)
        if illegal := self._illegal(reference.provider_id, reference.model_id):
            raise _illegal_error(reference, illegal)

    def build(
        self, reference: ModelReference, *, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """Return a new LangChain model that shares no asynchronous client with any other.

        Blocking: imports the vendor's package. ``parameters`` are keyword arguments of the
        LangChain class and win over the operator's. Raises what :meth:`check` raises,
        :class:`ConfigurationError` when ``parameters`` name another model, and
        :class:`ModelFailedError` when the class refuses its arguments.
        """
        from .building import build_model

        self.check(reference)
        provider = self._providers[reference.provider_id]
        own_key = provider.provider.model_id_key or "model_id"  # type: ignore[attr-defined]
        # Or else they would get round the operator's lists.
        if key := key_of_another_model(parameters or {}, own_key):
            raise ConfigurationError(
                f"The parameters of `{reference}` name another model in `{key}`. Use that model's "
                "own reference instead."
            )
        chosen = stripped(parameters or {})
        remember(secrets_in(chosen))
        if provider.keys_in_headers and (illegal := illegal_secret(chosen, is_legal)):
            raise _illegal_error(reference, illegal)
        arguments = {
            **self.credentials.keywords(provider.strategy),
            **copied(self._parameters(reference.provider_id, reference.model_id)),
            **copied(chosen),
        }
        return build_model(
            provider.provider,
            reference,
            arguments,
            optional=self.credentials.optional_keywords(provider.strategy),
            redact=self.credentials.redact,
        )

    def list_models(self, provider_id: str, *, timeout: float = 10) -> list[str]:
        """Return the models of a provider; requests the list of an endpoint. Blocking.

        Raises :class:`UnknownProviderError`, :class:`ModelNotAllowedError`, and for endpoints
        :class:`RefusedCredentialsError` and :class:`ModelFailedError`.
        """
        if provider_id not in self._providers:
            raise UnknownProviderError(provider_id, self._providers)
        if not self.settings.allows(provider_id):
            raise ModelNotAllowedError(provider_id)
        if provider_id not in self._endpoints:
            return self._models_of(provider_id)
        from .endpoints import list_endpoint_models

        if illegal := self._illegal(provider_id):
            raise _illegal_error(ModelReference(provider_id, "*"), illegal)
        endpoint = self.settings.endpoints[provider_id]
        key = self.credentials.get(endpoint.key_variable) if endpoint.key_variable else None
        listed = list_endpoint_models(provider_id, endpoint.base_url, key=key, timeout=timeout)
        return [model_id for model_id in listed if self.settings.allows(provider_id, model_id)]


def _illegal_error(reference: ModelReference, name: str) -> ModelFailedError:
    reason = f"`{name}` {ILLEGAL}. The operator must enter it again."
    return ModelFailedError(str(reference), reason)
