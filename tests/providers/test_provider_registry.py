from __future__ import annotations

import logging
import re
import sys
import threading
from typing import Any

import pytest
from strange_providers import install_chatty

from jupyter_ai_personas.errors import (
    ConfigurationError,
    ModelFailedError,
    ModelNotAllowedError,
    NotAChatModelError,
)
from jupyter_ai_personas.providers import (
    ModelReference,
    ModelRegistry,
    ProviderSettings,
)

BUILT_IN = {
    "anthropic",
    "azure",
    "bedrock",
    "google",
    "groq",
    "huggingface",
    "mistral",
    "ollama",
    "openai",
    "openrouter",
    "workspace",
}


def test_all_built_ins_come_through_the_group_without_their_vendors_packages(
    make_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [m for m in sys.modules if m.startswith(("langchain_openai", "langchain_a"))]:
        monkeypatch.delitem(sys.modules, module)
    registry = make_registry()
    infos = {info.id: info for info in registry.infos()}
    assert set(infos) == BUILT_IN
    assert registry.broken == ()
    assert all(info.chat for info in infos.values())
    assert "langchain_openai" not in sys.modules
    assert "langchain_anthropic" not in sys.modules


def test_each_provider_is_logged_in_the_exact_line(caplog: pytest.LogCaptureFixture) -> None:
    registry = ModelRegistry(ProviderSettings(), log=logging.getLogger("AiExtension"))
    with caplog.at_level(logging.INFO):
        registry.load()
    lines = {r.getMessage() for r in caplog.records if r.levelno == logging.INFO}
    assert lines == {f"Registered model provider `{provider_id}`." for provider_id in BUILT_IN}
    assert {r.name for r in caplog.records} == {"AiExtension"}


def test_providers_see_the_servers_settings_read_only(install: Any) -> None:
    install_chatty(install)
    application: dict[str, Any] = {"base_url": "/lab/"}
    registry = ModelRegistry(
        ProviderSettings(), log=logging.getLogger("AiExtension"), server_settings=application
    )
    registry.load()
    model = registry.build(registry.resolve("chatty-plain:p"))
    assert model.server_settings["base_url"] == "/lab/"
    application["later"] = 1
    assert type(model).server_settings["later"] == 1
    with pytest.raises(TypeError):
        model.server_settings["base_url"] = "/"


def test_loading_again_and_from_several_threads_registers_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = ModelRegistry(ProviderSettings(), log=logging.getLogger("providers"))
    with caplog.at_level(logging.INFO):
        threads = [threading.Thread(target=registry.load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        registry.load()
    assert sorted(r.getMessage() for r in caplog.records) == sorted(
        f"Registered model provider `{provider_id}`." for provider_id in BUILT_IN
    )


@pytest.mark.parametrize(
    ("value", "stage", "says"),
    [
        ("broken:Nothing", "import", "the module `broken` has no `Nothing`. Fix the entry point"),
        ("broken.no:X", "import", "`broken` has no module `broken.no`. Fix the entry point"),
        ("nowhere_module:X", "import", "Install the package that provides `nowhere_module`"),
        ("broken:not_a_class", "class", "not a class"),
        ("broken:NoBase", "class", "`NoBase` is not a `BaseProvider`"),
        ("broken:APersona", "class", "`APersona` is not a `BaseProvider`"),
        ("broken:Unseen", "class", "looking at it raised AttributeError: not for you"),
        ("broken:NoModel", "class", "inherits no LangChain model"),
        ("broken:Swapped", "class", "before `BaseProvider`; put `BaseProvider` first"),
        ("broken:NoId", "class", "`id` is None, not a name"),
        ("broken:Colon", "class", "`a:b` contains a colon"),
        ("broken:ModelsAreText", "class", "`models` is not a list"),
        ("broken:CannotSay", "class", "cannot be asked for its models: OSError: no network"),
    ],
)
def test_a_broken_entry_point_is_logged_once_with_its_fix_and_hinders_nobody(
    value: str,
    stage: str,
    says: str,
    install: Any,
    make_registry: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install_chatty(install, "broken", "works", bad=value)
    with caplog.at_level(logging.WARNING):
        registry = make_registry()
    (broken,) = registry.broken
    assert (broken.name, broken.distribution, broken.stage) == ("bad", "broken", stage)
    assert says in caplog.text
    assert len(caplog.records) == 1
    assert {"works", "works-plain"} <= set(registry.providers)


def test_a_class_on_the_base_of_jupyter_ai_is_a_provider(install: Any, make_registry: Any) -> None:
    source = """
from typing import Any, ClassVar
from langchain_core.language_models.fake import FakeListLLM
from pydantic import BaseModel

class BaseProvider(BaseModel):
    auth_strategy: ClassVar[Any] = None
    model_id_key: ClassVar[str | None] = None
    pypi_package_deps: ClassVar[list[str]] = []
    registry: ClassVar[bool] = False

    @classmethod
    def chat_models(cls):
        return cls.models

class Old(BaseProvider, FakeListLLM):
    id: ClassVar[str] = "old"
    name: ClassVar[str] = "Old"
    models: ClassVar[list[str]] = ["m"]
"""
    install("older", source, {"old": "older:Old"})
    registry = make_registry()
    assert registry.broken == ()
    assert "old" in registry.providers


def test_a_later_duplicate_gets_another_name_and_replaces_nothing(
    install: Any, make_registry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    install_chatty(install, "aaa_first", "twin")
    install_chatty(install, "bbb_second", "twin")
    install_chatty(install, "aaaa_thief", "openai")
    with caplog.at_level(logging.WARNING):
        registry = make_registry()
    classes = registry.providers
    assert classes["twin"].__module__ == "aaa_first"
    assert classes["bbb_second/twin"].__module__ == "bbb_second"
    assert classes["openai"].__module__.startswith("jupyter_ai_personas.")
    assert "`openai` of aaaa_thief is named `aaaa_thief/openai` here" in caplog.text
    reference = registry.resolve("bbb_second/twin:two")
    assert (reference.provider_id, reference.model_id) == ("bbb_second/twin", "two")
    assert ProviderSettings().allows("bbb_second/twin", "two")
    for entry in ("twin", "twin:two", "bbb_second/twin"):
        settings = ProviderSettings(blocked_providers=frozenset({entry}))
        assert not settings.allows("bbb_second/twin", "two")
    # Whoever allows the one package's provider does not mean the other's.
    settings = ProviderSettings(allowed_providers=frozenset({"twin"}))
    assert settings.allows("twin", "two")
    assert not settings.allows("bbb_second/twin", "two")


def test_a_package_that_provides_an_id_thrice_is_told_so(install: Any, make_registry: Any) -> None:
    install_chatty(install, again="chatty:Chatty", andagain="chatty:Chatty")
    (broken,) = make_registry().broken
    assert broken.stage == "duplicate"
    assert "a second time" in broken.error


def test_a_missing_package_is_one_line_that_says_what_to_install(
    install: Any, make_registry: Any
) -> None:
    install_chatty(install, missing="chatty:NeedsMissing")
    info = {i.id: i for i in make_registry().infos()}["needs-missing"]
    assert (info.available, info.problem) == (False, "pip install nowhere-to-be-found")


def test_infos_say_what_hinders_and_what_serves_the_chat(
    install: Any, make_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_chatty(install)
    registry = make_registry()
    infos = {info.id: info for info in registry.infos()}
    assert infos["chatty"].problem == "set chatty_KEY"
    assert infos["chatty"].models == ("chatty-one", "two")
    assert infos["chatty"].chat
    assert not infos["chatty-plain"].chat
    assert infos["chatty-plain"].available
    assert infos["azure"].models == ("*",)
    assert infos["azure"].problem == "set AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT"
    monkeypatch.setenv("chatty_KEY", "x")
    assert {info.id: info for info in registry.infos()}["chatty"].problem is None


def test_whether_a_provider_may_run_concurrently_is_asked_once(
    install: Any, make_registry: Any
) -> None:
    source = """
from jupyter_ai_personas import BaseProvider
from langchain_core.language_models.fake_chat_models import FakeListChatModel

asked = []

class Single(BaseProvider, FakeListChatModel):
    id = "single"
    name = "Single"
    models = ["one"]

    @property
    def allows_concurrency(self):
        asked.append(self)
        return False
"""
    install("single", source, {"single": "single:Single"})
    registry = make_registry()
    assert not registry.allows_concurrency("single:one")
    assert not registry.allows_concurrency("single:one")
    assert registry.allows_concurrency("keyless:repeat")
    # Its code runs where it is loaded, and not again for each turn.
    assert len(sys.modules["single"].asked) == 1


def test_a_plain_llm_serves_the_magics_only(install: Any, make_registry: Any) -> None:
    install_chatty(install)
    registry = make_registry()
    assert str(registry.resolve("chatty-plain:p")) == "chatty-plain:p"
    with pytest.raises(NotAChatModelError, match=r"serves the magics: `%%ai chatty-plain:p`"):
        registry.resolve("chatty-plain:p", chat=True)


LISTS = [
    ({"allowed_providers": frozenset({"keyless"})}, "openai:gpt-5"),
    ({"blocked_providers": frozenset({"openai"})}, "openai:gpt-5"),
    ({"blocked_providers": frozenset({"openai:gpt-5"})}, "openai:gpt-5"),
    ({"allowed_providers": frozenset({"openai:gpt-4o"})}, "openai:gpt-5"),
    (
        {"allowed_providers": frozenset({"openai"}), "blocked_providers": frozenset({"openai"})},
        "openai:gpt-5",
    ),
    ({"blocked_providers": frozenset({"openai"}), "aliases": {"x": "openai:gpt-5"}}, "x"),
    ({"blocked_providers": frozenset({"openai"})}, "gpt-4o"),
]


@pytest.mark.parametrize(("settings", "text"), LISTS)
def test_the_lists_are_enforced_by_resolve(
    settings: dict[str, Any], text: str, make_registry: Any
) -> None:
    with pytest.raises(ModelNotAllowedError, match="is not allowed on this server"):
        make_registry(**settings).resolve(text)


@pytest.mark.parametrize(("settings", "text"), LISTS[:5])
def test_the_lists_are_enforced_by_check_and_build_too(
    settings: dict[str, Any], text: str, make_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    registry = make_registry(**settings)
    reference = ModelReference(*text.split(":"))
    with pytest.raises(ModelNotAllowedError):
        registry.check(reference)
    with pytest.raises(ModelNotAllowedError):
        registry.build(reference)


def test_what_the_lists_leave_can_be_used(
    make_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    registry = make_registry(
        allowed_providers=frozenset({"openai:gpt-4o", "keyless"}),
        blocked_providers=frozenset({"keyless:other"}),
    )
    registry.check(registry.resolve("openai:gpt-4o"))
    registry.check(registry.resolve("repeat"))
    infos = {info.id: info for info in registry.infos()}
    assert infos["openai"].models == ("gpt-4o",)
    assert infos["groq"].problem == "not allowed on this server"


def test_a_provider_outside_the_lists_is_not_logged_as_registered(
    make_registry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        make_registry(blocked_providers=frozenset({"openai"}))
    assert "Registered model provider `openai`" not in caplog.text
    assert "Model provider `openai` is not allowed on this server." in caplog.text


@pytest.mark.parametrize("key", ["model", "model_id", "model_name"])
def test_a_parameter_cannot_get_round_the_lists(key: str, make_registry: Any) -> None:
    registry = make_registry(blocked_providers=frozenset({"ollama:forbidden"}))
    with pytest.raises(ConfigurationError, match="name another model"):
        registry.build(ModelReference("ollama", "fine"), parameters={key: "forbidden"})


@pytest.mark.parametrize(
    ("parameters", "key"),
    [
        ({"extra_body": {"model": "forbidden"}}, "extra_body.model"),
        ({"model_kwargs": {"extra_body": {"model": "x"}}}, "model_kwargs.extra_body.model"),
        ({"extra_body": {"models": ["forbidden"]}}, "extra_body.models"),
        ({"default_query": {"model": "forbidden"}}, "default_query.model"),
    ],
)
def test_what_is_passed_on_to_the_server_cannot_either(
    parameters: dict[str, Any], key: str, make_registry: Any
) -> None:
    registry = make_registry(credentials={"OPENAI_API_KEY": "fake-key"})
    with pytest.raises(ConfigurationError, match=f"name another model in `{re.escape(key)}`"):
        registry.build(ModelReference("openai", "fine"), parameters=parameters)


def test_an_answers_schema_may_have_a_member_of_that_name(make_registry: Any) -> None:
    schema = {"type": "object", "properties": {"model": {"type": "string"}}}
    registry = make_registry(credentials={"OPENAI_API_KEY": "fake-key"})
    parameters = {"model_kwargs": {"response_format": {"json_schema": {"schema": schema}}}}
    model = registry.build(ModelReference("openai", "fine"), parameters=parameters)
    assert model.model_kwargs == parameters["model_kwargs"]


def test_a_vendors_class_cannot_change_the_operators_parameters(make_registry: Any) -> None:
    given = {"model_kwargs": {"extra_body": {"seed": 1}}}
    registry = make_registry(
        credentials={"OPENAI_API_KEY": "fake-key"}, model_parameters={"openai": given}
    )
    for _ in range(2):
        # LangChain's class takes out what it refuses, before it does so.
        with pytest.raises(ModelFailedError, match="specified explicitly"):
            registry.build(ModelReference("openai", "fine"))
    assert given == {"model_kwargs": {"extra_body": {"seed": 1}}}
