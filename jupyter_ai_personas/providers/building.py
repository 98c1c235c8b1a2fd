"""Builds a LangChain model with its own HTTP clients from a provider class and arguments.

Vendors' LangChain classes share one asynchronous ``httpx`` client for each base URL in a process,
and such a client belongs to the event loop that used it first. Personas run in several event
loops, so every model built here gets its own, and :func:`close_model` closes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

import anyio

from ..errors import ConfigurationError, ModelFailedError, PersonasError
from ..redaction import for_people
from .disguised import unmask_errors
from .environment import environment_problem, mentioned
from .faults import as_fault
from .lacking import lacking
from .references import ModelReference
from .vendor import VendorProvider, concrete_class

__all__ = ["build_model", "close_model"]

_MODEL_KEYS = frozenset({"model", "model_id", "model_name"})
_CLOSE_TIMEOUT = 2.0  # seconds
_MOST_REASON = 300  # characters
_PROXIES = {"openai": "openai_proxy", "groq": "groq_proxy"}
"""The field of a vendor's LangChain class that holds its proxy, by the vendor's package."""


def build_model(
    provider: Any,
    reference: ModelReference,
    arguments: Mapping[str, Any],
    *,
    optional: Mapping[str, Any] = MappingProxyType({}),
    redact: Callable[[str], str],
) -> Any:
    """Instantiate ``provider`` for ``reference``.

    ``optional`` arguments are left out if the class does not take them. Raises
    :class:`ConfigurationError` when ``arguments`` name another model,
    :class:`MissingPackageError`, and :class:`ModelFailedError` for anything that the class raises.
    """
    another = _MODEL_KEYS.union({provider.model_id_key or "model_id"}).intersection(arguments)
    if another:
        # Otherwise a parameter could bypass the operator's lists.
        raise ConfigurationError(
            f"The parameters of `{reference}` name another model in `{min(another)}`. "
            "Use that model's own reference instead."
        )
    try:
        if issubclass(provider, VendorProvider):
            # One reply is one answer: others would cost money and mix into the stream.
            arguments = {key: value for key, value in arguments.items() if key != "n"}
        provider = concrete_class(provider)
        own = _own_client(provider, arguments)
        model = _instantiate(provider, reference.model_id, {**arguments, **own}, optional)
        _replace_shared_client(model)
        unmask_errors(_clients(model))
    except PersonasError:
        raise
    except BaseException as raised:
        if (error := as_fault(raised)) is None:
            raise
        reason = environment_problem(provider, error) or lacking(provider, error)
        if reason is None:
            reason = " ".join(for_people(redact(_first_line(error))).split())[:_MOST_REASON]
            reason += mentioned(reason, provider)
        raise ModelFailedError(str(reference), f"it cannot be set up: {reason}") from None
    return model


def _instantiate(
    provider: Any, model_id: str, arguments: Mapping[str, Any], optional: Mapping[str, Any]
) -> Any:
    optional = {key: value for key, value in optional.items() if key not in arguments}
    if optional:
        try:
            model = provider(model_id=model_id, **{**optional, **arguments})
        except Exception as error:
            if not any(keyword in str(error) for keyword in optional):
                raise
        else:
            # LangChain's OpenAI classes send what they do not know to the server.
            if optional.keys().isdisjoint(getattr(model, "model_kwargs", None) or {}):
                return model
    return provider(model_id=model_id, **arguments)


def _first_line(error: Exception) -> str:
    """Describe a field's error, without the value that pydantic would show."""
    problems = getattr(error, "errors", None)
    if callable(problems):
        try:
            return "; ".join(
                f"{'.'.join(map(str, p['loc'])) or 'arguments'}: {p['msg']}" for p in problems()
            )
        except (TypeError, KeyError):
            pass
    # With its class: the text of a KeyError is only the key. Joined to one line only for display,
    # or a secret with a line break would not be recognized.
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _own_client(provider: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with the model's own HTTP clients, which use the vendor's proxy.

    A class with a proxy argument, such as ``openai_proxy``, refuses or ignores it beside a client,
    so the clients get the proxy. Its default is the vendor's environment variable.
    """
    fields = getattr(provider, "model_fields", {})
    if "http_async_client" not in fields:
        return {}
    package, key = next(((p, k) for p, k in _PROXIES.items() if k in fields), ("httpx", ""))
    if "http_async_client" in arguments:
        return {key: None} if key else {}
    vendor = import_module(package)
    new: Any = getattr(vendor, "DefaultAsyncHttpxClient", None)
    if new is None:
        new = partial(import_module("httpx").AsyncClient, follow_redirects=True)
    proxy = arguments.get(key) or (key and fields[key].get_default(call_default_factory=True))
    if not proxy:
        return {"http_async_client": new()}
    blocking: Any = getattr(vendor, "DefaultHttpxClient", None) or import_module("httpx").Client
    return {
        "http_async_client": new(proxy=proxy),
        "http_client": arguments.get("http_client") or blocking(proxy=proxy),
        key: None,
    }


def _replace_shared_client(model: Any) -> None:
    """Set the client of ``ChatAnthropic``, which has no argument for it."""
    parameters = getattr(model, "_client_params", None)
    if not isinstance(parameters, dict) or not hasattr(type(model), "_async_client"):
        return
    import anthropic

    proxy = getattr(model, "anthropic_proxy", None)
    client = anthropic.DefaultAsyncHttpxClient(proxy=proxy) if proxy else None
    model.__dict__["_async_client"] = anthropic.AsyncAnthropic(**parameters, http_client=client)


async def close_model(model: Any) -> None:
    """Close the asynchronous clients of a model; call it in the event loop that used them.

    Never raises for what a vendor's client does: a client that cannot be closed is dropped.
    """
    for client in _clients(model):
        close = getattr(client, "aclose", None) or getattr(client, "close", None)
        if inspect.iscoroutinefunction(close):
            with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True), suppress(Exception):
                await close()


def _clients(model: Any) -> Iterator[Any]:
    """Yield possible asynchronous clients from the attributes of vendors' LangChain classes."""
    for holder in (model, getattr(model, "llm", None)):
        for attribute in ("http_async_client", "async_client", "_async_client", "client"):
            client = getattr(holder, attribute, None)
            yield client
            yield getattr(client, "_client", None)  # an older Ollama's
            yield getattr(client, "aio", None)  # Google's
            yield getattr(getattr(client, "sdk_configuration", None), "async_client", None)
