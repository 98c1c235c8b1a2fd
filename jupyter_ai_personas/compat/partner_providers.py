"""The modules of ``jupyter_ai_magics.partner_providers``, whose classes other providers inherit.

A class is made when it is first used: it joins a vendor's LangChain class with ours. It has the id
that Jupyter AI v2 gave it, and models and credentials as our own provider of that vendor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from ..providers.auth import AwsAuthStrategy, EnvAuthStrategy
from ..providers.base import BaseProvider
from ..providers.builtin import vendors
from ..providers.fields import TextField
from .magics import BaseEmbeddingsProvider

__all__ = [
    "anthropic",
    "aws",
    "cohere",
    "gemini",
    "mistralai",
    "nvidia",
    "ollama",
    "openai",
    "openrouter",
    "vertexai",
]


@dataclass(frozen=True, slots=True)
class _Class:
    """A provider: ``langchain_class`` is ``module:name``, the rest its class attributes."""

    langchain_class: str
    id: str
    name: str
    model_id_key: str
    models: tuple[str, ...] = ("*",)
    auth_strategy: Any = None
    fields: tuple[TextField, ...] = ()

    def make(self, name: str) -> type:
        """Return the class; raises ``ImportError`` without the vendor's package."""
        module, _, attribute = self.langchain_class.partition(":")
        vendor = getattr(import_module(module), attribute)
        is_embedding = "Embeddings" in attribute
        attributes = {
            "__module__": __name__,
            "__doc__": f"{self.name}, by ``{module}``.",
            "id": self.id,
            "name": self.name,
            "models": list(self.models),
            "model_id_key": self.model_id_key,
            "registry": "*" in self.models,
            "auth_strategy": self.auth_strategy,
            "fields": list(self.fields),
            "pypi_package_deps": [module],
        }
        base = BaseEmbeddingsProvider if is_embedding else BaseProvider
        return type(name, (base, vendor), attributes)


class _Module:
    """The classes of one vendor, as attributes."""

    def __init__(self, **classes: _Class) -> None:
        self._classes = classes
        self.__all__ = list(classes)
        self._made = cache(lambda name: classes[name].make(name))

    def __getattr__(self, name: str) -> Any:
        if name in self.__all__:
            return self._made(name)
        raise AttributeError(name)


_OPENAI_KEY = EnvAuthStrategy("OPENAI_API_KEY", "openai_api_key")
_AZURE_KEY = EnvAuthStrategy("AZURE_OPENAI_API_KEY", "openai_api_key")
_OPENAI_FIELDS = (
    TextField("openai_api_base", "Base API URL (optional)"),
    TextField("openai_organization", "Organization (optional)"),
    TextField("openai_proxy", "Proxy (optional)"),
)
_AZURE_FIELDS = (
    TextField("azure_endpoint", "Base API URL (required)"),
    TextField("api_version", "API version (required)"),
)
_EMBEDDINGS = ("text-embedding-3-small", "text-embedding-3-large")

openai = _Module(
    OpenAIProvider=_Class(
        "langchain_openai:OpenAI",
        "openai",
        "OpenAI",
        "model_name",
        ("gpt-3.5-turbo-instruct",),
        _OPENAI_KEY,
        _OPENAI_FIELDS,
    ),
    ChatOpenAIProvider=_Class(
        "langchain_openai:ChatOpenAI",
        "openai-chat",
        "OpenAI",
        "model_name",
        tuple(vendors.OpenAIProvider.models),
        _OPENAI_KEY,
        _OPENAI_FIELDS,
    ),
    ChatOpenAICustomProvider=_Class(
        "langchain_openai:ChatOpenAI",
        "openai-chat-custom",
        "OpenAI (general interface)",
        "model_name",
        auth_strategy=_OPENAI_KEY,
        fields=_OPENAI_FIELDS,
    ),
    AzureChatOpenAIProvider=_Class(
        "langchain_openai:AzureChatOpenAI",
        "azure-chat-openai",
        "Azure OpenAI",
        "azure_deployment",
        auth_strategy=_AZURE_KEY,
        fields=_AZURE_FIELDS,
    ),
    OpenAIEmbeddingsProvider=_Class(
        "langchain_openai:OpenAIEmbeddings", "openai", "OpenAI", "model", _EMBEDDINGS, _OPENAI_KEY
    ),
    OpenAIEmbeddingsCustomProvider=_Class(
        "langchain_openai:OpenAIEmbeddings",
        "openai-custom",
        "OpenAI (general interface)",
        "model",
        auth_strategy=_OPENAI_KEY,
    ),
    AzureOpenAIEmbeddingsProvider=_Class(
        "langchain_openai:AzureOpenAIEmbeddings",
        "azure",
        "Azure OpenAI",
        "azure_deployment",
        _EMBEDDINGS,
        _AZURE_KEY,
    ),
)
anthropic = _Module(
    ChatAnthropicProvider=_Class(
        "langchain_anthropic:ChatAnthropic",
        "anthropic-chat",
        "Anthropic",
        "model",
        tuple(vendors.AnthropicProvider.models),
        EnvAuthStrategy("ANTHROPIC_API_KEY", "anthropic_api_key"),
    ),
)
_REGION = (
    TextField("credentials_profile_name", "AWS profile (optional)"),
    TextField("region_name", "Region name (optional)"),
)
aws = _Module(
    BedrockProvider=_Class(
        "langchain_aws:BedrockLLM",
        "bedrock",
        "Amazon Bedrock",
        "model_id",
        auth_strategy=AwsAuthStrategy(),
        fields=_REGION,
    ),
    BedrockChatProvider=_Class(
        "langchain_aws:ChatBedrock",
        "bedrock-chat",
        "Amazon Bedrock Chat",
        "model_id",
        tuple(vendors.BedrockProvider.models),
        AwsAuthStrategy(),
        _REGION,
    ),
    BedrockEmbeddingsProvider=_Class(
        "langchain_aws:BedrockEmbeddings",
        "bedrock",
        "Bedrock",
        "model_id",
        auth_strategy=AwsAuthStrategy(),
    ),
)
_COHERE_KEY = EnvAuthStrategy("COHERE_API_KEY", "cohere_api_key")
cohere = _Module(
    CohereProvider=_Class(
        "langchain_cohere:ChatCohere", "cohere", "Cohere", "model", auth_strategy=_COHERE_KEY
    ),
    CohereEmbeddingsProvider=_Class(
        "langchain_cohere:CohereEmbeddings", "cohere", "Cohere", "model", auth_strategy=_COHERE_KEY
    ),
)
gemini = _Module(
    GeminiProvider=_Class(
        "langchain_google_genai:GoogleGenerativeAI",
        "gemini",
        "Gemini",
        "model",
        tuple(vendors.GoogleProvider.models),
        EnvAuthStrategy("GOOGLE_API_KEY", "google_api_key"),
    ),
)
_MISTRAL_KEY = EnvAuthStrategy("MISTRAL_API_KEY", "mistral_api_key")
mistralai = _Module(
    MistralAIProvider=_Class(
        "langchain_mistralai:ChatMistralAI",
        "mistralai",
        "MistralAI",
        "model",
        tuple(vendors.MistralProvider.models),
        _MISTRAL_KEY,
    ),
    MistralAIEmbeddingsProvider=_Class(
        "langchain_mistralai:MistralAIEmbeddings",
        "mistralai",
        "MistralAI",
        "model",
        ("mistral-embed",),
        _MISTRAL_KEY,
    ),
)
nvidia = _Module(
    ChatNVIDIAProvider=_Class(
        "langchain_nvidia_ai_endpoints:ChatNVIDIA",
        "nvidia-chat",
        "NVIDIA",
        "model",
        auth_strategy=EnvAuthStrategy("NVIDIA_API_KEY", "nvidia_api_key"),
    ),
)
_OLLAMA_URL = (TextField("base_url", "Base API URL (optional)"),)
ollama = _Module(
    OllamaProvider=_Class(
        "langchain_ollama:ChatOllama", "ollama", "Ollama", "model", fields=_OLLAMA_URL
    ),
    OllamaEmbeddingsProvider=_Class(
        "langchain_ollama:OllamaEmbeddings", "ollama", "Ollama", "model", fields=_OLLAMA_URL
    ),
)
openrouter = _Module(
    OpenRouterProvider=_Class(
        "langchain_openrouter:ChatOpenRouter",
        "openrouter",
        "OpenRouter",
        "model_name",
        auth_strategy=EnvAuthStrategy("OPENROUTER_API_KEY", "api_key"),
    ),
)
vertexai = _Module(
    VertexAIProvider=_Class("langchain_google_vertexai:VertexAI", "vertexai", "Vertex AI", "model"),
    VertexAIEmbeddingsProvider=_Class(
        "langchain_google_vertexai:VertexAIEmbeddings", "vertexai", "Vertex AI", "model"
    ),
)
