"""The vendors' providers: thin classes over the vendors' own LangChain packages.

All accept any model id; ``models`` offers some that the LangChain packages describe. The first is
the one that ``default_model = "auto"`` picks.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, ClassVar

from ...errors import ModelFailedError
from ..auth import AuthStrategy, AwsAuthStrategy, EnvAuthStrategy, MultiEnvAuthStrategy
from ..fields import Field, TextField
from ..openai_protocol import OpenAIProtocolProvider
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


class OpenAIProvider(OpenAIProtocolProvider):
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
    auth_strategy: ClassVar[AuthStrategy] = EnvAuthStrategy("OPENAI_API_KEY", "api_key")
    fields: ClassVar[list[Field]] = [_BASE_URL]
    vendor_variables = (
        "OPENAI_API_BASE",
        "OPENAI_BASE_URL",
        "OPENAI_PROXY",
        "OPENAI_ORG_ID",
        "OPENAI_ORGANIZATION",
        "OPENAI_PROJECT_ID",
        "OPENAI_CUSTOM_HEADERS",
    )
    image_inputs = True


class AzureProvider(OpenAIProtocolProvider):
    """Azure OpenAI, by ``langchain-openai``; a model id is a deployment's name."""

    id = "azure"
    name = "Azure OpenAI"
    models: ClassVar[list[str]] = ["*"]
    registry = True
    model_id_key = "azure_deployment"
    model_id_label = "Deployment name"
    help = "The model id is the name of a deployment in your Azure OpenAI resource."
    auth_strategy: ClassVar[AuthStrategy] = MultiEnvAuthStrategy(
        ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"]
    )
    fields: ClassVar[list[Field]] = [TextField("api_version", "API version (optional)")]
    langchain_class = "langchain_openai:AzureChatOpenAI"
    vendor_variables = (
        "AZURE_OPENAI_ENDPOINT",
        "OPENAI_PROXY",
        "OPENAI_API_VERSION",
        "AZURE_OPENAI_AD_TOKEN",
        "OPENAI_ORG_ID",
        "OPENAI_ORGANIZATION",
    )

    def __init__(self, **kwargs: Any) -> None:
        for variable, keyword in (
            ("azure_openai_api_key", "api_key"),
            ("azure_openai_endpoint", "azure_endpoint"),
        ):
            if variable in kwargs:
                kwargs.setdefault(keyword, kwargs.pop(variable))
        version = os.environ.get("OPENAI_API_VERSION", "").strip()
        kwargs.setdefault("api_version", version or "2024-10-21")
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
    vendor_variables = (
        "ANTHROPIC_API_URL",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_PROXY",
        "ANTHROPIC_CUSTOM_HEADERS",
    )
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
    vendor_variables = (
        "GOOGLE_GEMINI_BASE_URL",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
    )
    proxies = ("HTTPS_PROXY", "HTTP_PROXY")
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
    vendor_variables = ("MISTRAL_BASE_URL",)


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
    help = (
        "The model id is that of a model, an inference profile, or an ARN. An ARN that does not "
        "name the model needs its vendor as the parameter `provider`."
    )
    pypi_package_deps: ClassVar[list[str]] = ["langchain-aws"]
    auth_strategy: ClassVar[AuthStrategy] = AwsAuthStrategy()
    fields: ClassVar[list[Field]] = [
        TextField("credentials_profile_name", "AWS profile (optional)"),
        TextField("region_name", "Region (optional)"),
    ]
    langchain_class = "langchain_aws:ChatBedrockConverse"
    vendor_variables = (
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    )
    proxies = ("HTTPS_PROXY", "HTTP_PROXY")

    def __init__(self, **kwargs: Any) -> None:
        model_id = str(kwargs.get("model_id", ""))
        if model_id.startswith("arn:") and not kwargs.get("provider"):
            kwargs["provider"] = _vendor_of_arn(model_id)
        try:
            super().__init__(**kwargs)
        except Exception as error:
            if "specify a region" not in str(error):
                raise
            reason = "no region is set. The operator must set `AWS_REGION`"
            raise ModelFailedError(f"bedrock:{model_id}", f"{reason}.") from None


def _vendor_of_arn(arn: str) -> str:
    """Return whose model an ARN of Bedrock names, such as ``anthropic``.

    Raises :class:`ModelFailedError` where only AWS knows: an application's inference profile, and
    models that are provisioned, imported or fine-tuned.
    """
    # arn:aws:bedrock:<region>:<account>:<kind>/<model or profile>[/<id>]
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    if kind == "inference-profile":
        name = name.partition(".")[2]  # without where in the world it runs
    vendor, dot, _ = name.partition("/")[0].partition(".")
    if dot:
        return vendor
    example = f'c.AiExtension.model_parameters = {{"bedrock:{arn}": {{"provider": "anthropic"}}}}'
    raise ModelFailedError(
        f"bedrock:{arn}",
        "this ARN does not say whose model it is. The operator must name the vendor, as the ids of "
        f"models do before the dot, for example: `{example}`.",
    )


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
    vendor_variables = (
        "OLLAMA_HOST",
        "OLLAMA_API_KEY",
    )


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
    vendor_variables = (
        "HF_ENDPOINT",
        "HF_INFERENCE_ENDPOINT",
    )

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
    vendor_variables = (
        "GROQ_API_BASE",
        "GROQ_BASE_URL",
        "GROQ_PROXY",
    )


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
    vendor_variables = (
        "OPENROUTER_API_BASE",
        "OPENROUTER_APP_URL",
        "OPENROUTER_APP_TITLE",
    )
