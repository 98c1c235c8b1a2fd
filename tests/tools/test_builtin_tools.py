"""What the built-in tools take, as plain data: checked without a server."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from jupyter_ai_personas.errors import ToolCallError
from jupyter_ai_personas.tools.builtin import (
    BUILTIN,
    checked_arguments,
    kernel,
    notebook,
    workspace,
)
from jupyter_ai_personas.tools.descriptions import ToolInfo


def test_the_toolsets_have_the_tools_of_the_contract() -> None:
    effects = {tool.name: tool.effect for tool in (*notebook(), *workspace(), *kernel())}
    assert effects == {
        "notebook.list": "read",
        "notebook.read": "read",
        "notebook.create": "write",
        "notebook.insert_cell": "write",
        "notebook.edit_cell": "write",
        "notebook.move_cell": "write",
        "notebook.delete_cell": "write",
        "notebook.run_cell": "run",
        "workspace.list": "read",
        "workspace.read_file": "read",
        "workspace.search": "read",
        "workspace.write_file": "write",
        "workspace.edit_file": "write",
        "kernel.variables": "run",
        "kernel.inspect": "run",
    }


@pytest.mark.parametrize("tool", BUILTIN.values(), ids=list(BUILTIN))
def test_every_schema_is_one_and_every_argument_is_described(tool: ToolInfo) -> None:
    jsonschema.Draft202012Validator.check_schema(tool.parameters)
    assert tool.description
    for schema in tool.parameters["properties"].values():
        assert schema["description"]
    assert ToolInfo.from_json(tool.as_json()) == tool


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("notebook.read", {}, "`path`"),
        ("notebook.read", {"path": None}, "`path`"),
        ("notebook.read", {"path": 3}, "type string"),
        ("notebook.read", {"paths": "a"}, "Did you mean `path`"),
        ("notebook.read", {"path": "a", "cells": "c0"}, "type array"),
        ("notebook.read", {"path": "a", "cells": [None]}, "item of the argument `cells`"),
        ("notebook.read", {"path": "a", "outputs": 1}, "type boolean"),
        ("notebook.insert_cell", {"path": "a", "source": "x", "cell_type": "sql"}, "'markdown'"),
        ("notebook.insert_cell", {"path": "a", "source": "\ud800"}, "surrogate"),
        ("notebook.move_cell", {"path": "a", "cell": True}, "type string or integer"),
        ("notebook.run_cell", {"path": "a", "cell": "x", "timeout": 0}, "from 1 to 3,600"),
        ("notebook.run_cell", {"path": "a", "cell": "x", "timeout": 1.5}, "type integer"),
        ("workspace.write_file", {"path": "a", "content": ""}, "`expected`"),
        ("workspace.read_file", {"path": "a", "lines": 10**9}, "from 1 to"),
    ],
)
def test_an_error_names_the_argument_and_what_it_takes(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ToolCallError) as caught:
        checked_arguments(BUILTIN[name], arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments", "checked"),
    [
        ("notebook.list", {}, {"folder": ""}),
        ("notebook.list", {"folder": None}, {"folder": ""}),
        ("notebook.read", {"path": "a", "cells": None}, {"path": "a", "outputs": True}),
        ("notebook.move_cell", {"path": "a", "cell": 1.0}, {"path": "a", "cell": 1, "after": None}),
        (
            "workspace.write_file",
            {"path": "a", "content": "", "expected": None},
            {"path": "a", "content": "", "expected": None},
        ),
        ("notebook.create", {"path": "a", "kernel": None}, {"path": "a"}),
    ],
)
def test_defaults_are_filled_in(
    name: str, arguments: dict[str, Any], checked: dict[str, Any]
) -> None:
    assert checked_arguments(BUILTIN[name], arguments) == checked
