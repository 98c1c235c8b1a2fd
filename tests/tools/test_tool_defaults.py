"""What a tool's schema says of arguments that a model leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_ai_personas.tools import ToolInfo


@pytest.mark.parametrize(
    ("schema", "given", "full"),
    [
        ({"type": "integer", "default": 3}, {}, {"a": 3}),
        ({"type": "integer", "default": 3}, {"a": None}, {"a": 3}),
        ({"type": "integer", "default": 3}, {"a": 0}, {"a": 0}),
        ({"type": ["string", "null"], "default": None}, {}, {"a": None}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, {}, {"a": None}),
        ({"type": ["string", "null"], "default": "x"}, {"a": None}, {"a": None}),
        # Some servers refuse null for what their own schema gives that default.
        ({"type": "string", "default": None}, {}, {}),
        ({"type": "string"}, {}, {}),
        ("nonsense", {"b": 1}, {"b": 1}),
    ],
)
def test_defaults_are_filled_in(schema: Any, given: dict[str, Any], full: dict[str, Any]) -> None:
    assert ToolInfo("x.y", parameters={"properties": {"a": schema}}).with_defaults(given) == full


@pytest.mark.parametrize("parameters", [{}, {"properties": []}, {"properties": None}])
def test_a_schema_without_properties_changes_nothing(parameters: Any) -> None:
    assert ToolInfo("x.y", parameters=parameters).with_defaults({"a": 1}) == {"a": 1}
