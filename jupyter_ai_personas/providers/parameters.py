"""Keyword arguments of a LangChain class that a person chose: ``%%ai … -m {…}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["copied", "key_of_another_model"]

_MODEL_KEYS = frozenset(
    {"azure_deployment", "deployment_name", "model", "model_id", "model_name", "models", "repo_id"}
)
_SENT_AS_THEY_ARE = frozenset({"default_query", "extra_body", "model_kwargs"})


def key_of_another_model(parameters: Mapping[str, Any], *more: str) -> str | None:
    """Return the key by which ``parameters`` name a model, dotted where it is an inner one.

    ``more`` are keys that name one besides the usual. What vendors' classes pass on to the server
    unread is looked into as well: a model named there would be the one that answers.
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
