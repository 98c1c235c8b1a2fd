"""Whether a model takes images, and how much it reads."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from jupyter_ai_personas.providers.capabilities import max_input_tokens, takes_images
from jupyter_ai_personas.testing import FakeModel


class Seeing(FakeModel):
    image_inputs: ClassVar[bool | None] = True


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (FakeModel(), False),
        (FakeModel(profile={"image_inputs": True}), True),
        (FakeModel(profile={"max_input_tokens": 100}), False),
        (Seeing(), True),
        (Seeing(profile={"max_input_tokens": 100}), True),
        (Seeing(profile={"image_inputs": False}), False),
        (object(), False),
    ],
)
def test_the_profile_tells_and_else_the_provider(model: Any, expected: bool) -> None:
    assert takes_images(model) is expected


def test_vendors_models_are_known() -> None:
    from jupyter_ai_personas.providers.builtin.vendors import AnthropicProvider, OpenAIProvider
    from jupyter_ai_personas.providers.vendor import concrete_class

    make: Any = concrete_class(OpenAIProvider)
    assert takes_images(make(model_id="gpt-4o", api_key="x"))
    assert not takes_images(make(model_id="gpt-3.5-turbo", api_key="x"))
    make = concrete_class(AnthropicProvider)
    assert takes_images(make(model_id="a-new-model", api_key="x"))


@pytest.mark.parametrize(
    ("profile", "expected"),
    [(None, None), ({}, None), ({"max_input_tokens": 9}, 9), ({"max_input_tokens": 0}, None)],
)
def test_how_much_a_model_reads_is_told_by_its_profile(profile: Any, expected: int | None) -> None:
    assert max_input_tokens(FakeModel(profile=profile)) == expected
