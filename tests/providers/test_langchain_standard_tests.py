"""LangChain's own `langchain-tests`, over the chat class of each built-in provider."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, ClassVar

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests
from langchain_tests.unit_tests.chat_models import TEST_PYDANTIC_MODELS

from jupyter_ai_personas.providers.auth import keyword_of, variables_of
from jupyter_ai_personas.providers.builtin import vendors
from jupyter_ai_personas.providers.builtin.workspace import WorkspaceProvider
from jupyter_ai_personas.providers.vendor import concrete_class

pytestmark = [
    # LangChain's package for Hugging Face looks for classes in langchain-community.
    pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset"),
    # Google's package inherits from aiohttp's session.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    # The standard tests try each way of structured output on each class.
    pytest.mark.filterwarnings("ignore:Unrecognized structured output method"),
    pytest.mark.filterwarnings("ignore:The 'strict' parameter only applies"),
]

SECRET = "standard-secret-0123"


class _Standard(ChatModelUnitTests):
    provider: ClassVar[Any]
    credentials: ClassVar[Mapping[str, Any]] = {"api_key": SECRET}
    model_id: ClassVar[str] = "some-model"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return concrete_class(self.provider)

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model_id": self.model_id, **self.credentials}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 100, "stop": [], "max_retries": 2}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        strategy = self.provider.auth_strategy
        found = {name: keyword_of(strategy, name) for name in variables_of(strategy)}
        variables = {
            name: str(self.credentials[keyword])
            for name, keyword in found.items()
            if keyword in self.credentials
        }
        others = self.credentials.keys() - found.values()
        return (
            variables,
            {"model_id": self.model_id, **{k: self.credentials[k] for k in others}},
            {},
        )


class TestAnthropic(_Standard):
    provider = vendors.AnthropicProvider


class TestAzure(_Standard):
    provider = vendors.AzureProvider
    credentials: ClassVar[Mapping[str, Any]] = {
        "azure_openai_api_key": SECRET,
        "azure_openai_endpoint": "https://somewhere.invalid",
        "api_version": "2024-10-21",
    }


class TestBedrock(_Standard):
    provider = vendors.BedrockProvider
    model_id = "anthropic.claude-3-5-sonnet-20240620-v1:0"  # one that can be told to use a tool
    credentials: ClassVar[Mapping[str, Any]] = {
        "aws_access_key_id": "id",
        "aws_secret_access_key": SECRET,
        "region_name": "eu-west-1",
    }


class TestGoogle(_Standard):
    provider = vendors.GoogleProvider
    credentials: ClassVar[Mapping[str, Any]] = {"google_api_key": SECRET}


class TestGroq(_Standard):
    provider = vendors.GroqProvider


class TestHuggingFace(_Standard):
    provider = vendors.HuggingFaceProvider
    credentials: ClassVar[Mapping[str, Any]] = {"huggingfacehub_api_token": SECRET}

    @pytest.mark.xfail(reason="`ChatHuggingFace` forces one tool only, not one of several")
    def test_bind_tool_pydantic(self, model: Any, my_adder_tool: Any) -> None:
        super().test_bind_tool_pydantic(model, my_adder_tool)

    @pytest.mark.xfail(reason="`ChatHuggingFace` takes no pydantic classes for structured output")
    @pytest.mark.parametrize("schema", TEST_PYDANTIC_MODELS)
    def test_with_structured_output(self, model: Any, schema: Any) -> None:
        super().test_with_structured_output(model, schema)


class TestMistral(_Standard):
    provider = vendors.MistralProvider


class TestOllama(_Standard):
    provider = vendors.OllamaProvider
    credentials: ClassVar[Mapping[str, Any]] = {}


class TestOpenAI(_Standard):
    provider = vendors.OpenAIProvider


class TestOpenRouter(_Standard):
    provider = vendors.OpenRouterProvider


class TestWorkspace(_Standard):
    provider = WorkspaceProvider
    credentials: ClassVar[Mapping[str, Any]] = {}
    has_tool_calling = False  # it reads the prompt's files, whatever tools are offered
    has_structured_output = False


def test_each_built_in_provider_is_tested() -> None:
    found = entry_points(group="jupyter_ai.model_providers")
    ours = {entry.value for entry in found if entry.value.startswith("jupyter_ai_personas.")}
    tested = {each.provider for each in _Standard.__subclasses__()}
    assert {f"{each.__module__}:{each.__qualname__}" for each in tested} == ours
