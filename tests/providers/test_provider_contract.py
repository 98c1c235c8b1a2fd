"""The contract of `jupyter_ai_personas.testing`, over every built-in provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from langchain_core.language_models.fake import FakeListLLM

from jupyter_ai_personas import BaseProvider
from jupyter_ai_personas.errors import ModelFailedError
from jupyter_ai_personas.providers import Endpoint
from jupyter_ai_personas.providers.builtin import vendors
from jupyter_ai_personas.providers.builtin.workspace import WorkspaceProvider
from jupyter_ai_personas.providers.endpoints import endpoint_class
from jupyter_ai_personas.testing.openai_server import OpenAIServer
from jupyter_ai_personas.testing.providers import AnsweringProviderContract, ProviderContract

pytestmark = pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset")

SECRET = "contract-secret-0123"


class TestWorkspace(AnsweringProviderContract):
    provider = WorkspaceProvider
    arguments: ClassVar[Mapping[str, Any]] = {"delay": 0}


class MyProvider(BaseProvider, FakeListLLM):
    id = "my_provider"
    name = "My Provider"
    models = ["model_a", "model_b"]
    model_id_key = "model"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(responses=["This is a response"], **kwargs)


class TestDocumented(AnsweringProviderContract):
    provider = MyProvider


class TestEndpoint(AnsweringProviderContract):
    arguments: ClassVar[Mapping[str, Any]] = {"api_key": SECRET}

    @pytest.fixture(autouse=True)
    def endpoint(self) -> Iterator[None]:
        with OpenAIServer(key=SECRET) as server:
            endpoint = Endpoint(base_url=server.url, models=("small",))
            type(self).provider = endpoint_class("loop", endpoint)
            yield


class TestAnthropic(ProviderContract):
    provider = vendors.AnthropicProvider
    arguments: ClassVar[Mapping[str, Any]] = {"api_key": SECRET}


class TestAzure(ProviderContract):
    provider = vendors.AzureProvider
    arguments: ClassVar[Mapping[str, Any]] = {
        "azure_openai_api_key": SECRET,
        "azure_openai_endpoint": "https://somewhere.invalid",
    }


class TestBedrock(ProviderContract):
    provider = vendors.BedrockProvider
    arguments: ClassVar[Mapping[str, Any]] = {
        "aws_access_key_id": "id",
        "aws_secret_access_key": SECRET,
        "region_name": "eu-west-1",
    }


class TestGoogle(ProviderContract):
    provider = vendors.GoogleProvider
    arguments: ClassVar[Mapping[str, Any]] = {"google_api_key": SECRET}


class TestGroq(ProviderContract):
    provider = vendors.GroqProvider
    arguments: ClassVar[Mapping[str, Any]] = {"api_key": SECRET}


class TestHuggingFace(ProviderContract):
    provider = vendors.HuggingFaceProvider
    arguments: ClassVar[Mapping[str, Any]] = {"huggingfacehub_api_token": SECRET}


class TestMistral(ProviderContract):
    provider = vendors.MistralProvider
    arguments: ClassVar[Mapping[str, Any]] = {"api_key": SECRET}


class TestOllama(ProviderContract):
    provider = vendors.OllamaProvider
    model_id = "llama3.2:3b"


class TestOpenAI(ProviderContract):
    provider = vendors.OpenAIProvider
    arguments: ClassVar[Mapping[str, Any]] = {"api_key": SECRET}


class TestOpenRouter(ProviderContract):
    provider = vendors.OpenRouterProvider
    arguments: ClassVar[Mapping[str, Any]] = {"api_key": SECRET}


def test_every_built_in_is_under_contract(make_registry: Any) -> None:
    tested = {
        test.provider
        for test in globals().values()
        if isinstance(test, type)
        and issubclass(test, ProviderContract)
        and "provider" in vars(test)
    }
    assert set(make_registry().providers.values()) <= tested


def test_the_contract_finds_what_is_wrong() -> None:
    class Wrong(BaseProvider, FakeListLLM):
        id = "wrong:id"
        name = "Wrong"
        models = ["twice", "twice"]
        model_id_key = "model"

    class Contract(AnsweringProviderContract):
        provider = Wrong
        arguments = {"responses": [" "]}

    for check in (
        Contract().test_the_registry_accepts_it,
        Contract().test_it_lists_models_or_takes_any,
        Contract().test_it_answers,
    ):
        with pytest.raises((AssertionError, ModelFailedError)):
            check()
