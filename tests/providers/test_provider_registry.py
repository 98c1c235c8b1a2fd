from __future__ import annotations

import logging
import re
import sys
import threading
from typing import Any

import pytest

from jupyter_ai_personas.errors import (
    ConfigurationError,
    ModelFailedError,
    ModelNotAllowedError,
    NoModelError,
    NotAChatModelError,
    UnknownProviderError,
)
from jupyter_ai_personas.providers import (
    Endpoint,
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
SOURCE = """
from typing import ClassVar

from jupyter_ai_personas import BasePersona, BaseProvider, EnvAuthStrategy
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel

class Chatty(BaseProvider, FakeListChatModel):
    id = "{id}"
    name = "Chatty"
    models = ["{id}-one", "two"]
    auth_strategy = EnvAuthStrategy(name="{id}_KEY")

    def __init__(self, **kwargs):
        super().__init__(responses=["hello"], **kwargs)

class Plain(BaseProvider, FakeListLLM):
    id = "{id}-plain"
    name = "Plain"
    models = ["p"]

    def __init__(self, **kwargs):
        super().__init__(responses=["hello"], **kwargs)

class NoBase(FakeListLLM):
    id: ClassVar[str] = "nobase"
    name: ClassVar[str] = "No base"
    models: ClassVar[list[str]] = []

class NoModel(BaseProvider):
    id = "no-model"
    name = "No model"
    models = []

class Swapped(FakeListChatModel, BaseProvider):
    id = "swapped"
    name = "Swapped"
    models = []

class APersona(BasePersona):
    pass

class Meta(type):
    def __getattribute__(cls, name):
        raise AttributeError("not for you")

class Unseen(metaclass=Meta):
    pass

class NoId(BaseProvider, FakeListLLM):
    name = "No id"
    models = []

class Colon(BaseProvider, FakeListLLM):
    id = "a:b"
    name = "Colon"
    models = []

class ModelsAreText(BaseProvider, FakeListLLM):
    id = "text"
    name = "Text"
    models = "abc"

class CannotSay(BaseProvider, FakeListLLM):
    id = "cannot-say"
    name = "Cannot say"
    models = ["m"]

    @classmethod
    def chat_models(cls):
        raise OSError("no network")

class NeedsMissing(BaseProvider, FakeListLLM):
    id = "needs-missing"
    name = "Needs missing"
    models = ["m"]
    pypi_package_deps = ["langchain-core", "langchain_core>=0.3", "nowhere-to-be-found"]

not_a_class = Chatty(model_id="two")
"""


def install_chatty(install: Any, name: str = "chatty", id: str = "chatty", **more: str) -> None:
    points = {id: f"{name}:Chatty", f"{id}-plain": f"{name}:Plain", **more}
    install(name, SOURCE.replace("{id}", id), points)


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


def test_auto_picks_the_workspace_provider_when_there_is_nothing_else(make_registry: Any) -> None:
    reference, why = make_registry().default()
    assert str(reference) == "workspace:search"
    assert "no provider's package and credentials are present" in why


def test_auto_picks_in_the_documented_order(
    make_registry: Any, monkeypatch: pytest.MonkeyPatch, install: Any
) -> None:
    install_chatty(install)
    registry = make_registry()
    steps = [
        ("chatty_KEY", "chatty:chatty-one"),
        ("AWS_PROFILE", "bedrock:"),
        ("HF_TOKEN", "huggingface:"),
        ("OPENROUTER_API_KEY", "openrouter:"),
        ("GROQ_API_KEY", "groq:"),
        ("MISTRAL_API_KEY", "mistral:"),
        ("GOOGLE_API_KEY", "google:"),
        ("OPENAI_API_KEY", "openai:"),
        ("ANTHROPIC_API_KEY", "anthropic:"),
    ]
    for variable, reference in steps:
        monkeypatch.setenv(variable, "x")
        found, why = registry.default()
        assert str(found).startswith(reference)
        assert (variable if "AWS" not in variable else "AWS credentials") in why


def test_auto_passes_over_a_provider_whose_package_is_missing(
    make_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("GROQ_API_KEY", "x")
    registry = make_registry()
    monkeypatch.setattr(
        "jupyter_ai_personas.providers.packages._is_installed",
        lambda name: name != "langchain-openai",
    )
    assert registry.default()[0].provider_id == "groq"


def test_auto_prefers_an_endpoint_of_the_operator(
    make_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    endpoints = {
        "locked": Endpoint(base_url="http://localhost:1/v1", key_variable="NO_KEY", models=("a",)),
        "unlisted": Endpoint(base_url="http://localhost:1/v1"),
        "vllm": Endpoint(base_url="http://localhost:1/v1", models=("b", "c")),
    }
    found, why = make_registry(endpoints=endpoints).default()
    assert str(found) == "vllm:b"
    assert "configured the endpoint `vllm`" in why


def test_auto_keeps_to_the_lists(make_registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    allowed = frozenset({"openai:gpt-4o"})
    assert str(make_registry(allowed_providers=allowed).default()[0]) == "openai:gpt-4o"
    blocked = frozenset({"openai"})
    assert str(make_registry(blocked_providers=blocked).default()[0]) == "workspace:search"
    with pytest.raises(NoModelError):
        make_registry(blocked_providers=frozenset({"openai", "keyless"})).default()


def test_the_operators_default_is_resolved_like_any_reference(make_registry: Any) -> None:
    registry = make_registry(default_model="mine", aliases={"mine": "ollama:llama3.2:3b"})
    assert registry.default() == (ModelReference("ollama", "llama3.2:3b"), "set by the operator")
    with pytest.raises(UnknownProviderError):
        make_registry(default_model="opnai:gpt-5").default()


def test_parameters_of_the_operator_and_of_the_call_reach_the_model(make_registry: Any) -> None:
    registry = make_registry(
        model_parameters={
            "ollama": {"temperature": 0.1, "top_p": 0.1, "top_k": 1},
            "ollama:small": {"temperature": 0.2, "top_p": 0.2},
        }
    )
    small = registry.build(ModelReference("ollama", "small"), parameters={"temperature": 0.3})
    assert (small.temperature, small.top_p, small.top_k) == (0.3, 0.2, 1)
    assert registry.build(ModelReference("ollama", "big")).temperature == 0.1


def test_arguments_that_a_class_refuses_are_named_without_their_values(make_registry: Any) -> None:
    with pytest.raises(ModelFailedError, match="temperature") as caught:
        make_registry().build(
            ModelReference("ollama", "m"), parameters={"temperature": "hot-and-secret"}
        )
    assert "hot-and-secret" not in str(caught.value)


def test_an_endpoint_must_not_take_the_id_of_a_provider(make_registry: Any) -> None:
    registry = make_registry(endpoints={"openai": Endpoint(base_url="http://evil/v1")})
    assert "Give it another name" in registry.problems[0]
    assert not hasattr(registry.providers["openai"], "base_url")
    assert (
        registry.list_models("openai")[0]
        == {info.id: info for info in registry.infos()}["openai"].models[0]
    )


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"base_url": "localhost:8000"}, r'\["gateway"\]\.base_url` must be a URL'),
        ({}, r'\["gateway"\]` needs a `base_url`'),
        ({"base_url": "http://x/v1", "modles": []}, "Did you mean `models`"),
        ({"base_url": "http://x/v1", "zzz": 1}, "Known are: base_url"),
        ({"base_url": "http://x/v1", "models": 3}, "`.*models` must be a list of names"),
        ({"base_url": "http://x/v1", "parameters": "x=1"}, "parameters` must be a dictionary"),
        ("http://x/v1", r"such as `{'base_url': 'http://localhost:8000/v1'}`; it is text"),
    ],
)
def test_a_wrong_endpoint_says_what_is_wrong(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Endpoint.from_config("gateway", config)


def test_an_endpoint_is_built_from_its_configuration() -> None:
    endpoint = Endpoint.from_config(
        "gateway", {"base_url": "http://x/v1/", "models": ["a"], "key_variable": "K", "name": "G"}
    )
    assert endpoint == Endpoint(base_url="http://x/v1", models=("a",), key_variable="K", name="G")
    with pytest.raises(ConfigurationError, match="must be letters, digits"):
        Endpoint.from_config("a:b", {"base_url": "http://x/v1"})
