"""Credentials of a provider: the three strategies of Jupyter AI v2.

A strategy is plain data on a provider class. Classes built on ``jupyter_ai_magics`` carry that
package's own strategies, so everything here looks at ``type``, ``name``, ``names`` and
``keyword_param`` and never at the strategy's class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "AuthStrategy",
    "AwsAuthStrategy",
    "EnvAuthStrategy",
    "MultiEnvAuthStrategy",
    "keyword_of",
    "plain_strategy",
    "variables_of",
]


@dataclass(frozen=True, slots=True)
class EnvAuthStrategy:
    """One secret, named after an environment variable.

    ``name`` is the variable, such as ``"OPENAI_API_KEY"``. When the secret comes from a secrets
    file or the configuration, it is passed to the provider's constructor as ``keyword_param``,
    or, when that is ``None``, as the variable's name in lower case.
    """

    name: str
    keyword_param: str | None = None
    type: Literal["env"] = field(default="env", init=False)


@dataclass(frozen=True, slots=True)
class MultiEnvAuthStrategy:
    """Several secrets, all needed, each named after an environment variable."""

    names: list[str]
    type: Literal["multienv"] = field(default="multienv", init=False)


@dataclass(frozen=True, slots=True)
class AwsAuthStrategy:
    """Credentials found by ``boto3``: variables, profile, container or instance."""

    type: Literal["aws"] = field(default="aws", init=False)


AuthStrategy = EnvAuthStrategy | MultiEnvAuthStrategy | AwsAuthStrategy | None


def variables_of(strategy: Any) -> tuple[str, ...]:
    """Return the variables that ``strategy`` needs; none for ``None`` and for AWS."""
    kind = getattr(strategy, "type", None)
    if kind == "env":
        return (str(strategy.name),)
    if kind == "multienv":
        return tuple(str(name) for name in strategy.names)
    return ()


def plain_strategy(strategy: Any) -> AuthStrategy:
    """Return a strategy of ours that says what ``strategy`` does, of whichever package it is."""
    kind = getattr(strategy, "type", None)
    if kind == "env":
        keyword = getattr(strategy, "keyword_param", None)
        return EnvAuthStrategy(str(strategy.name), None if keyword is None else str(keyword))
    if kind == "multienv":
        return MultiEnvAuthStrategy([str(name) for name in strategy.names])
    return AwsAuthStrategy() if kind == "aws" else None


def keyword_of(strategy: Any, variable: str) -> str:
    """Return the constructor's keyword under which ``strategy`` takes ``variable``'s value."""
    return getattr(strategy, "keyword_param", None) or variable.lower()
