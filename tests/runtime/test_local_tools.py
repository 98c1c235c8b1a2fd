"""The tools that the personas of files may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import StructuredTool
from local_rooms import LOG, room, write

from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.testing import (
    FakeEntryPoint,
    make_runtime,
)
from jupyter_ai_personas.testing.models import tool_calls
from jupyter_ai_personas.tools import PackageToolsets, ToolRegistry, ToolSettings


def toolbox(**settings: Any) -> ToolRegistry:
    def make(name: str, effect: str) -> Any:
        return StructuredTool.from_function(
            lambda: f"{name} ran", name=name, description=name, metadata={"effect": effect}
        )

    def tools() -> list[Any]:
        return [make("look", "read"), make("wipe", "write"), make("start", "run")]

    packages = PackageToolsets(log=LOG, entry_points=[FakeEntryPoint(tools, name="kit")])
    packages.load()
    return ToolRegistry(ToolSettings(**settings), packages)


@pytest.mark.parametrize(
    ("mode", "named", "given"),
    [
        ("text", "[kit]", ["kit__look"]),
        ("text", "['kit.*', kit.wipe]", ["kit__look"]),
        ("text", "['*']", ["kit__look"]),
        ("tools", "[kit]", ["kit__look", "kit__start", "kit__wipe"]),
        ("tools", "[kit.start]", ["kit__start"]),
        ("tools", "[]", []),
    ],
)
async def test_a_file_s_tools_are_those_that_the_operator_lets_it_have(
    tmp_path: Path, mode: str, named: str, given: list[str]
) -> None:
    write(tmp_path, "researcher", tools=named)
    async with room(tmp_path, mode=mode, tools=toolbox()) as here:
        await here.one("@Researcher hi")
        assert sorted(here.model.tools[0]) == given
        listed = (await here.one("/tools @Researcher")).body
        assert ("`wipe`" in listed) == ("kit__wipe" in given)
        withheld = mode == "text"
        assert ("`kit.wipe`" in listed) == withheld
        assert ("local_personas = 'tools'" in listed) == withheld


async def test_names_that_no_tool_has_are_told(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tools="[kit, kitt, kit.looks]")
    async with room(tmp_path, tools=toolbox()) as here:
        listed = (await here.one("/tools @Researcher")).body
        assert "It also names `kitt`, `kit.looks`, which no toolset or tool here is" in listed


async def test_a_model_cannot_call_a_tool_that_the_file_may_not_have(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tools="[kit]")
    replies = [tool_calls(("kit__wipe", {})), "I could not."]
    async with room(tmp_path, tools=toolbox(), model_replies=replies) as here:
        reply = await here.one("@Researcher wipe")
    assert "wipe ran" not in reply.body
    assert reply.body.endswith("I could not.")


async def test_the_operator_s_choice_of_tools_does_not_lift_that_limit(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tools="[]")
    tools = toolbox(persona_tools={"Researcher": ["kit"]})
    async with room(tmp_path, tools=tools) as here:
        await here.one("@Researcher hi")
        assert here.model.tools == [["kit__look"]]


@pytest.mark.parametrize(
    ("policy", "decided"),
    [
        ({}, "ask"),
        ({"Researcher": {"kit.wipe": "allow"}}, "ask"),
        ({"Researcher": {"kit.wipe": "deny"}}, "deny"),
        ({"jupyter-ai-personas::local::/Researcher": {"kit.wipe": "allow"}}, "allow"),
        ({"kit.wipe": "allow"}, "allow"),
        ({"kit.wipe": "allow", "Researcher": {"kit.wipe": "ask"}}, "ask"),
    ],
)
async def test_a_name_brings_no_policy_of_the_operator_s_that_lets_more_happen(
    tmp_path: Path, policy: dict[str, Any], decided: str
) -> None:
    write(tmp_path, "researcher", tools="[kit]")
    tools = toolbox(tool_policy=policy)
    async with make_runtime(
        settings=RuntimeSettings(root_dir=str(tmp_path), local_personas="tools"), tools=tools
    ) as runtime:
        persona = (await runtime.personas_at("")).find("Researcher")
        [wipe] = [t for t in tools.granted(persona, "") if t.name == "kit.wipe"]
        assert tools.policy(wipe, persona) == decided
