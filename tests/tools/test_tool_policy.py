"""Policy, grants and names of tools: pure, most specific first, closed when in doubt."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.tools import (
    ToolInfo,
    Toolset,
    check_policy,
    decide,
    grant,
    model_name,
    model_names,
    wanted_toolsets,
)

GUIDE = ("jupyter-ai-personas::demo::Guide", "Guide", "Guide")
STRICTNESS = ["allow", "ask", "deny"]


@pytest.mark.parametrize(
    ("policy", "tool", "effect", "verdict"),
    [
        # Nothing said: the effect decides, and what is not known to read is asked.
        ({}, "notebook.read", "read", "allow"),
        ({}, "notebook.insert_cell", "write", "ask"),
        ({}, "notebook.run_cell", "run", "ask"),
        ({}, "mcp:x.y", "", "ask"),
        ({}, "mcp:x.y", None, "ask"),
        ({}, "mcp:x.y", ["read"], "ask"),
        # The most specific pattern wins, whichever comes first.
        ({"*": "deny", "notebook.*": "ask", "notebook.read": "allow"}, "notebook.read", "read",
         "allow"),
        ({"notebook.read": "allow", "notebook.*": "ask", "*": "deny"}, "notebook.read", "read",
         "allow"),
        ({"*": "deny", "notebook.*": "ask"}, "notebook.run_cell", "run", "ask"),
        ({"*": "allow", "mcp:github.*": "deny"}, "mcp:github.merge", "run", "deny"),
        ({"mcp:*": "ask", "mcp:github.*": "allow"}, "mcp:github.merge", "run", "allow"),
        ({"*.run_cell": "deny", "notebook.*": "allow"}, "notebook.run_cell", "run", "deny"),
        ({"notebook": "deny"}, "notebook.read", "read", "deny"),
        ({"notebook": "deny"}, "notebooks.read", "read", "allow"),
        ({"note": "deny"}, "notebook.read", "read", "allow"),
        ({"notebook": "ask", "notebook.*": "allow"}, "notebook.read", "read", "ask"),
        # Of equals the stricter.
        ({"*b.cd": "allow", "a*.cd": "deny"}, "ab.cd", "read", "deny"),
        ({"a*.cd": "deny", "*b.cd": "allow"}, "ab.cd", "read", "deny"),
        # A dot is a dot, and a bracket a bracket.
        ({"notebook.*": "deny"}, "notebookxread.y", "read", "allow"),
        ({"[a-z]*": "deny"}, "notebook.read", "read", "allow"),
        ({"*": "deny"}, "mcp:x.a\nb", "read", "deny"),
        # One persona's patterns come before the same patterns for all.
        ({"notebook.*": "ask", "Guide": {"notebook.*": "allow"}}, "notebook.run_cell", "run",
         "allow"),
        ({"notebook.*": "allow", "@guide": {"notebook.*": "deny"}}, "notebook.read", "read",
         "deny"),
        ({"*": "allow", GUIDE[0]: {"*": "deny"}}, "notebook.read", "read", "deny"),
        ({"Other": {"*": "allow"}}, "notebook.run_cell", "run", "ask"),
        # Each is more specific in one respect: the stricter.
        ({"notebook.*": "allow", "Guide": {"*": "deny"}}, "notebook.read", "read", "deny"),
        ({"workspace.write_file": "deny", "Guide": {"*": "allow"}}, "workspace.write_file",
         "write", "deny"),
        ({"*": "deny", "Guide": {"notebook.read": "allow"}}, "notebook.read", "read", "allow"),
        # What cannot be understood denies.
        ({"notebook.*": "Allow"}, "notebook.read", "read", "deny"),
        ({"notebook.*": True}, "notebook.read", "read", "deny"),
        ({"notebook.*": ["allow"]}, "notebook.read", "read", "deny"),
        ({"Guide": {"*": None}}, "notebook.read", "read", "deny"),
        (None, "notebook.read", "read", "deny"),
        ("allow", "notebook.read", "read", "deny"),
        ({3: "allow"}, "notebook.run_cell", "run", "ask"),
    ],
)  # fmt: skip
def test_the_policy_decides(policy: Any, tool: str, effect: Any, verdict: str) -> None:
    assert decide(policy, GUIDE, tool, effect) == verdict


words = st.text("ab.:*", max_size=6)
tools = st.builds(lambda a, b: f"{a}.{b}", st.text("ab:", min_size=1, max_size=4),
                  st.text("ab.", min_size=1, max_size=4))  # fmt: skip
verdicts = st.sampled_from(STRICTNESS)
flat = st.dictionaries(words, verdicts, max_size=6)
policies = st.builds(
    lambda all_, own: {**all_, "Guide": own} if own else all_,
    flat,
    st.dictionaries(words, verdicts, max_size=4),
)


@given(policies, tools, st.sampled_from(["read", "write", "run", "?"]))
def test_order_does_not_matter(policy: dict[str, Any], tool: str, effect: str) -> None:
    backwards = {
        key: dict(reversed(list(value.items()))) if isinstance(value, dict) else value
        for key, value in reversed(list(policy.items()))
    }
    assert decide(policy, GUIDE, tool, effect) == decide(backwards, GUIDE, tool, effect)


@given(policies, tools, st.sampled_from(["read", "write", "run"]))
def test_the_exact_name_for_the_persona_always_decides(
    policy: dict[str, Any], tool: str, effect: str
) -> None:
    for verdict in STRICTNESS:
        own = {**policy.get("Guide", {}), tool: verdict}
        assert decide({**policy, "Guide": own}, GUIDE, tool, effect) == verdict


@given(flat, tools)
def test_only_a_pattern_that_says_so_allows_what_does_not_read(
    policy: dict[str, str], tool: str
) -> None:
    if decide(policy, GUIDE, tool, "run") == "allow":
        assert "allow" in policy.values()


@given(policies, tools, st.sampled_from(["read", "run"]), tools)
def test_patterns_of_other_tools_change_nothing(
    policy: dict[str, Any], tool: str, effect: str, other: str
) -> None:
    if other != tool:
        more = {**policy, other: "deny"}
        before = {key: value for key, value in policy.items() if key != other}
        assert decide(more, GUIDE, tool, effect) == decide(before, GUIDE, tool, effect)


@pytest.mark.parametrize(
    "policy",
    [None, [], {"a.*": "Allow"}, {"a.*": 1}, {"Guide": {"a.*": "yes"}}, {"": "ask"}, {3: "ask"},
     {"Guide": {"": "ask"}}, {"Guide": {"a": {"b": "ask"}}}, {"a.b": None}],
)  # fmt: skip
def test_a_policy_that_cannot_be_understood_is_refused(policy: Any) -> None:
    with pytest.raises(ConfigurationError, match="tool_policy"):
        check_policy(policy)


def test_a_policy_that_can_be_understood_is_accepted() -> None:
    check_policy({"workspace.*": "allow", "*": "ask", "Guide": {"notebook.run_cell": "deny"}})
    check_policy({})


READ, RUN = ToolInfo("notebook.read", effect="read"), ToolInfo("notebook.run_cell")
MERGE, OWN = ToolInfo("mcp:github.merge"), ToolInfo("Guide.plot")
TOOLSETS = [
    Toolset("notebook", tools=(READ, RUN)),
    Toolset("mcp:github", tools=(MERGE,)),
    Toolset("gone", status="broken", problem="Install it."),
]


@pytest.mark.parametrize(
    ("wanted", "limits", "tools", "missing"),
    [
        ([], {}, (), ()),
        (["notebook"], {}, (READ, RUN), ()),
        (["notebook.read", "notebook"], {}, (READ, RUN), ()),
        (["notebook.run_cell"], {}, (RUN,), ()),
        (["mcp:*", "notebook"], {}, (MERGE, READ, RUN), ()),
        (["nothing", "gone"], {}, (), ("nothing", "gone")),
        (["notebook"], {"allowed": []}, (), ()),
        (["notebook", "mcp:github"], {"allowed": ["notebook.read"]}, (READ,), ()),
        (["notebook"], {"blocked": ["*"]}, (), ()),
        (["notebook"], {"allowed": ["*"], "blocked": ["notebook.run_cell"]}, (READ,), ()),
        ([], {"own": [OWN]}, (OWN,), ()),
        ([], {"own": [OWN], "blocked": ["Guide"]}, (), ()),
        ([], {"own": [OWN], "allowed": ["notebook"]}, (), ()),
    ],
)
def test_a_persona_has_what_is_wanted_and_permitted(
    wanted: list[str], limits: dict[str, Any], tools: tuple[Any], missing: tuple[str]
) -> None:
    granted = grant(wanted, TOOLSETS, **limits)
    assert (granted.tools, granted.missing) == (tools, missing)


def test_the_operator_replaces_what_the_author_names() -> None:
    assert wanted_toolsets(GUIDE, ["notebook"], {}) == ("notebook",)
    assert wanted_toolsets(GUIDE, ["notebook"], {"Guide": ["kernel"]}) == ("kernel",)
    assert wanted_toolsets(GUIDE, ["notebook"], {"Guide": []}) == ()
    assert wanted_toolsets(GUIDE, ["notebook"], {"Guide": "kernel"}) == ()
    assert wanted_toolsets(GUIDE, ["notebook"], {"Other": ["kernel"]}) == ("notebook",)


def test_models_see_names_that_vendors_accept() -> None:
    assert model_name("notebook.insert_cell") == "notebook__insert_cell"
    assert model_name("mcp:weather.forecast") == "mcp__weather__forecast"


@given(st.lists(st.text("aé.:_-", min_size=1, max_size=80), unique=True, max_size=8))
def test_names_for_models_are_valid_and_lead_back_to_each_tool(tools: list[str]) -> None:
    names = model_names(tools)
    assert sorted(names.values()) == sorted(tools)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert model_names(reversed(tools)) == names


@pytest.mark.parametrize(
    "data",
    [{}, {"name": "plot"}, {"name": ".plot"}, {"name": "a."}, {"name": 3},
     {"name": "a.b", "parameters": [1]}, {"name": "a.b", "description": 3}],
)  # fmt: skip
def test_a_description_that_is_none_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|described"):
        ToolInfo.from_json(data)


def test_a_description_survives_json() -> None:
    tool = ToolInfo("a.b.c", "does", "write", {"type": "object"}, "package")
    assert ToolInfo.from_json(tool.as_json()) == tool
    assert tool.toolset == "a"
    assert ToolInfo.from_json({"name": "a.b", "effect": "harmless"}).effect == "run"
