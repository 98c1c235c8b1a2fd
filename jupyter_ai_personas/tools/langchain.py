"""LangChain tools: described as plain data, and run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_ai_personas.tools.descriptions import EFFECTS, Effect, ToolInfo

__all__ = ["UnusableToolError", "describe", "named_tools", "run_tool"]

_HOW = "decorate the function with `@tool` of `langchain_core.tools`"


class UnusableToolError(Exception):
    """The object of a package cannot be given to a model as a tool; the message says why."""


def named_tools(toolset: str, source: str, items: Any) -> dict[str, tuple[ToolInfo, Any]]:
    """Return the tools among ``items`` by their full names, with their descriptions.

    An item is a LangChain tool, or a :class:`ToolInfo` of this toolset.

    Raises:
        UnusableToolError: one is neither, has no usable name or schema, or is there twice.
    """
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise UnusableToolError(f"it returned a `{type(items).__name__}`, not a list of tools")
    found: dict[str, tuple[ToolInfo, Any]] = {}
    for item in items:
        info = item if isinstance(item, ToolInfo) else describe(item, toolset, source)
        if info.name in found:
            raise UnusableToolError(f"it has two tools named `{info.name}`; rename one")
        found[info.name] = info, item
    return found


def describe(tool: Any, toolset: str, source: str) -> ToolInfo:
    """Return the description of a LangChain tool. One that declares no effect counts as ``run``.

    Raises:
        UnusableToolError: it is none, or has no usable name or schema.
    """
    from langchain_core.tools import BaseTool
    from langchain_core.utils.function_calling import convert_to_openai_tool

    if not isinstance(tool, BaseTool):
        what = getattr(tool, "__name__", type(tool).__name__)
        raise UnusableToolError(f"`{what}` is no LangChain tool; {_HOW}")
    if not tool.name.strip() or any(c.isspace() for c in tool.name):
        raise UnusableToolError(f"the tool `{tool.name}` needs a name without spaces")
    try:
        schema = convert_to_openai_tool(tool)["function"]
        parameters = json.loads(json.dumps(schema.get("parameters") or {}))
    except Exception as error:
        raise UnusableToolError(
            f"the arguments of `{tool.name}` have no schema: {error}"
        ) from error
    declared = (tool.metadata or {}).get("effect")
    effect: Effect = next((known for known in EFFECTS if known == declared), "run")
    description = " ".join(tool.description.split())
    return ToolInfo(f"{toolset}.{tool.name}", description, effect, parameters, source)


async def run_tool(tool: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run a LangChain tool and return its result as a JSON object.

    Exceptions and wrong arguments become ``{"error": …}``, so that the model continues.
    """
    from pydantic import ValidationError

    try:
        value = await tool.ainvoke(dict(arguments))
    except ValidationError as error:
        return {"error": f"These arguments do not fit. {_misfits(error)}"}
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())
        return {"error": f"{type(error).__name__}: {text}" if text else type(error).__name__}
    return _as_object(value)


def _misfits(error: Any) -> str:
    parts = [
        f"`{'.'.join(map(str, each['loc'])) or 'arguments'}`: {each['msg']}."
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return " ".join(parts[:10])


def _as_object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"text": value}
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return {"text": str(value)}
    return plain if isinstance(plain, dict) else {"result": plain}
