"""The contract of toolsets, over the built-in ones and over one of an author."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool
from support.desk import Desk
from support.kernels import with_kernels

from jupyter_ai_personas.errors import PersonasError
from jupyter_ai_personas.testing import ToolsetContract
from jupyter_ai_personas.tools import ToolInfo, builtin


@tool
def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


count_words.metadata = {"effect": "read"}


class TestOfAnAuthor(ToolsetContract):
    toolset = staticmethod(lambda: [count_words])
    valid = {"count_words": {"text": "two words"}}


class BuiltinContract(ToolsetContract):
    desk: Desk

    @pytest.fixture(autouse=True)
    async def _desk(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one\ntwo\n")
        self.desk = await Desk(tmp_path).begin()
        self.desk.open("a.ipynb", "a = 1", "b", "c")
        self.desk.save("saved.ipynb", "a = 1", "b", "c")

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.desk.call(f"{self.name}.{tool}", **arguments)

    def state(self) -> Any:
        notebooks = [document.get() for document in self.desk.rooms.documents.values()]
        return notebooks, [
            (str(path), path.read_bytes()) for path in self.desk.root.rglob("*") if path.is_file()
        ]

    def test_every_tool_is_tried(self, tools: dict[str, ToolInfo]) -> None:
        assert set(self.valid) == set(tools)
        for info in tools.values():
            assert self.desk.tools.executors[info.name]

    async def test_a_preview_changes_nothing(self, tools: dict[str, ToolInfo]) -> None:
        before = self.state()
        for name, info in tools.items():
            try:
                preview = await self.desk.preview(info.name, **self.valid[name])
            except PersonasError:
                assert self.name == "kernel"  # none runs
                continue
            assert preview.target
            assert set(preview.covers) <= set(info.parameters["properties"])
        assert self.state() == before

    async def test_unknown_arguments_are_an_error_that_names_them(
        self, tools: dict[str, ToolInfo]
    ) -> None:
        before = self.state()
        for name in tools:
            result = await self.call(name, {**self.valid[name], "colour": "red"})
            assert "`colour`" in result["error"]
        assert self.state() == before


class NotebookContract(BuiltinContract):
    toolset = staticmethod(builtin.notebook)
    name = "notebook"
    path = "a.ipynb"

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        async with with_kernels(self.desk):
            return await super().call(tool, arguments)

    async def test_a_preview_changes_nothing(self, tools: dict[str, ToolInfo]) -> None:
        async with with_kernels(self.desk):
            await super().test_a_preview_changes_nothing(tools)


def notebook_calls(path: str) -> dict[str, dict[str, Any]]:
    return {
        "list": {"folder": ""},
        "read": {"path": path, "cells": ["c0..c1"]},
        "create": {"path": f"new-{path}", "kernel": "python3"},
        "insert_cell": {"path": path, "source": "x", "cell_type": "markdown", "after": "c0"},
        "edit_cell": {"path": path, "cell": "c1", "source": "B", "expected": "b"},
        "move_cell": {"path": path, "cell": "c0", "after": "c2"},
        "delete_cell": {"path": path, "cell": "c2", "expected": "c"},
        "run_cell": {"path": path, "cell": "c0", "timeout": 60},
    }


class TestOpenNotebook(NotebookContract):
    valid = notebook_calls("a.ipynb")


class TestSavedNotebook(NotebookContract):
    valid = notebook_calls("saved.ipynb")


class TestWorkspace(BuiltinContract):
    toolset = staticmethod(builtin.workspace)
    name = "workspace"
    valid = {
        "list": {},
        "read_file": {"path": "a.txt", "start": 2},
        "search": {"query": "two", "limit": 3},
        "write_file": {"path": "b.txt", "content": "x", "expected": None},
        "edit_file": {"path": "a.txt", "old": "one", "new": "1"},
    }


class TestKernel(BuiltinContract):
    toolset = staticmethod(builtin.kernel)
    name = "kernel"
    valid = {"variables": {"path": "a.ipynb"}, "inspect": {"path": "a.ipynb", "name": "a"}}

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        async with with_kernels(self.desk):
            if set(arguments) == set(self.valid[tool]):
                await self.desk.call("notebook.run_cell", path="a.ipynb", cell="c0")
            return await super().call(tool, arguments)

    async def test_a_preview_changes_nothing(self, tools: dict[str, ToolInfo]) -> None:
        async with with_kernels(self.desk):
            await super().test_a_preview_changes_nothing(tools)
