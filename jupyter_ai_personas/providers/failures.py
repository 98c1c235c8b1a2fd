"""What vendors raise, mapped to our errors, without any secret in the message.

Vendors' exceptions share no base class, so they are told apart by what most of them carry: an HTTP
status, a response with headers, the name of the class. Their causes are looked at as well, since
some wrap the telling one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import (
    MissingCredentialsError,
    ModelError,
    ModelFailedError,
    PersonasError,
    RateLimitError,
    RefusedCredentialsError,
    UnknownModelError,
)
from ..redaction import for_people
from .auth import variables_of
from .environment import cannot_be_reached, why_unsent
from .references import ModelReference

__all__ = ["model_error"]

_MOST_REASON = 300  # characters
_BUSY = (429, 529)


def model_error(
    error: Exception, reference: ModelReference, provider: Any, redact: Callable[[str], str]
) -> PersonasError:
    """Return the error of our tree for what a call of ``provider``'s model raised."""
    if isinstance(error, PersonasError):
        return error
    status, retry_after = _status(error), _retry_after(error)
    variables = variables_of(getattr(provider, "auth_strategy", None))
    if status in (401, 403) or _is_api_key_exc(provider, error):
        return RefusedCredentialsError(reference.provider_id, variables)
    if _is_named(error, "NoCredentialsError", "PartialCredentialsError"):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return MissingCredentialsError(reference.provider_id, variables or names)
    if status in _BUSY or _is_named(error, "ThrottlingException", "ResourceExhausted"):
        return RateLimitError(reference.provider_id, retry_after)
    if status == 404 and "model" in _message(error).lower():
        return _unknown_model(reference, provider)
    unsent = None if status else why_unsent(list(_chain(error)), provider)
    reason = unsent or _reason(error, status, redact, provider)
    return ModelFailedError(str(reference), reason)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _is_named(error: BaseException, *names: str) -> bool:
    return any(cls.__name__ in names for one in _chain(error) for cls in type(one).__mro__)


def _status(error: BaseException) -> int | None:
    for one in _chain(error):
        response = getattr(one, "response", None)
        found = [getattr(one, "status_code", None), getattr(response, "status_code", None)]
        found += [getattr(one, "code", None), getattr(response, "status", None)]
        if isinstance(response, dict):  # botocore
            found.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        for status in found:
            if isinstance(status, int) and 400 <= status < 600:
                return int(status)
    return None


def _retry_after(error: BaseException) -> float | None:
    """Return the seconds of a ``Retry-After`` header; a date in it counts as none."""
    for one in _chain(error):
        headers = getattr(getattr(one, "response", None), "headers", None)
        try:
            if headers and (value := headers.get("retry-after")):
                return float(value)
        except (ValueError, AttributeError):
            continue
    return None


def _is_api_key_exc(provider: Any, error: Exception) -> bool:
    try:
        return bool(provider.is_api_key_exc(error))
    except Exception:
        # Foreign code, written for exceptions of one shape; it must not hide the error.
        return False


def _unknown_model(reference: ModelReference, provider: Any) -> ModelError:
    # It may well be listed, by an operator who was mistaken: no use in proposing it again.
    listed = getattr(provider, "models", ())
    known = [model_id for model_id in listed if model_id != reference.model_id]
    return UnknownModelError(reference.model_id, provider_id=reference.provider_id, known=known)


def _reason(
    error: Exception, status: int | None, redact: Callable[[str], str], provider: Any
) -> str:
    if status is not None and status >= 500:
        return f"its server answers with HTTP status {status}. Try again later."
    if _is_named(error, "TimeoutError", "TimeoutException", "APITimeoutError"):
        return "its server does not answer in time. Try again later."
    if _is_named(error, "RemoteProtocolError", "ReadError", "IncompleteRead", "ProtocolError"):
        return "the connection was cut before the end of the answer. Try again."
    if _is_named(error, "ConnectError", "APIConnectionError", "ConnectionError", "gaierror"):
        return cannot_be_reached(provider)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "its answer cannot be read: it is not in the provider's format."
    # Before it is cut: what is left of half a secret would not be known as one.
    text = " ".join(for_people(redact(_message(error))).split())
    return text[:_MOST_REASON] + "…" if len(text) > _MOST_REASON else text or type(error).__name__


def _message(error: Exception) -> str:
    """Return the vendor's own sentence where the response has one, else the exception's text."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(message, str):
            return message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # Its text would show a path.
    try:
        return str(error)
    except Exception:
        return ""
