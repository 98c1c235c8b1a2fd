"""Keyword arguments of a LangChain class that a person chose: ``%%ai … -m {…}``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..redaction import names_a_secret, passwords_in

__all__ = ["copied", "illegal_secret", "key_of_another_model", "secrets_in", "stripped"]

_MODEL_KEYS = frozenset(
    {"azure_deployment", "deployment_name", "model", "model_id", "model_name", "models", "repo_id"}
)
_SENT_AS_THEY_ARE = frozenset({"default_query", "extra_body", "model_kwargs"})


def key_of_another_model(parameters: Mapping[str, Any], *more: str) -> str | None:
    """Return the key by which ``parameters`` name a model, dotted where it is an inner one.

    ``more`` are keys that name one besides the usual. Parameters that vendors' classes pass on to
    the server are checked as well: a model named there would answer.
    """
    for key, value in parameters.items():
        if key in _MODEL_KEYS or key in more:
            return key
        if key in _SENT_AS_THEY_ARE and isinstance(value, Mapping):
            inner = key_of_another_model(value, *more)
            if inner is not None:
                return f"{key}.{inner}"
    return None


def copied(value: Any) -> Any:
    """Return ``value`` with new dictionaries and lists: vendors' classes change those they get."""
    if isinstance(value, Mapping):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value


def secrets_in(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets among ``parameters``, inner ones and the passwords of URLs included."""
    for path, value in _texts(parameters):
        yield from passwords_in(value)
        if names_a_secret(path):
            yield value
            # The value after the scheme of an `Authorization` header is a secret too.
            yield from value.split()[1:]


def illegal_secret(parameters: Mapping[str, Any], is_legal: Callable[[str], bool]) -> str | None:
    """Return the dotted name of the first secret or header that ``is_legal`` refuses, if any."""
    for path, value in _texts(parameters):
        if (names_a_secret(path) or _is_header(path)) and not is_legal(value):
            return path
    return None


def stripped(parameters: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return ``parameters`` without white space around secrets and headers, and without blank ones.

    ``above`` is the dotted name of the parameter that ``parameters`` is the value of.
    """
    clean: dict[str, Any] = {}
    for key, value in parameters.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping):
            clean[key] = stripped(value, f"{path}.")
            continue
        text = _text(value)
        if text is None or not (names_a_secret(path) or _is_header(path)):
            clean[key] = value
        elif text.strip():
            clean[key] = text.strip() if isinstance(value, str) else type(value)(text.strip())
    return clean


def _texts(parameters: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in parameters.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _texts(value, f"{path}.")
        elif (text := _text(value)) is not None:
            yield path, text


def _text(value: Any) -> str | None:
    """Return a string, or what pydantic's ``SecretStr`` hides."""
    text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return text if isinstance(text, str) else None


def _is_header(path: str) -> bool:
    return path.rpartition(".")[0].lower().endswith("headers")
