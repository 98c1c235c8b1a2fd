"""Whether a call of a tool is allowed, asked about or denied. Pure, and fails closed.

The operator's ``tool_policy`` maps patterns to ``allow``, ``ask`` or ``deny``; a value that is a
mapping holds the patterns of the persona that its key names::

    {"workspace.*": "allow", "mcp:github.*": "ask", "Guide": {"notebook.run_cell": "deny"}}

``*`` stands for any characters; the name of a toolset stands for all its tools. Of the patterns
that match, the most specific decide: an exact name, then more characters that are not ``*``, and
for one persona before for all. Of those that are equal, or each more specific in one respect, the
stricter decides. Without a matching pattern, the tool's effect decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, get_args

from jupyter_ai_personas import routing
from jupyter_ai_personas.errors import ConfigurationError

__all__ = ["Policy", "check_policy", "decide", "folded", "matches", "specificity", "stricter"]

Policy = Literal["allow", "ask", "deny"]
_STRICTNESS: tuple[Policy, ...] = get_args(Policy)
_Specificity = tuple[bool, int]


def decide(policy: object, persona: Collection[str], tool: str, effect: object) -> Policy:
    """Return what becomes of a call of ``tool`` by a persona.

    ``policy`` is the operator's ``tool_policy``; what it says in no known way is denied.
    ``persona`` has the names of the persona: its id, name and mention name. ``effect`` is what the
    tool declares.
    """
    if not isinstance(policy, Mapping):
        return "deny"
    found = list(_matching(policy, {folded(name) for name in persona}, tool))
    if not found:
        return "allow" if effect == "read" else "ask"
    deciding = [
        verdict
        for rank, own, verdict in found
        if not any(
            other >= rank and of_persona >= own and (other, of_persona) != (rank, own)
            for other, of_persona, _ in found
        )
    ]
    return max(deciding, key=_STRICTNESS.index)


def stricter(one: Policy, other: Policy) -> Policy:
    """Return the policy that lets less happen."""
    return max(one, other, key=_STRICTNESS.index)


def _matching(
    policy: Mapping[Any, Any], persona: Collection[str], tool: str
) -> Iterator[tuple[_Specificity, bool, Policy]]:
    """Yield how specific each pattern is that matches, whether for the persona, what it says."""
    for key, value in policy.items():
        if isinstance(value, Mapping):
            if folded(key) in persona:
                for pattern, verdict in value.items():
                    if matches(pattern, tool):
                        yield specificity(pattern), True, _known(verdict)
        elif matches(key, tool):
            yield specificity(key), False, _known(value)


def matches(pattern: object, tool: str) -> bool:
    """Return whether a pattern such as ``notebook.*``, ``notebook`` or ``*`` matches a tool."""
    return isinstance(pattern, str) and _compiled(pattern).fullmatch(tool) is not None


def specificity(pattern: str) -> tuple[bool, int]:
    """Return a key that orders patterns: those with a greater one are more specific."""
    pattern = _whole(pattern)
    return "*" not in pattern, len(pattern.replace("*", ""))


def check_policy(policy: object) -> None:
    """Check the operator's ``tool_policy``.

    Raises:
        ConfigurationError: it has a part that :func:`decide` would deny for being unknown.
    """
    if not isinstance(policy, Mapping):
        raise ConfigurationError("`tool_policy` must be a dictionary: pattern → policy.")
    for key, value in policy.items():
        inner = value if isinstance(value, Mapping) else {key: value}
        for pattern, verdict in inner.items():
            if not (isinstance(key, str) and key and isinstance(pattern, str) and pattern):
                raise ConfigurationError(
                    "A pattern or persona in `tool_policy` must be a string that is not empty, "
                    "such as `notebook.*`."
                )
            if verdict not in _STRICTNESS:
                raise ConfigurationError(
                    f"`tool_policy` says `{verdict}` for `{pattern}`. "
                    "Write `allow`, `ask` or `deny`."
                )


def _known(verdict: object) -> Policy:
    return next((known for known in _STRICTNESS if known == verdict), "deny")


def folded(name: object) -> str:
    """Return the name of a persona as it is compared: however it is written, it is meant."""
    # `routing` loads it now: a server that starts checks policies only.
    return routing.folded_name(name) if isinstance(name, str) else ""


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, _whole(pattern).split("*"))), re.DOTALL)


def _whole(pattern: str) -> str:
    return pattern if "." in pattern or "*" in pattern else f"{pattern}.*"
