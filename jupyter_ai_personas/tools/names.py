"""Names of tools as a model sees them: vendors allow letters, digits, ``_`` and ``-``, up to 64."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

__all__ = ["MAX_MODEL_NAME", "model_name", "model_names"]

MAX_MODEL_NAME = 64
"""Characters that every vendor allows in the name of a tool."""

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")


def model_name(tool: str) -> str:
    """Return the name that a model sees: ``notebook__insert_cell``, ``mcp__weather__forecast``."""
    name = _NOT_ALLOWED.sub("_", tool.replace(".", "__").replace(":", "__"))
    return name if len(name) <= MAX_MODEL_NAME else _with_digest(name, tool)


def model_names(tools: Iterable[str]) -> dict[str, str]:
    """Return the name that a model sees → the tool's name, for tools that one model is given.

    Tools that would get the same name are told apart by a digest, whatever their order.
    """
    by_name: dict[str, list[str]] = {}
    for tool in dict.fromkeys(tools):
        by_name.setdefault(model_name(tool), []).append(tool)
    return {
        (name if len(same) == 1 else _with_digest(name, tool)): tool
        for name, same in by_name.items()
        for tool in same
    }


def _with_digest(name: str, tool: str) -> str:
    digest = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: MAX_MODEL_NAME - 9]}_{digest}"
