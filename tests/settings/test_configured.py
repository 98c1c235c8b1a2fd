"""Configuration as jupyter_server hands it on: it applies as a whole, or personas stay off."""

from __future__ import annotations

from typing import Any

import pytest
from support.ids import shown
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import DeferredConfigList, DeferredConfigString, KVArgParseConfigLoader

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.providers import ProviderSettings
from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.server import AiExtension
from jupyter_ai_personas.server.settings import ServerSettings
from jupyter_ai_personas.settings import settings_of

CLASSES = (RuntimeSettings, ProviderSettings, ServerSettings)


def configured(**values: Any) -> AiExtension:
    return AiExtension(config=Config({"AiExtension": values}))


def from_command_line(*arguments: str) -> AiExtension:
    return AiExtension(config=KVArgParseConfigLoader(list(arguments)).load_config())


@pytest.mark.parametrize(
    "value",
    [
        DeferredConfigString("keyless"),
        DeferredConfigString("['keyless']"),
        DeferredConfigList(["keyless"]),
        DeferredConfigList(["keyless", "keyless"]),
        "keyless",
        "keyless,",
        ["keyless"],
        ("keyless",),
        {"keyless"},
        [" KEYLESS "],
        ["keyless:*"],
    ],
    ids=shown,
)
def test_a_limit_holds_in_whatever_form_it_is_given(value: Any) -> None:
    extension = configured(allowed_providers=value)
    assert extension.problems == []
    settings = extension.provider_settings()
    assert settings.allows("keyless", "repeat")
    assert not settings.allows("openai", "gpt-4o")
    blocking = configured(blocked_providers=value).provider_settings()
    assert not blocking.allows("keyless", "repeat")
    assert blocking.allows("openai", "gpt-4o")


@pytest.mark.parametrize("name", ["allowed_providers", "blocked_providers"])
@pytest.mark.parametrize(
    "value",
    [
        DeferredConfigString(""),
        DeferredConfigString("[keyless]"),
        DeferredConfigList(["", ""]),
        "",
        {"keyless": True},
        3,
        False,
        ["keyless", None],
        "a b",
        object(),
        lambda: ["keyless"],
    ],
    ids=shown,
)
def test_what_cannot_be_read_as_a_limit_opens_nothing(name: str, value: Any) -> None:
    extension = configured(**{name: value})
    (problem,) = extension.problems
    assert f"`c.AiExtension.{name}" in problem
    for read in (extension.provider_settings, extension.runtime_settings):
        with pytest.raises(ConfigurationError, match=name):
            read()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_limit_may_be_given_several_times_on_the_command_line(times: int) -> None:
    names = ["keyless", "ollama", "groq"][:times]
    extension = from_command_line(*(f"--AiExtension.allowed_providers={name}" for name in names))
    assert extension.allowed_providers == names
    extension = from_command_line(f"--AiExtension.allowed_providers={','.join(names)}")
    assert extension.allowed_providers == names


def test_the_command_line_says_that_there_is_no_list_as_python_does() -> None:
    assert from_command_line("--AiExtension.allowed_providers=None").allowed_providers is None
    assert configured(allowed_providers=None).allowed_providers is None


def test_mappings_may_be_given_several_times_on_the_command_line() -> None:
    extension = from_command_line(
        "--AiExtension.models=Guide=a:b",
        "--AiExtension.models=Other=c:d",
        '--AiExtension.model_parameters=openai={"temperature": 0}',
        "--AiExtension.endpoints={'vllm': {'base_url': 'http://x/v1', 'models': ['a']}}",
        "--AiExtension.max_hops=3",
        "--AiExtension.show_reasoning=true",
    )
    assert extension.problems == []
    assert extension.models == {"Guide": "a:b", "Other": "c:d"}
    assert extension.model_parameters == {"openai": {"temperature": 0}}
    assert extension.endpoints["vllm"].models == ("a",)
    assert (extension.max_hops, extension.show_reasoning) == (3, True)


def test_a_number_that_is_given_twice_on_the_command_line_is_a_problem() -> None:
    extension = from_command_line("--AiExtension.max_hops=3", "--AiExtension.max_hops=4")
    assert "`c.AiExtension.max_hops` must be a whole number" in extension.problems[0]


def test_every_problem_is_told_not_only_the_first() -> None:
    extension = configured(
        history_chars="1000", models={"Guide": None}, blocked_providers=["openai"]
    )
    assert [problem.split("`")[1] for problem in extension.problems] == [
        "c.AiExtension.history_chars",
        'c.AiExtension.models["Guide"]',
    ]
    assert extension.blocked_providers == ["openai"], "what can be applied is"


def test_a_right_value_that_comes_later_solves_a_problem() -> None:
    extension = configured(max_hops="x")
    assert extension.problems
    extension.update_config(Config({"AiExtension": {"max_hops": 3}}))
    assert extension.problems == []
    extension.update_config(Config({"AiExtension": {"max_hops": "x"}}))
    assert extension.problems


def changing(name: str, method: str, *arguments: Any) -> AiExtension:
    config = Config()
    getattr(config.AiExtension[name], method)(*arguments)
    return AiExtension(config=config)


@pytest.mark.parametrize("name", ["allowed_providers", "blocked_providers"])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("append", ["openai"]),
        ("extend", [["openai"]]),
        ("prepend", [["openai"]]),
        ("insert", [0, "openai"]),
        ("add", ["openai"]),
        ("update", [{"openai"}]),
    ],
)
def test_changes_of_a_list_count(name: str, method: str, arguments: list[Any]) -> None:
    extension = changing(name, method, *arguments)
    assert extension.problems == []
    assert getattr(extension, name) == ["openai"]


@pytest.mark.parametrize(
    ("name", "method", "argument"),
    [
        ("models", "append", "x"),
        ("blocked_providers", "update", {"openai": 1}),
        ("max_hops", "append", 1),
        ("default_model", "append", "x"),
    ],
)
def test_a_change_that_cannot_be_made_is_a_problem(name: str, method: str, argument: Any) -> None:
    extension = changing(name, method, argument)
    assert f"`c.AiExtension.{name}`" in extension.problems[0]


def test_a_dictionary_can_be_updated() -> None:
    assert changing("models", "update", {"Guide": "a:b"}).models == {"Guide": "a:b"}


def test_to_look_at_a_setting_in_a_configuration_file_sets_nothing() -> None:
    config = Config()
    assert config.AiExtension.allowed_providers is not None
    extension = AiExtension(config=config)
    assert (extension.allowed_providers, extension.problems) == (None, [])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("blocked_provider", "Did you mean `blocked_providers`?"),
        ("allowed_provider", "Did you mean `allowed_providers`?"),
        ("alowed_providers", "Did you mean `allowed_providers`?"),
        ("blocked_models", "Did you mean `blocked_"),
        ("allowed_models", "Did you mean `allowed_"),
        ("deny_tools", ""),
        ("tool_policies", ""),
    ],
)
def test_a_misspelt_limit_keeps_personas_off(name: str, hint: str) -> None:
    extension = configured(**{name: ["openai"]})
    (problem,) = extension.problems
    assert f"`{name}` not recognized" in problem
    assert hint in problem
    assert "looks like a limit, so no model is used" in problem
    assert extension.remarks == []


def test_another_misspelt_name_is_a_remark() -> None:
    extension = configured(default_modle="x")
    assert extension.problems == []
    (remark,) = extension.remarks
    assert "`default_modle` not recognized" in remark
    assert "Did you mean `default_model`?" in remark


@pytest.mark.parametrize("section", ["AIExtension", "AiExtention", "AiExtensions", "Aiextension"])
def test_a_limit_in_a_misspelt_section_keeps_personas_off(section: str) -> None:
    extension = AiExtension(config=Config({section: {"blocked_providers": ["openai"]}}))
    assert (
        f"`c.{section}.blocked_providers` has no effect: write `c.AiExtension`."
        in (extension.problems[0])
    )
    extension = AiExtension(config=Config({section: {"default_model": "x"}}))
    assert (len(extension.problems), len(extension.remarks)) == (0, 1)


def test_a_section_that_begins_with_a_small_letter_is_none() -> None:
    config = Config()
    config.aiExtension.blocked_providers = ["openai"]
    assert "write `c.AiExtension`" in AiExtension(config=config).problems[0]


def test_a_limit_without_its_section_keeps_personas_off() -> None:
    extension = from_command_line("--blocked_providers=openai")
    assert "write `AiExtension.blocked_providers`" in extension.problems[0]


def test_other_sections_are_nobodys_business_here() -> None:
    config = Config({"ServerApp": {"allow_origin": "*"}, "JupyterApp": {"x": 1}, "Other": {"a": 1}})
    extension = AiExtension(config=config)
    assert (extension.problems, extension.remarks) == ([], [])


def test_an_inherited_trait_that_does_not_apply_is_a_problem_too() -> None:
    assert "`c.AiExtension.log_level`" in configured(log_level=[]).problems[0]


def test_a_value_that_cannot_be_copied_is_a_problem() -> None:
    assert (
        "persona_config" in configured(persona_config={"Guide": {"x": (i for i in ())}}).problems[0]
    )


def test_a_wrong_value_is_refused_when_it_is_set_later() -> None:
    extension = AiExtension()
    with pytest.raises(TraitError, match=r"`c\.AiExtension\.max_hops` must be a whole number"):
        extension.max_hops = "x"


def test_every_setting_is_a_trait_with_its_default_and_shown_by_help() -> None:
    shown = AiExtension.class_get_help()
    extension = AiExtension()
    for cls in CLASSES:
        for name, one in settings_of(cls).items():
            assert f"--AiExtension.{one.trait}=<{type(one.kind).__name__}>" in shown
            value = getattr(extension, one.trait)
            assert one.kind.read(one.default, name) == value
            assert one.kind.read(one.kind.example, name) is not None


def test_objects_do_not_share_their_defaults() -> None:
    AiExtension().blocked_providers.append("openai")
    assert AiExtension().blocked_providers == []


@pytest.mark.parametrize("section", [None, ["blocked_providers"], "openai"])
def test_a_section_that_is_no_dictionary_is_a_problem(section: Any) -> None:
    extension = AiExtension(config=Config({"AiExtension": section}))
    assert "`c.AiExtension` must be a section" in extension.problems[0]
