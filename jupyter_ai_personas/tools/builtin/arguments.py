"""Arguments of built-in tools, checked against their schema; an error names the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.errors import ToolCallError, near_matches
from jupyter_ai_personas.tools.descriptions import ToolInfo

__all__ = ["checked_arguments"]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list, tuple),
    "null": (type(None),),
}


def checked_arguments(tool: ToolInfo, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call with the defaults filled in.

    Models send ``null`` for what they leave out, and whole numbers as floats: both are accepted.

    Raises:
        ToolCallError: an argument is missing, unknown, or has a value that its schema forbids.
    """
    properties: Mapping[str, Any] = tool.parameters["properties"]
    for name in arguments:
        if name not in properties:
            near = near_matches(str(name), properties)
            meant = f" Did you mean `{near[0]}`?" if near else ""
            known = ", ".join(f"`{each}`" for each in properties)
            raise ToolCallError(f"`{tool.name}` has no argument `{name}`.{meant} It has {known}.")
    found = {}
    for name, schema in properties.items():
        value = arguments.get(name)
        if value is None and (name not in arguments or "null" not in _kinds(schema)):
            if name in tool.parameters["required"]:
                raise ToolCallError(f"Give `{tool.name}` the argument `{name}`: {_about(schema)}")
            value = schema.get("default")
            if value is None and "default" not in schema:
                continue
            found[name] = value
        else:
            found[name] = _checked(f"The argument `{name}` of `{tool.name}`", value, schema)
    return found


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema["type"]
    return [kind] if isinstance(kind, str) else list(kind)


def _about(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description", ""))


def _checked(what: str, value: Any, schema: Mapping[str, Any]) -> Any:
    kinds = _kinds(schema)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_bool = isinstance(value, bool)
    if not any(
        isinstance(value, _TYPES[kind]) and is_bool == (kind == "boolean") for kind in kinds
    ):
        raise ToolCallError(f"{what} must be of type {' or '.join(kinds)}: {_about(schema)}")
    if "enum" in schema and value not in schema["enum"]:
        raise ToolCallError(f"{what} must be one of {', '.join(map(repr, schema['enum']))}.")
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ToolCallError(
                f"{what} contains half of a surrogate pair; leave it out."
            ) from None
    elif "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        least, most = schema["minimum"], schema["maximum"]
        raise ToolCallError(f"{what} must be from {least:,} to {most:,}.")
    elif isinstance(value, list | tuple):
        return [
            _checked(f"An item of {what[0].lower()}{what[1:]}", v, schema["items"]) for v in value
        ]
    return value
