"""Maps vendors' exceptions to our errors, without secrets in the message.

Vendors' exceptions share no base class. They are classified by HTTP status, response headers and
class name. Their causes are checked too, because some wrap the informative exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import (
    ContextTooLongError,
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
from .error_bodies import bodies_of, codes_in, is_web_page, reason_in
from .openai_protocol import OpenAIProtocolProvider
from .references import ModelReference
from .too_long import fitting_part, is_too_long
from .vendor import VendorProvider

__all__ = ["gave_nothing", "model_error"]

_MOST_REASON = 300  # characters
_BUSY = (429, 529)
_REFUSED = (400, 413, 422)
_NOTHING = "No generation chunks were returned"
_UNREADABLE = (
    "APIResponseValidationError",
    "JSONDecodeError",
    "ResponseValidationError",
    "UnicodeDecodeError",
    "UnknownApiResponseError",
)
_NO_MODEL = re.compile(r"\b(model|deployment)", re.IGNORECASE)
_VERSION_IN_URL = re.compile(r"/v\d")


def model_error(
    error: Exception, reference: ModelReference, provider: Any, redact: Callable[[str], str]
) -> PersonasError:
    """Return the error of our tree for what a call of ``provider``'s model raised."""
    if isinstance(error, PersonasError):
        return error
    status, retry_after = _status(error), _retry_after(error)
    variables = variables_of(getattr(provider, "auth_strategy", None))
    body = next((body for body in bodies_of(error) if reason_in(body) or is_web_page(body)), None)
    said = reason_in(body)
    # Redact before cutting: half a secret would not be recognized.
    told = " ".join(for_people(redact(said)).split())
    told = told[:_MOST_REASON] + "…" if len(told) > _MOST_REASON else told
    if status == 401 or _is_api_key_exc(provider, error):
        # Without the vendor's sentence: it may quote a part of the key.
        return RefusedCredentialsError(reference.provider_id, variables)
    if status == 403:
        why = "" if is_web_page(body) else told
        return RefusedCredentialsError(reference.provider_id, variables, why)
    if _is_named(error, "NoCredentialsError", "PartialCredentialsError"):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return MissingCredentialsError(reference.provider_id, variables or names)
    if _is_named(error, "ContextOverflowError") or is_too_long(status, said, codes_in(body)):
        return ContextTooLongError(str(reference), told, fits=fitting_part(said))
    if status in _BUSY or _is_named(error, "ThrottlingException", "ResourceExhausted"):
        return RateLimitError(reference.provider_id, retry_after)
    if is_web_page(body):
        return ModelFailedError(str(reference), _web_page(provider, status, told))
    if status == 404 and _NO_MODEL.search(said):
        return _unknown_model(reference, provider, told)
    if status in (404, 405):
        return ModelFailedError(str(reference), _wrong_url(provider, status, told))
    unsent = None if status else why_unsent(list(_chain(error)), provider)
    reason = unsent or _reason(error, status, provider, told)
    return ModelFailedError(str(reference), reason, refused=status in _REFUSED)


def gave_nothing(error: Exception) -> bool:
    """Return whether a stream ended without anything: the server may have answered in one piece."""
    # An older LangChain asserts that there was something, without a word.
    said = str(error)
    is_bare = isinstance(error, AssertionError) and not said
    return _NOTHING in said or is_bare or _is_named(error, "SSEError")


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


def _unknown_model(reference: ModelReference, provider: Any, told: str) -> ModelError:
    # The operator may have listed it by mistake: do not suggest it again.
    listed = getattr(provider, "models", ())
    known = [model_id for model_id in listed if model_id != reference.model_id]
    if "pull" in told:
        told = f"{told.rstrip('.')}: the operator can run `ollama pull {reference.model_id}`"
    return UnknownModelError(
        reference.model_id, provider_id=reference.provider_id, known=known, reason=told
    )


def _web_page(provider: Any, status: int | None, title: str) -> str:
    page = f"a web page (`{title}`)" if title else "a web page"
    if status is not None and status >= 500:
        return f"its server answers with HTTP status {status} and {page}. Try again later."
    return f"its server answers with {page} in place of an answer. {_check_url(provider)}"


def _wrong_url(provider: Any, status: int | None, told: str) -> str:
    said = f"HTTP status {status}: {told}" if told else f"HTTP status {status}"
    return f"there is nothing at its address ({said}). {_check_url(provider)}"


def _check_url(provider: Any) -> str:
    url = str(getattr(provider, "openai_api_base", None) or "")
    lacks = isinstance(provider, OpenAIProtocolProvider) and not _VERSION_IN_URL.search(url)
    which = ", which mostly ends in `/v1`" if lacks else ""
    return f"The operator must check its base URL{which}."


def _reason(error: Exception, status: int | None, provider: Any, told: str) -> str:
    if status is not None and status >= 500:
        said = f" It says: {told}" if told else ""
        return f"its server answers with HTTP status {status}. Try again later.{said}"
    if _is_named(error, "TimeoutError", "TimeoutException", "APITimeoutError"):
        return "its server does not answer in time. Try again later."
    if _is_named(error, "RemoteProtocolError", "ReadError", "IncompleteRead", "ProtocolError"):
        return "the connection was cut before the end of the answer. Try again."
    if _is_named(error, "ConnectError", "APIConnectionError", "ConnectionError", "gaierror"):
        return cannot_be_reached(provider)
    if status is None and _is_unreadable(error, provider):
        return (
            f"its answer cannot be read: it is not in the provider's format. {_check_url(provider)}"
        )
    return told or type(error).__name__


def _is_unreadable(error: Exception, provider: Any) -> bool:
    """Return whether the answer was not what the vendor's package expects.

    It may fail in any way; a foreign provider may also fail for its own reasons.
    """
    if _is_named(error, *_UNREADABLE):
        return True
    stumbled = isinstance(error, TypeError | AttributeError | LookupError)
    return isinstance(provider, VendorProvider) and stumbled
