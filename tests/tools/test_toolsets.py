"""Toolsets of packages: found, described, or broken with the way to mend them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.tools import tool

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.discovery import Broken
from jupyter_ai_personas.testing import FakeEntryPoint
from jupyter_ai_personas.testing.conversation import converse
from jupyter_ai_personas.tools import PackageToolsets, ToolInfo, ToolRegistry, ToolSettings

LOG = logging.getLogger("tests.tools")


@tool
def plot(column: str, bins: int = 10) -> str:
    """Plot a column."""
    return f"{column} in {bins}"


@tool
def columns() -> list[str]:
    """List the columns."""
    return ["a", "b"]


columns.metadata = {"effect": "read"}


def good() -> list[Any]:
    return [plot, columns]


def packages(*points: Any) -> PackageToolsets:
    found = PackageToolsets(log=LOG, entry_points=points)
    found.load()
    return found


def point(make: Any, name: str = "charts", **more: Any) -> FakeEntryPoint:
    return FakeEntryPoint(make, name=name, **more)


def broken(make: Any, name: str = "charts", **more: Any) -> Broken:
    """Return why a toolset is broken, beside a good one that stays good."""
    found = packages(point(make, name, **more), point(good, "good"))
    assert list(found.toolsets) == ["good"]
    [one] = found.broken
    assert one.fix
    return one


def test_a_callable_that_returns_langchain_tools_is_a_toolset() -> None:
    found = packages(point(good, dist="acme"))
    toolset = found.toolsets["charts"]
    assert (toolset.source, toolset.status, found.broken) == ("acme", "ok", [])
    first, second = toolset.tools
    assert (first.name, first.description, first.effect) == ("charts.plot", "Plot a column.", "run")
    assert first.parameters["properties"]["bins"]["type"] == "integer"
    assert first.parameters["required"] == ["column"]
    assert (second.name, second.effect) == ("charts.columns", "read")
    assert found.tool("charts.plot") is plot


def test_it_is_called_once() -> None:
    calls: list[int] = []

    def make() -> list[Any]:
        calls.append(1)
        return [plot]

    found = packages(point(make))
    found.load()
    assert calls == [1]


def raising(error: BaseException) -> Callable[[], Any]:
    def make() -> Any:
        raise error

    return make


def nameless() -> list[Any]:
    copy = plot.model_copy()
    copy.name = "two words"
    return [copy]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (raising(ValueError("no data")), "ValueError: no data"),
        (raising(SystemExit(1)), "SystemExit: 1"),
        (lambda: None, "returned a `NoneType`, not a list"),
        (lambda: "plot", "returned a `str`, not a list"),
        (lambda: [len], "`len` is no LangChain tool; decorate"),
        (lambda: [plot, plot], "two tools named `charts.plot`"),
        (nameless, "without spaces"),
        (lambda needed: [], "TypeError"),
        ("not callable", "not a callable"),
    ],
)
def test_a_faulty_one_hurts_only_itself(make: Any, said: str) -> None:
    assert said in broken(make).error


def test_one_that_cannot_be_imported_says_what_to_install() -> None:
    one = broken(None, error=ModuleNotFoundError("No module named 'acme_db'", name="acme_db"))
    assert (one.stage, "acme_db" in one.fix) == ("import", True)


@pytest.mark.parametrize("name", ["notebook", "workspace", "kernel", "mcp:x", "a.b", "a b"])
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    assert "cannot be named" in broken(good, name).error


def test_of_two_with_one_name_the_first_stays() -> None:
    found = packages(point(good, dist="acme"), point(good, dist="zeta"))
    assert found.toolsets["charts"].source == "acme"
    assert found.broken[0].stage == "duplicate"


def test_what_is_only_described_needs_an_executor() -> None:
    info = ToolInfo("notebook.read", effect="read")
    found = packages(point(lambda: [info], "notebook", dist="jupyter_ai_personas"))
    assert ToolRegistry(ToolSettings(), found, executors={}).toolsets()[0].tools == ()
    executor = SimpleNamespace(info=None)
    registry = ToolRegistry(ToolSettings(), found, executors={"notebook.read": executor})
    assert registry.toolsets()[0].tools == (info,)
    assert registry.executor("notebook.read") is executor
    executor.info = ToolInfo("notebook.read", "bounded", "read")
    assert registry.toolsets()[0].tools == (executor.info,)
    assert found.tool("notebook.read") is None


class Helper(BasePersona):
    defaults = PersonaDefaults(name="Helper", tools=["charts"])


def registry(**settings: Any) -> ToolRegistry:
    points = point(good), point(raising(ValueError("no data")), "torn")
    return ToolRegistry(ToolSettings(**settings), packages(*points))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["charts.plot", "charts.columns"]),
        ({"persona_tools": {"Helper": []}}, []),
        ({"persona_tools": {"Helper": ["charts.plot"]}}, ["charts.plot"]),
        ({"persona_tools": {"helper": []}}, []),
        ({"persona_tools": {"@Helper": []}}, []),
        ({"persona_tools": {"Other": []}}, ["charts.plot", "charts.columns"]),
        ({"allowed_tools": ["charts.plot"]}, ["charts.plot"]),
        ({"allowed_tools": []}, []),
        ({"blocked_tools": ["charts"]}, []),
    ],
)
async def test_a_persona_has_what_its_author_names_and_the_operator_allows(
    settings: dict[str, Any], names: list[str]
) -> None:
    async with converse(Helper, tools=registry(**settings)) as here:
        granted = here.runtime.tools.granted(here.persona, "x.chat")
        assert [tool.name for tool in granted] == names


async def test_tools_lists_toolsets_with_what_becomes_of_a_call() -> None:
    settings = {"tool_policy": {"Helper": {"charts.plot": "deny"}}}
    async with converse(Helper, tools=registry(**settings)) as here:
        [answer] = await here.ask("/tools")
        assert "**charts** (from fake): `columns` (allowed); `plot` (asked about first)" in (
            answer.body
        )
        assert "**torn** (from fake): cannot be used: calling it raised ValueError" in answer.body
        [answer] = await here.ask("/tools @Helper")
        assert "**charts**: `columns` (allowed); `plot` (denied)" in answer.body


async def test_tools_of_a_persona_without_any_says_so() -> None:
    async with converse(Helper) as here:
        [answer] = await here.ask("/tools @Helper")
        assert "has no tools" in answer.body


def test_names_that_no_toolset_has_are_told() -> None:
    found = registry(persona_tools={"Helper": ["charts", "chart.plot"]})
    names = {"id": "h", "name": "Helper", "mention_name": "Helper"}
    helper: Any = type("Persona", (), {**names, "tools": (), "file": "", "reads_only": False})
    assert list(found.missing([helper])) == [("Helper", "chart.plot")]


def with_tools(make: Callable[[], Any]) -> type[BasePersona]:
    def tools(self: Any) -> Any:
        return make()

    return type("Own", (BasePersona,), {"defaults": PersonaDefaults(name="My Own"), "tools": tools})


@pytest.mark.parametrize(
    ("make", "listed"),
    [
        (good, "**My-Own** (from fake): `columns` (allowed); `plot` (asked about first)"),
        (raising(ValueError("no data")), "cannot be used: they cannot be listed before it has"),
        (list, ""),
    ],
)
async def test_tools_lists_those_of_a_personas_own_class(
    make: Callable[[], Any], listed: str
) -> None:
    tools = registry()
    async with converse(with_tools(make), tools=tools) as here:
        for asked in ("/tools", "/tools @My-Own"):
            [answer] = await here.ask(asked)
            plain = answer.body.replace("\\", "")
            assert listed in plain
            assert ("My-Own" in plain) == bool(listed)


async def test_what_the_operator_blocks_is_not_listed_of_a_persona_either() -> None:
    async with converse(with_tools(good), tools=registry(blocked_tools=["My-Own.*"])) as here:
        [answer] = await here.ask("/tools @My-Own")
        assert "`plot`" not in answer.body
