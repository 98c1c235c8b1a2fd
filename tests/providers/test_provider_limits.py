"""Which models the operator's lists let be used, however they are written."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jupyter_ai_personas.errors import ModelNotAllowedError
from jupyter_ai_personas.providers import Endpoint, ProviderSettings
from jupyter_ai_personas.providers.limits import Limits, matches
from jupyter_ai_personas.providers.unmatched import unmatched_models


@pytest.mark.parametrize(
    ("entry", "provider_id", "model_id", "does"),
    [
        ("openai", "openai", None, True),
        ("openai", "openai", "gpt-4o", True),
        ("OpenAI", "openai", "gpt-4o", True),
        (" openai ", "openai", "gpt-4o", True),
        ("openai", "OpenAI", "gpt-4o", True),
        ("openai:*", "openai", None, True),
        ("openai:*", "openai", "gpt-4o", True),
        ("openai:**", "openai", "gpt-4o", True),
        ("openai:gpt-4*", "openai", "gpt-4o", True),
        ("openai:gpt-4*", "openai", "GPT-4o", True),
        ("openai : gpt-4o", "openai", "gpt-4o", True),
        ("openai:gpt-4*", "openai", "gpt-5", False),
        ("openai:gpt-4*", "openai", None, False),
        ("openai:*-mini", "openai", "gpt-4o-mini", True),
        ("open*", "openrouter", "x", True),
        ("*", "anything", None, True),
        ("*:gpt-4o", "azure", "gpt-4o", True),
        ("*:gpt-4o", "azure", None, False),
        ("ollama:llama3.2:*", "ollama", "llama3.2:3b", True),
        ("ollama:llama3.2", "ollama", "llama3.2:3b", False),
        ("open", "openai", None, False),
        ("openai.", "openai", None, False),
        ("openai:gpt.4o", "openai", "gpt-4o", False),
        ("", "openai", None, False),
        ("gpt-4o", "openai", "gpt-4o", False),
    ],
)
def test_an_entry_means_providers_and_models(
    entry: str, provider_id: str, model_id: str | None, does: bool
) -> None:
    assert matches(entry, provider_id, model_id) is does


@pytest.mark.parametrize("entry", ["OpenAI", "openai:*", "openai ", "open*", "*", "openai:GPT-4*"])
def test_what_an_entry_blocks_is_blocked_everywhere(entry: str, make_registry: Any) -> None:
    registry = make_registry(blocked_providers=[entry])
    with pytest.raises(ModelNotAllowedError):
        registry.resolve("openai:gpt-4o")
    with pytest.raises(ModelNotAllowedError):
        registry.check(make_registry().resolve("openai:gpt-4o"))


def test_a_pattern_of_models_leaves_the_provider_its_others() -> None:
    limits = Limits(allowed=["openai:gpt-4*", "groq"], blocked=["*:*-mini"])
    assert limits.allow("openai")
    assert limits.allow("openai", "gpt-4o")
    assert not limits.allow("openai", "gpt-4o-mini")
    assert not limits.allow("openai", "o3")
    assert limits.allow("groq", "anything")
    assert not limits.allow("ollama")


def test_limits_of_operator_and_notebook_hold_both() -> None:
    settings = ProviderSettings(
        allowed_providers=["openai", "groq"],
        blocked_providers=["openai:o3"],
        operator_limits=Limits(allowed=["openai", "ollama"], blocked=["openai:gpt-4o"]),
    )
    assert settings.allows("openai", "gpt-5")
    for provider_id, model_id in [
        ("openai", "o3"),
        ("openai", "gpt-4o"),
        ("groq", "x"),
        ("ollama", "x"),
    ]:
        assert not settings.allows(provider_id, model_id)


def test_a_hostile_pattern_costs_nothing() -> None:
    assert not matches("a" + "*a" * 20 + "b", "a" * 25)


def test_parameters_are_found_whatever_the_case_of_their_names() -> None:
    settings = ProviderSettings(model_parameters={"OpenAI": {"a": 1}, "openai : GPT-4o": {"a": 2}})
    assert settings.parameters_of("openai") == {"a": 1}
    assert settings.parameters_of("openai:gpt-4o") == {"a": 2}
    assert settings.parameters_of("groq") == {}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"blocked_providers": ["opnai"]}, "no provider. Did you mean `openai`?"),
        ({"blocked_providers": ["opnai:*"]}, "no provider. Did you mean `openai`?"),
        ({"allowed_providers": ["zzz*"]}, "`zzz*` in `c.AiExtension.allowed_providers` matches no"),
        ({"blocked_providers": ["gpt-4o"]}, "Did you mean `openai:gpt-4o`?"),
        ({"blocked_providers": ["keyless:repat"]}, "Did you mean `keyless:repeat`?"),
        ({"model_parameters": {"opnai": {}}}, "`c.AiExtension.model_parameters` matches no"),
        ({"aliases": {"fast": "opnai:x"}}, "`opnai:x` in `c.AiExtension.model_aliases` cannot be"),
        ({"fallbacks": ["kyless:repeat"]}, "`c.AiExtension.fallback_models` cannot be used"),
        ({"blocked_providers": ["opnai"], "owner": "c.AiMagics"}, "c.AiMagics.blocked_providers"),
    ],
)
def test_a_name_that_matches_nothing_is_found(
    settings: dict[str, Any], says: str, make_registry: Any
) -> None:
    (found,) = unmatched_models(make_registry(**settings))
    assert re.search(re.escape(says), found.text)


def test_names_that_match_something_are_not_mentioned(make_registry: Any) -> None:
    registry = make_registry(
        endpoints={"vllm": Endpoint(base_url="http://x/v1", models=("llama",))},
        allowed_providers=["OpenAI ", "keyless:*", "vllm:any-model", "open*", "ollama:llama*"],
        blocked_providers=["openai:gpt-4*", "keyless:rep*", "azure:my-deployment"],
        model_parameters={"vllm": {}, "openai:gpt-5": {}},
        aliases={"fast": "openai:gpt-5"},
        fallbacks=["openai:gpt-5"],
    )
    assert list(unmatched_models(registry)) == []
