"""Endpoints that speak the OpenAI protocol, named by the operator: vLLM, a gateway, and so on."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, ClassVar

from ..errors import ModelFailedError, RefusedCredentialsError
from .auth import EnvAuthStrategy
from .openai_protocol import OpenAIProtocolProvider
from .settings import Endpoint

__all__ = ["EndpointProvider", "endpoint_class", "list_endpoint_models"]

_NO_KEY = "none"
_MOST_BYTES = 4_000_000


class EndpointProvider(OpenAIProtocolProvider):
    """The common part of all endpoints; :func:`endpoint_class` makes one of them a provider."""

    model_id_key = "model"
    registry = True
    base_url: ClassVar[str]

    openai_proxy: str | None = None
    """Replaces the vendor's default, which is the variable `OPENAI_PROXY`."""

    def __init__(self, **kwargs: Any) -> None:
        # Always a key of its own: without one, the OpenAI client sends OPENAI_API_KEY anywhere.
        kwargs.setdefault("api_key", _NO_KEY)
        super().__init__(**{"base_url": self.base_url, **kwargs})
        self._forget_openai(kwargs)

    def _forget_openai(self, given: Mapping[str, Any]) -> None:
        """Keep what `OPENAI_*` variables say of an account at OpenAI from another server."""
        headers = dict(given.get("default_headers") or {})
        organization = given.get("organization") or given.get("openai_organization")
        for name in ("root_client", "root_async_client"):
            client: Any = getattr(self, name, None)
            if client is not None:
                client.organization, client.project = organization, None
                client._custom_headers = headers


def endpoint_class(provider_id: str, endpoint: Endpoint) -> type[EndpointProvider]:
    """Return a provider class for ``endpoint``."""
    variable = endpoint.key_variable
    return type(
        "EndpointProvider",
        (EndpointProvider,),
        {
            "__module__": __name__,
            "id": provider_id,
            "name": endpoint.name or provider_id,
            "models": list(endpoint.models) or ["*"],
            "auth_strategy": EnvAuthStrategy(variable, "api_key") if variable else None,
            "base_url": endpoint.base_url,
        },
    )


def list_endpoint_models(
    provider_id: str, base_url: str, *, key: str | None = None, timeout: float = 10
) -> list[str]:
    """Ask ``GET <base_url>/models`` for the ids of the models there are, sorted.

    Blocking, at most ``timeout`` seconds a read. Raises :class:`RefusedCredentialsError` on 401
    and 403, :class:`ModelFailedError` on anything else that is not the list that OpenAI's API
    reference describes.
    """
    request = urllib.request.Request(f"{base_url}/models", headers={"Accept": "application/json"})
    if key:
        # Unredirected: a redirect must not carry the key to another host.
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer = json.loads(response.read(_MOST_BYTES))
        return sorted({str(model["id"]) for model in answer["data"]})
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise RefusedCredentialsError(provider_id) from None
        reason = f"its list of models answers with HTTP status {error.code}"
    except OSError:
        reason = "its list of models cannot be reached"
    except (ValueError, TypeError, KeyError):
        reason = "its list of models is not in OpenAI's format"
    raise ModelFailedError(f"{provider_id}:*", reason)
