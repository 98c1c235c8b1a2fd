"""The registry of all installed model providers: their classes, and models built from them.

Importing this module is cheap: the two blocking methods import LangChain.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from ..discovery import Broken, Found, Watch, unwatched
from ..errors import ConfigurationError, ModelError
from ..redaction import looks_like_a_secret, remember
from .catalogue import ModelCatalogue, illegal_error
from .credentials import is_legal
from .parameters import copied, illegal_secret, key_of_another_model, secrets_in, stripped
from .references import ModelReference
from .settings import ProviderSettings
from .trials import in_time

__all__ = ["ModelRegistry"]


class ModelRegistry(ModelCatalogue):
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
        watch: Watch = unwatched,
    ) -> None:
        super().__init__(settings, log=log)
        self._lock = threading.Lock()
        self._loaded = False
        self._classes: dict[str, type] = {}
        self._server_settings = server_settings
        self.watch = watch

    @property
    def providers(self) -> Mapping[str, type]:
        """Every provider class by its id, those that the lists exclude included."""
        return MappingProxyType(self._classes)

    def load(self, *, try_default: bool = True) -> None:
        """Discover the providers; the second call and later ones do nothing.

        ``try_default``: whether the model that ``auto`` picks is tried if it is another package's.

        Blocking, for seconds: imports foreign packages. Never raises for what it finds; what
        cannot be used is logged once and kept in :attr:`broken` and :attr:`problems`.
        """
        with self._lock:
            if self._loaded:
                return
            from .loading import discover_providers, endpoint_classes

            self.read_secrets()
            found, broken = discover_providers(self.watch)
            for one in found:
                self.watch(one.entry)
                self._register_found(one, broken)
            for provider_id, provider in endpoint_classes(self.settings.endpoints).items():
                self._register_endpoint(provider_id, provider)
            for one_broken in broken:
                self.log.warning("Cannot use the model provider %s", one_broken)
            self._broken = broken
            if try_default:
                self._try_default()
            self._loaded = True

    def _try_default(self) -> None:
        """Build the model that ``auto`` picks until one can be, if it is another package's."""
        tried: set[ModelReference] = set()
        while (reference := self.untried()) is not None and reference not in tried:
            tried.add(reference)
            try:
                in_time(partial(self.build, reference), reference)
            except ModelError as error:
                self.give_up(reference.provider_id, error)

    def _register_found(self, found: Found, broken: list[Broken]) -> None:
        provider_id = str(found.obj.id)
        if provider_id in self._known:
            taken, provider_id = provider_id, f"{found.distribution}/{provider_id}"
            if provider_id in self._known:
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
        elif provider_id in self._known:
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
        self._known[provider_id] = describe(provider)
        self._classes[provider_id] = provider
        if self.settings.allows(provider_id):
            self.log.info("Registered model provider `%s`.", provider_id)
        else:
            self.log.info("Model provider `%s` is not allowed on this server.", provider_id)

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
        provider = self._known[reference.provider_id]
        cls: Any = self._classes[reference.provider_id]
        own_key = cls.model_id_key or "model_id"
        # Or else they would get round the operator's lists.
        if key := key_of_another_model(parameters or {}, own_key):
            raise ConfigurationError(
                f"The parameters of `{reference}` name another model in `{key}`. Use that model's "
                "own reference instead."
            )
        chosen = stripped(parameters or {})
        remember(secrets_in(chosen))
        if provider.keys_in_headers and (illegal := illegal_secret(chosen, is_legal)):
            raise illegal_error(reference, illegal)
        arguments = {
            **self.credentials.keywords(provider.strategy),
            **copied(self._parameters(reference.provider_id, reference.model_id)),
            **copied(chosen),
        }
        return build_model(
            cls,
            reference,
            arguments,
            optional=self.credentials.optional_keywords(provider.strategy),
            redact=self.credentials.redact,
        )
