"""The contract of toolsets: a test class for authors to inherit.

For example::

    class TestAcme(ToolsetContract):
        toolset = staticmethod(acme)
        valid = {"count_words": {"text": "two words"}}

``toolset`` is the function of the entry point; ``valid`` are arguments that work, by the tool's
name. Tools are run as a persona's host runs them, without a server or a model.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from jupyter_ai_personas.tools import ToolInfo, model_names
from jupyter_ai_personas.tools.descriptions import EFFECTS
from jupyter_ai_personas.tools.langchain import named_tools, run_tool
from jupyter_ai_personas.tools.names import MAX_MODEL_NAME

__all__ = ["ToolsetContract"]

_AT_ONCE = 5


class ToolsetContract:
    """A toolset describes its tools so that models can use them, and its results are JSON."""

    toolset: ClassVar[Any]
    valid: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    name: ClassVar[str] = "contract"

    @pytest.fixture
    def tools(self) -> dict[str, ToolInfo]:
        """The tools by their own names."""
        return {info.name.partition(".")[2]: info for info, _ in self._items().values()}

    def _items(self) -> dict[str, tuple[ToolInfo, Any]]:
        return named_tools(self.name, "the test", type(self).toolset())

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the result of a call of ``tool``, its own name."""
        _, item = self._items()[f"{self.name}.{tool}"]
        return await run_tool(item, arguments)

    def state(self) -> Any:
        """Return what tools that only read must not change, such as the files of a folder."""

    def test_it_offers_the_same_tools_each_time(self, tools: dict[str, ToolInfo]) -> None:
        assert tools, "The toolset has no tools."
        assert not inspect.iscoroutinefunction(type(self).toolset), "It must not be `async`."
        assert list(self._items()) == [info.name for info in tools.values()]

    def test_models_can_be_given_the_names(self, tools: dict[str, ToolInfo]) -> None:
        seen = model_names(info.name for info in tools.values())
        assert len(seen) == len(tools)
        assert all(re.fullmatch(rf"[A-Za-z0-9_-]{{1,{MAX_MODEL_NAME}}}", name) for name in seen)
        assert all("." not in name for name in tools), "The name of a tool has no dot."

    def test_each_tool_says_what_it_does(self, tools: dict[str, ToolInfo]) -> None:
        for name, info in tools.items():
            assert info.description, f"`{name}` needs a description: its docstring."

    def test_each_tool_declares_its_effect(self, tools: dict[str, ToolInfo]) -> None:
        for name, (info, item) in zip(tools, self._items().values(), strict=True):
            if not isinstance(item, ToolInfo):
                declared = (item.metadata or {}).get("effect")
                assert declared in EFFECTS, f'Set `{name}.metadata = {{"effect": "read"}}`.'
            assert info.effect in EFFECTS

    def test_each_schema_of_arguments_is_one(self, tools: dict[str, ToolInfo]) -> None:
        import jsonschema

        for name, info in tools.items():
            jsonschema.Draft202012Validator.check_schema(info.parameters)
            properties = info.parameters.get("properties", {})
            missing = set(info.parameters.get("required", ())) - set(properties)
            assert not missing, f"`{name}` requires arguments that its schema lacks: {missing}."

    def test_descriptions_are_plain_data(self, tools: dict[str, ToolInfo]) -> None:
        for info in tools.values():
            assert ToolInfo.from_json(json.loads(json.dumps(info.as_json()))) == info

    def test_arguments_that_are_missing_are_an_error(self, tools: dict[str, ToolInfo]) -> None:
        for name, info in tools.items():
            if info.parameters.get("required"):
                result = asyncio.run(self._call(name, {}))
                assert "error" in result, f"`{name}` ran without its arguments."

    def test_valid_arguments_give_a_json_object(self, tools: dict[str, ToolInfo]) -> None:
        unknown = set(self.valid) - set(tools)
        assert not unknown, f"`valid` names tools that there are not: {unknown}."
        for name, arguments in self.valid.items():
            before = self.state()
            result = asyncio.run(self._call(name, arguments))
            assert "error" not in result, f"`{name}`: {result['error']}"
            if tools[name].is_read_only:
                assert self.state() == before, f"`{name}` declares `read` and changes something."

    def test_what_only_reads_runs_several_times_at_once(self, tools: dict[str, ToolInfo]) -> None:
        async def many(name: str, arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
            calls = (self._call(name, arguments) for _ in range(_AT_ONCE))
            return list(await asyncio.gather(*calls))

        for name, arguments in self.valid.items():
            if tools[name].is_read_only:
                for result in asyncio.run(many(name, arguments)):
                    assert "error" not in result, f"`{name}`: {result['error']}"

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        result = await self.call(name, arguments)
        assert isinstance(result, Mapping), f"The result of `{name}` is no JSON object."
        plain: dict[str, Any] = json.loads(json.dumps(dict(result), allow_nan=False))
        assert plain == dict(result), f"The result of `{name}` is changed by JSON."
        return plain
