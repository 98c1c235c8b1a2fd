"""An agent that wants its user to log in first: what it says, and what the operator can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from acp import schema

from jupyter_ai_personas.redaction import for_people

__all__ = ["LoginNeededError", "advice", "method_of"]

MOST = 5
"""How many ways to log in are named."""

_KEYS = {
    "claude-agent-acp": "ANTHROPIC_API_KEY",
    "gemini-cli": "GEMINI_API_KEY",
    "mistral-vibe": "MISTRAL_API_KEY",
}
"""The variables of agents that do not tell theirs, by the last part of the agent's name."""


class LoginNeededError(Exception):
    """The agent wants its user to log in first; the text says how, as sentences."""


def method_of(methods: Iterable[Any], env: Mapping[str, str]) -> str | None:
    """Return the id of a way to log in whose variables the agent has, ``None`` if there is none."""
    for method in methods:
        if isinstance(method, schema.EnvVarAuthMethod) and method.vars:
            needed = [one.name for one in method.vars if not one.optional]
            if all(env.get(name) for name in needed):
                return method.id
    return None


def advice(reason: str, methods: Sequence[Any], agent: str = "") -> str:
    """Return what an agent says of why it cannot begin, and what helps, in sentences.

    ``agent`` is the name that it gives itself, such as ``@zed-industries/claude-agent-acp``.
    """
    said = _line(reason).rstrip(".") or "it does not say which"
    variables = [
        f"`{_line(one.name)}`"
        for method in methods
        if isinstance(method, schema.EnvVarAuthMethod)
        for one in method.vars
    ]
    if not variables and (known := _KEYS.get(agent.rpartition("/")[2])):
        variables = [f"`{known}`"]
    key = " or ".join(dict.fromkeys(variables[:MOST])) or "its key"
    others = [
        _line(f"{method.name} ({method.description})" if method.description else method.name)
        for method in methods
        if not isinstance(method, schema.EnvVarAuthMethod)
    ]
    offers = f" It offers: {'; '.join(others[:MOST])}." if others else ""
    return (
        f"{said}. The operator can set {key} in its `env` in `c.AiExtension.acp_agents`, or log in "
        f"with the agent's own command as the user that Jupyter runs as.{offers}"
    )


def _line(text: str) -> str:
    return for_people(" ".join(text.split()))[:200]
