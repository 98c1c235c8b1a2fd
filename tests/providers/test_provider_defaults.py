from __future__ import annotations

from typing import Any

import pytest
from strange_providers import install_chatty

from jupyter_ai_personas.errors import (
    ConfigurationError,
    ModelFailedError,
    NoModelError,
    UnknownProviderError,
)
from jupyter_ai_personas.providers import (
    Endpoint,
    ModelReference,
)


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
