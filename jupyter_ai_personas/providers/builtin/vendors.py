"""The vendors' providers: thin classes over the vendors' own LangChain packages.

All accept any model id; ``models`` offers some that the LangChain packages describe. The first is
the one that ``default_model = "auto"`` picks.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from ..auth import AuthStrategy, AwsAuthStrategy, EnvAuthStrategy, MultiEnvAuthStrategy
from ..fields import Field, TextField
from ..vendor import VendorProvider

__all__ = [
    "AnthropicProvider",
    "AzureProvider",
    "BedrockProvider",
    "GoogleProvider",
    "GroqProvider",
    "HuggingFaceProvider",
    "MistralProvider",
    "OllamaProvider",
    "OpenAIProvider",
    "OpenRouterProvider",
]

_BASE_URL = TextField("base_url", "Base URL (optional)")


class OpenAIProvider(VendorProvider):
    """OpenAI, by ``langchain-openai``."""

    id = "openai"
    name = "OpenAI"
    models: ClassVar[list[str]] = [
        "gpt-5.5",
        "gpt-6.1-sol",
        "gpt-6.1-terra",
        "gpt-6-luna",
        "gpt-5.4-mini",
        "gpt-5.4-nano",
        "gpt-4.1",
        "gpt-4o",
        "gpt-4o-mini",
    ]
    registry = True
    model_id_key = "model"
    pypi_package_deps: ClassVar[list[str]] = ["langchain-openai"]
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("OPENAI_API_KEY", "api_key")
    fields: ClassVar[list[Field]] = [_BASE_URL]
    langchain_class = "langchain_openai:ChatOpenAI"
    image_inputs = True

    def __init__(self, **kwargs: Any) -> None:
        # LangChain asks OpenAI for the usage only where nobody passed an HTTP client.
        kwargs.setdefault("stream_usage", True)
        super().__init__(**kwargs)


class AzureProvider(VendorProvider):
    """Azure OpenAI, by ``langchain-openai``; a model id is a deployment's name."""

    id = "azure"
    name = "Azure OpenAI"
    models: ClassVar[list[str]] = ["*"]
    registry = True
    model_id_key = "azure_deployment"
    model_id_label = "Deployment name"
    help = "The model id is the name of a deployment in your Azure OpenAI resource."
    pypi_package_deps: ClassVar[list[str]] = ["langchain-openai"]
    auth_strategy: ClassVar[AuthStrategy] = MultiEnvAuthStrategy(
        ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"]
    )
    fields: ClassVar[list[Field]] = [TextField("api_version", "API version (optional)")]
    langchain_class = "langchain_openai:AzureChatOpenAI"

    def __init__(self, **kwargs: Any) -> None:
        for variable, keyword in (
            ("azure_openai_api_key", "api_key"),
            ("azure_openai_endpoint", "azure_endpoint"),
        ):
            if variable in kwargs:
                kwargs.setdefault(keyword, kwargs.pop(variable))
        kwargs.setdefault("api_version", "2024-10-21")
        if "stream_usage" in type(self).model_fields:  # not with an older LangChain
            kwargs.setdefault("stream_usage", True)
        super().__init__(**kwargs)


class AnthropicProvider(VendorProvider):
    """Anthropic, by ``langchain-anthropic``."""

    id = "anthropic"
    name = "Anthropic"
    models: ClassVar[list[str]] = [
        "claude-sonnet-5-5",
        "claude-opus-5-5",
        "claude-haiku-5-5",
        "claude-sonnet-4-5",
        "claude-haiku-4-5",
    ]
    registry = True
    model_id_key = "model"
    pypi_package_deps: ClassVar[list[str]] = ["langchain-anthropic"]
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("ANTHROPIC_API_KEY", "api_key")
    fields: ClassVar[list[Field]] = [_BASE_URL]
    langchain_class = "langchain_anthropic:ChatAnthropic"
    image_inputs = True


class GoogleProvider(VendorProvider):
    """Google's Gemini, by ``langchain-google-genai``."""

    id = "google"
    name = "Google Gemini"
    models: ClassVar[list[str]] = [
        "gemini-flash-latest",
        "gemini-flash-lite-latest",
        "gemini-2.5-flash",
        "gemini-2.5-pro",
    ]
    registry = True
    model_id_key = "model"
    pypi_package_deps: ClassVar[list[str]] = ["langchain-google-genai"]
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("GOOGLE_API_KEY", "google_api_key")
    langchain_class = "langchain_google_genai:ChatGoogleGenerativeAI"
    image_inputs = True

    @classmethod
    def is_api_key_exc(cls, exc: Exception, /) -> bool:
        """Google answers a wrong key with status 400."""
        return "API_KEY_INVALID" in str(exc) or "API key not valid" in str(exc)


class MistralProvider(VendorProvider):
    """Mistral, by ``langchain-mistralai``."""

    id = "mistral"
    name = "Mistral AI"
    models: ClassVar[list[str]] = [
        "mistral-medium-latest",
        "mistral-large-latest",
        "mistral-small-latest",
        "codestral-latest",
        "magistral-medium-latest",
    ]
    registry = True
    model_id_key = "model"
    pypi_package_deps: ClassVar[list[str]] = ["langchain-mistralai"]
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("MISTRAL_API_KEY", "api_key")
    fields: ClassVar[list[Field]] = [_BASE_URL]
    langchain_class = "langchain_mistralai:ChatMistralAI"


class BedrockProvider(VendorProvider):
    """AWS Bedrock's Converse API, by ``langchain-aws``; ``boto3`` finds credentials and region."""

    id = "bedrock"
    name = "AWS Bedrock"
    models: ClassVar[list[str]] = [
        "global.anthropic.claude-sonnet-5-5",
        "global.anthropic.claude-haiku-5-5",
        "global.amazon.nova-2-lite-v1:0",
        "amazon.nova-pro-v1:0",
        "amazon.nova-lite-v1:0",
        "meta.llama3-3-70b-instruct-v1:0",
    ]
    registry = True
    model_id_key = "model_id"
    help = "The model id is that of a model, an inference profile, or an ARN."
    pypi_package_deps: ClassVar[list[str]] = ["langchain-aws"]
    auth_strategy: ClassVar[AuthStrategy] = AwsAuthStrategy()
    fields: ClassVar[list[Field]] = [
        TextField("credentials_profile_name", "AWS profile (optional)"),
        TextField("region_name", "Region (optional)"),
    ]
    langchain_class = "langchain_aws:ChatBedrockConverse"


class OllamaProvider(VendorProvider):
    """Models that Ollama serves on this machine, or at ``OLLAMA_HOST``."""

    id = "ollama"
    name = "Ollama"
    models: ClassVar[list[str]] = ["*"]
    registry = True
    model_id_key = "model"
    help = "The model id is one that `ollama list` shows, such as `llama3.2`."
    pypi_package_deps: ClassVar[list[str]] = ["langchain-ollama"]
    fields: ClassVar[list[Field]] = [_BASE_URL]
    langchain_class = "langchain_ollama:ChatOllama"


class HuggingFaceProvider(VendorProvider):
    """Hugging Face's inference providers, by ``langchain-huggingface``."""

    id = "huggingface"
    name = "Hugging Face"
    models: ClassVar[list[str]] = [
        "openai/gpt-oss-120b",
        "openai/gpt-oss-20b",
        "meta-llama/Llama-3.3-70B-Instruct",
        "Qwen/Qwen3-32B",
    ]
    registry = True
    model_id_key = "model_id"
    help = "The model id is that of a repository at https://huggingface.co/models."
    pypi_package_deps: ClassVar[list[str]] = ["langchain-huggingface"]
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("HF_TOKEN", "huggingfacehub_api_token")
    langchain_class = "langchain_huggingface:ChatHuggingFace"

    def __init__(self, **kwargs: Any) -> None:
        endpoint_class = import_module("langchain_huggingface").HuggingFaceEndpoint
        own = {key: kwargs.pop(key) for key in endpoint_class.model_fields if key in kwargs}
        for key in own.keys() & type(self).model_fields.keys():
            kwargs[key] = own[key]
        # By default the router picks an inference provider that has the model.
        own.setdefault("provider", "auto")
        kwargs.setdefault("stream_usage", True)
        if not own.get("endpoint_url"):
            own["repo_id"] = kwargs["model_id"]
        super().__init__(**{**kwargs, "llm": endpoint_class(**own)})


class GroqProvider(VendorProvider):
    """Groq, by ``langchain-groq``."""

    id = "groq"
    name = "Groq"
    models: ClassVar[list[str]] = [
        "openai/gpt-oss-120b",
        "openai/gpt-oss-20b",
        "llama-3.3-70b-versatile",
        "llama-3.1-8b-instant",
        "qwen/qwen3-32b",
    ]
    registry = True
    model_id_key = "model"
    pypi_package_deps: ClassVar[list[str]] = ["langchain-groq"]
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("GROQ_API_KEY", "api_key")
    fields: ClassVar[list[Field]] = [_BASE_URL]
    langchain_class = "langchain_groq:ChatGroq"


class OpenRouterProvider(VendorProvider):
    """OpenRouter, by ``langchain-openrouter``."""

    id = "openrouter"
    name = "OpenRouter"
    models: ClassVar[list[str]] = ["openrouter/auto"]
    registry = True
    model_id_key = "model"
    help = "The model id is one of https://openrouter.ai/models, such as `openai/gpt-4o-mini`."
    pypi_package_deps: ClassVar[list[str]] = ["langchain-openrouter"]
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("OPENROUTER_API_KEY", "api_key")
    fields: ClassVar[list[Field]] = [_BASE_URL]
    langchain_class = "langchain_openrouter:ChatOpenRouter"
