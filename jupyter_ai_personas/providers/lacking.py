"""Finds what a provider's constructor lacks: fields without a value, and a key that is not
passed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .auth import keyword_of, variables_of

__all__ = ["lacking"]

_KEY_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:API_KEY|KEY|TOKEN)\b")


def lacking(provider: Any, error: Exception) -> str | None:
    """Return what to set if ``error`` comes of something that is missing, else ``None``.

    ``provider`` is the class whose constructor raised ``error``.
    """
    return _fields(provider, error) or _key(provider, error)


def _fields(provider: Any, error: Exception) -> str | None:
    missing = set(_missing(error))
    known = [field.key for field in getattr(provider, "fields", ()) if field.key in missing]
    if not known or missing - {*known}:
        return None
    values = ", ".join(f'"{key}": …' for key in known)
    return (
        f"it needs {' and '.join(f'`{key}`' for key in known)}. The operator can set this with "
        f'`c.AiExtension.model_parameters = {{"{provider.id}": {{{values}}}}}`.'
    )


def _missing(error: Exception) -> Iterator[str]:
    problems = getattr(error, "errors", None)
    if callable(problems):
        try:
            for problem in problems():
                if problem["type"] == "missing":
                    yield str(problem["loc"][-1])
        except (TypeError, LookupError):
            return


def _key(provider: Any, error: Exception) -> str | None:
    """Name a provider's own variables where the class below it asks for another's."""
    strategy = getattr(provider, "auth_strategy", None)
    own = variables_of(strategy)
    asked = _KEY_VARIABLE.findall(str(error))
    if not own or not asked or not {*own}.isdisjoint(asked):
        return None
    keywords = " and ".join(f"`{keyword_of(strategy, name)}`" for name in own)
    return (
        f"its key did not reach the class that it is built on, which asks for `{asked[0]}`. "
        f"It was passed {' and '.join(f'`{name}`' for name in own)} by {keywords}. Its author must "
        f"pass that on; upgrade or replace the package of `{provider.id}`."
    )
