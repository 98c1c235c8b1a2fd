from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.errors import UnknownModelError, UnknownProviderError
from jupyter_ai_personas.providers.references import ModelReference, find_reference

MODELS = {
    "openai": ["gpt-5", "gpt-5-mini"],
    "azure": ["*"],
    "ollama": ["*"],
    "mirror": ["gpt-5"],
    "fake": ["model_a", "model_b"],
}
REGISTRIES = {"openai", "azure", "ollama"}
ALIASES = {"fast": "openai:gpt-5-mini", "a": "model_a", "loop": "fast"}


def find(text: str) -> str:
    return str(find_reference(text, models=MODELS, registries=REGISTRIES, aliases=ALIASES))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("openai:gpt-5", "openai:gpt-5"),
        ("  openai:gpt-5 ", "openai:gpt-5"),
        ("ollama:llama3.2:3b", "ollama:llama3.2:3b"),
        ("openai:a-new-model", "openai:a-new-model"),
        ("fast", "openai:gpt-5-mini"),
        ("a", "fake:model_a"),
        ("model_b", "fake:model_b"),
        ("gpt-5-mini", "openai:gpt-5-mini"),
    ],
)
def test_a_reference_an_alias_or_a_bare_id_names_a_model(text: str, found: str) -> None:
    assert find(text) == found


def test_a_bare_id_that_two_providers_have_names_none_and_offers_both() -> None:
    with pytest.raises(UnknownModelError) as caught:
        find("gpt-5")
    assert "`openai:gpt-5` or `mirror:gpt-5`" in str(caught.value)


def test_a_typo_gets_near_matches() -> None:
    with pytest.raises(UnknownProviderError, match="Did you mean `openai`"):
        find("opnai:gpt-5")
    with pytest.raises(UnknownModelError, match=r"`fake` has no model `model_c`.*`model_"):
        find("fake:model_c")
    with pytest.raises(UnknownModelError, match="Did you mean `fast`"):
        find("fsat")
    with pytest.raises(UnknownModelError, match=r"Did you mean .*`gpt-5-mini`"):
        find("gpt5-mini")


@pytest.mark.parametrize(
    "text", ["", " ", ":", "*", "azure:", "azure", "azure:*", "fake:*", "fake:", ":x"]
)
def test_what_names_no_model_is_refused(text: str) -> None:
    with pytest.raises((UnknownModelError, UnknownProviderError)):
        find(text)


def test_an_alias_of_an_alias_is_not_followed() -> None:
    with pytest.raises(UnknownModelError):
        find("loop")


ids = st.text(string.ascii_letters + string.digits + "-_./", min_size=1, max_size=8)
model_ids = st.text(string.ascii_letters + ":/.-_ é", min_size=1, max_size=12).filter(
    lambda text: text.strip() == text != ""
)
catalogues = st.dictionaries(ids, st.lists(model_ids, max_size=4), max_size=4)


@given(catalogues)
def test_every_listed_model_is_found_by_its_own_reference(models: dict[str, list[str]]) -> None:
    for provider_id, listed in models.items():
        for model_id in listed:
            reference = ModelReference(provider_id, model_id)
            assert find_reference(str(reference), models=models) == reference


@given(st.text(max_size=20), catalogues, st.dictionaries(st.text(max_size=5), st.text(max_size=9)))
def test_any_text_names_a_listed_model_or_is_refused(
    text: str, models: dict[str, list[str]], aliases: dict[str, str]
) -> None:
    try:
        found = find_reference(text, models=models, aliases=aliases)
    except (UnknownModelError, UnknownProviderError):
        return
    assert found.model_id in models[found.provider_id]
