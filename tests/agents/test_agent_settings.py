"""The setting `acp_agents`, and the personas that it makes."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from traitlets.config import Config

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.acp import AgentsTable, agent_personas, why_not_startable
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.server import AiExtension
from jupyter_ai_personas.testing import FakeEntryPoint

LOG = logging.getLogger("test")
SECRET = "value-of-a-secret-1234"


def personas(**agents: Any) -> list[Persona]:
    return agent_personas(AgentsTable().read(agents, "c.AiExtension.acp_agents"))


@pytest.mark.parametrize(
    ("agents", "message"),
    [
        ([], "must be a dictionary of agents by name"),
        ({"Claude": "claude-agent-acp"}, '["Claude"]` must be a dictionary'),
        ({"Claude": {}}, '["Claude"].command` must be a list of texts'),
        ({"Claude": {"command": []}}, ".command` must be a command, such as `['claude-agent-acp"),
        ({"Claude": {"command": [" "]}}, ".command` must be a command"),
        ({"Claude": {"command": [1]}}, ".command` must be a list of texts"),
        ({"Claude": {"command": ["a\0b"]}}, ".command` must be a list of texts"),
        ({"Claude": {"command": "a", "arg": []}}, "has no `arg`. Did you mean `args`?"),
        ({"Claude": {"command": "a", "args": "-v"}}, ".args` must be a list of texts"),
        ({"Claude": {"command": "a", "env": ["K"]}}, ".env` must be a dictionary of texts"),
        ({"Claude": {"command": "a", "env": {"K": 1}}}, '.env["K"]` must be text'),
        ({"Claude": {"command": "a", "env": {"": "x"}}}, "the name of a variable"),
        ({"Claude": {"command": "a", "avatar": 1}}, ".avatar` must be text"),
        ({"Claude": {"command": "a", "description": None}}, ".description` must be text"),
        ({"Claude": {"command": "a", "tools": "workspace"}}, ".tools` must be a list of texts"),
        ({"": {"command": "a"}}, "the name is empty"),
        ({"@Claude": {"command": "a"}}, "has one of @"),
        ({1: {"command": "a"}}, "the name is empty"),
        ({"A B": {"command": "a"}, "a-b": {"command": "b"}}, "are mentioned by the same name"),
    ],
)
def test_a_mistake_keeps_personas_off_and_is_named(agents: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AgentsTable().read(agents, "c.AiExtension.acp_agents")
    assert message in str(caught.value)
    extension = AiExtension(config=Config({"AiExtension": {"acp_agents": agents}}))
    [problem] = extension.problems
    assert message in problem


def test_a_secret_is_not_shown_by_a_mistake() -> None:
    agents = {"Claude": {"command": "a", "env": {"KEY": SECRET}, "arg": SECRET}}
    with pytest.raises(ConfigurationError) as caught:
        AgentsTable().read(agents, "at")
    assert SECRET not in str(caught.value)
    [persona] = personas(Claude={"command": "a", "env": {"KEY": SECRET}})
    assert SECRET not in repr(persona)
    assert SECRET not in redact(f"it says {SECRET}")


def test_reading_twice_changes_nothing() -> None:
    once = AgentsTable().read({" Claude ": {"command": "a", "args": ["-v"]}}, "at")
    assert AgentsTable().read(once, "at") == once
    assert once["Claude"].command == ("a", "-v")
    assert AgentsTable().read('{"Claude": {"command": ["a", "-v"]}}', "at") == once


def test_what_people_see_of_an_agent() -> None:
    one, two, three = personas(
        One={"command": "a", "avatar": "🤖", "description": "writes\n code"},
        Two={"command": "a", "avatar": "https://example.org/two.svg"},
        Three={"command": "a", "avatar": "/srv/three.svg"},
    )
    assert (one.id, one.mention_name) == ("jupyter-ai-personas::acp::One", "One")
    assert (one.emoji, one.description) == ("🤖", "writes code")
    assert two.avatar_link == "https://example.org/two.svg"
    assert str(three.avatar) == "/srv/three.svg"
    assert one.source == "c.AiExtension.acp_agents"


def test_the_operator_s_agent_has_its_name_and_a_package_s_persona_another() -> None:
    class Claude(BasePersona):
        defaults = PersonaDefaults(name="Claude")

    registry = PersonaRegistry(
        log=LOG,
        entry_points=[FakeEntryPoint(Claude)],
        configured=personas(Claude={"command": "a"}),
    )
    registry.load()
    first = next(iter(registry.values()))
    assert (first.name, first.source) == ("Claude", "c.AiExtension.acp_agents")
    assert [p.name for p in registry.values()] == ["Claude", "Claude 2"]


@pytest.mark.parametrize(
    ("agent", "reason", "fix"),
    [
        ({"command": "no-such-agent"}, "there is no command `no-such-agent`", "full path"),
        ({"command": "sh", "env": {"PATH": "/nowhere"}}, "no command `sh`", "Install it"),
        ({"command": "sh", "env": {"K": "${NOT_SET_HERE}"}}, "incomplete", "`NOT_SET_HERE`"),
    ],
)
def test_what_cannot_be_started_is_known_before(agent: Any, reason: str, fix: str) -> None:
    [persona] = personas(Bot=agent)
    found = why_not_startable(persona)
    assert found is not None
    assert reason in found[0]
    assert fix in found[1]


def test_what_can_be_started_is_well() -> None:
    [persona] = personas(Bot={"command": "sh"})
    assert why_not_startable(persona) is None
