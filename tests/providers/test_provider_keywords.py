"""How a key reaches a class of another package, and what is said where it does not."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from pydantic import ConfigDict, Field

from jupyter_ai_personas import (
    AwsAuthStrategy,
    BaseProvider,
    EnvAuthStrategy,
    MultiEnvAuthStrategy,
    TextField,
)
from jupyter_ai_personas.errors import ModelFailedError
from jupyter_ai_personas.providers import ModelReference
from jupyter_ai_personas.providers.building import build_model
from jupyter_ai_personas.providers.credentials import Credentials, redact

KEY = "a-key-0123456789"


class Plain(BaseProvider, FakeListChatModel):
    id = "plain"
    name = "Plain"
    models = ["one"]
    auth_strategy = EnvAuthStrategy("PLAIN_KEY")
    responses: list[str] = ["hi"]
    plain_key: str = ""


class Strict(BaseProvider, FakeListChatModel):
    """Refuses keywords that it does not know."""

    model_config = ConfigDict(extra="forbid")
    id = "strict"
    name = "Strict"
    models = ["one"]
    auth_strategy = EnvAuthStrategy("STRICT_KEY")
    responses: list[str] = ["hi"]


class Sending(Plain):
    """Sends what it does not know to the server, as LangChain's OpenAI classes do."""

    id = "sending"
    auth_strategy = EnvAuthStrategy("SENDING_KEY")
    model_kwargs: dict[str, Any] = Field(default_factory=dict)

    def __init__(self, **kwargs: Any) -> None:
        unknown = {key: kwargs.pop(key) for key in list(kwargs) if key == "sending_key"}
        super().__init__(model_kwargs=unknown, **kwargs)


class Failing(Plain):
    id = "failing"
    auth_strategy = EnvAuthStrategy("FAILING_KEY")

    def __init__(self, **kwargs: Any) -> None:
        raise ValueError("there is no such account")


class Dropping(Plain):
    """Loses its key, and fails as the class below it does."""

    id = "dropping"
    auth_strategy = EnvAuthStrategy("DROPPING_KEY")

    def __init__(self, **kwargs: Any) -> None:
        raise ValueError(
            "Missing credentials. Please pass an `api_key`, or set the `OPENAI_API_KEY` or "
            "`OPENAI_ADMIN_KEY` environment variable."
        )


class Needing(Plain):
    id = "needing"
    auth_strategy = None
    fields = [TextField("url", "URL"), TextField("other", "Other (optional)")]
    url: str
    inner: str = ""


class NeedingMore(Needing):
    id = "more"
    inner: str


def build(provider: Any, **arguments: Any) -> Any:
    """Build a model as the registry does, with the credentials of the environment."""
    credentials = Credentials()
    return build_model(
        provider,
        ModelReference(provider.id, "one"),
        {**credentials.keywords(provider.auth_strategy), **arguments},
        optional=credentials.optional_keywords(provider.auth_strategy),
        redact=redact,
    )


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PLAIN", "STRICT", "SENDING", "FAILING", "DROPPING"):
        monkeypatch.setenv(f"{name}_KEY", KEY)


def test_a_key_in_the_environment_is_passed_by_keyword() -> None:
    assert build(Plain).plain_key == KEY


def test_the_operators_parameter_wins() -> None:
    assert build(Plain, plain_key="mine").plain_key == "mine"


def test_a_class_that_refuses_the_keyword_is_built_without() -> None:
    assert build(Strict).responses == ["hi"]


def test_a_key_is_never_part_of_what_is_sent() -> None:
    assert build(Sending).model_kwargs == {}


def test_another_error_is_not_tried_again() -> None:
    with pytest.raises(ModelFailedError, match="there is no such account"):
        build(Failing)


@pytest.mark.parametrize(
    "strategy",
    [MultiEnvAuthStrategy(["PLAIN_KEY"]), AwsAuthStrategy(), None, EnvAuthStrategy("NOT_SET")],
)
def test_other_strategies_have_no_optional_keyword(strategy: Any) -> None:
    assert Credentials().optional_keywords(strategy) == {}


def test_a_named_keyword_is_not_optional() -> None:
    assert Credentials().optional_keywords(EnvAuthStrategy("PLAIN_KEY", "api_key")) == {}


def test_a_class_that_asks_for_the_key_of_another_vendor_is_named_as_the_mistake() -> None:
    with pytest.raises(ModelFailedError) as caught:
        build(Dropping)
    said = str(caught.value)
    assert "its key did not reach the class that it is built on" in said
    assert "which asks for `OPENAI_API_KEY`" in said
    assert "It was passed `DROPPING_KEY` by `dropping_key`." in said
    assert "environment variable" not in said
    assert KEY not in said


def test_a_field_that_nobody_set_names_the_setting() -> None:
    with pytest.raises(ModelFailedError) as caught:
        build(Needing)
    assert "it needs `url`. The operator can set this with" in str(caught.value)
    assert '`c.AiExtension.model_parameters = {"needing": {"url": …}}`' in str(caught.value)
    assert build(Needing, url="http://x").url == "http://x"


def test_what_is_no_field_of_the_provider_is_told_as_it_is() -> None:
    with pytest.raises(ModelFailedError, match="url: Field required; inner: Field required"):
        build(NeedingMore)
