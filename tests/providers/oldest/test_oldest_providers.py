"""The published providers of Jupyter AI v2, on the oldest LangChain that works.

Collected only where `jupyter_ai_magics` is installed; see `requirements.txt` beside this file.
"""

from __future__ import annotations

import logging
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import anyio.to_thread
import importlib_metadata
import pytest
from langchain_core.messages import HumanMessage
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.errors import RefusedCredentialsError
from jupyter_ai_personas.providers import ModelCache, ModelRegistry, ProviderSettings
from jupyter_ai_personas.testing.openai_server import OpenAIServer

KEY = "loopback-secret-0123456789"
HELLO = "Hello from the loopback model."
MISSING = {
    "amazon-bedrock": "langchain_aws",
    "amazon-bedrock-chat": "langchain_aws",
    "amazon-bedrock-custom": "langchain_aws",
    "anthropic-chat": "langchain_anthropic",
    "cohere": "langchain_cohere",
    "gemini": "langchain_google_genai",
    "mistralai": "langchain_mistralai",
    "nvidia-chat": "langchain_nvidia_ai_endpoints",
    "ollama": "langchain_ollama",
    "sagemaker-endpoint": "langchain_aws",
    "vertexai": "langchain_google_vertexai",
}
FOUND = {
    "ai21": "pip install ai21",
    "azure-chat-openai": "set AZURE_OPENAI_API_KEY",
    "gpt4all": "pip install gpt4all",
    "huggingface_hub": "pip install huggingface_hub ipywidgets",
    "jupyter_ai_magics/openai": "set OPENAI_API_KEY",
    "jupyter_ai_magics/openrouter": "set OPENROUTER_API_KEY",
    "openai-chat": "set OPENAI_API_KEY",
    "openai-chat-custom": "set OPENAI_API_KEY",
    "qianfan": "pip install qianfan",
    "togetherai": "pip install together",
}


def load(settings: ProviderSettings | None = None) -> ModelRegistry:
    registry = ModelRegistry(settings or ProviderSettings(), log=logging.getLogger("AiExtension"))
    registry.load()
    return registry


def test_this_is_the_old_end_of_the_supported_range() -> None:
    assert metadata.version("jupyter_ai_magics") == "2.31.7"
    requirement = next(
        r for r in metadata.requires("jupyter_ai_personas") or () if "langchain-core" in r
    )
    assert f">={metadata.version('langchain-core')}" in requirement


def test_all_21_providers_are_discovered_and_those_without_their_package_name_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        loaded = load()
    group = importlib_metadata.entry_points(group="jupyter_ai.model_providers")
    theirs = [point for point in group if point.dist and point.dist.name == "jupyter_ai_magics"]
    assert len(theirs) == len(MISSING) + len(FOUND) == 21
    assert {broken.name for broken in loaded.broken} == set(MISSING)
    for broken in loaded.broken:
        assert f"Install the package that provides `{MISSING[broken.name]}`" in broken.fix
        assert MISSING[broken.name] in caplog.text
    infos = {info.id: info for info in loaded.infos()}
    assert {provider_id: infos[provider_id].problem for provider_id in FOUND} == FOUND
    for provider_id in FOUND:
        assert f"Registered model provider `{provider_id}`." in caplog.text


def test_what_serves_the_chat_is_told_from_what_serves_the_magics_only() -> None:
    chat = {info.id for info in load().infos() if info.chat} & set(FOUND)
    assert chat == {
        "azure-chat-openai",
        "jupyter_ai_magics/openrouter",
        "openai-chat",
        "openai-chat-custom",
        "qianfan",
    }


@pytest.fixture
def cache(loopback: OpenAIServer) -> ModelCache:
    settings = ProviderSettings(
        credentials={"OPENAI_API_KEY": KEY},
        model_parameters={"openai-chat-custom": {"openai_api_base": loopback.url}},
    )
    return ModelCache(load(settings))


async def test_an_unchanged_v2_provider_streams(cache: ModelCache, text_of: Any) -> None:
    stream = cache.stream("openai-chat-custom:anything", [HumanMessage("why?")])
    assert await text_of(stream) == HELLO
    await cache.aclose()


async def test_an_unchanged_v2_provider_says_that_its_key_is_refused(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.key = "another"
    with pytest.raises(RefusedCredentialsError, match="`OPENAI_API_KEY`"):
        await anext(cache.stream("openai-chat-custom:m", [HumanMessage("why?")]))
    await cache.aclose()


async def test_v2_models_have_clients_of_their_own(cache: ModelCache) -> None:
    models = [
        cache.get("openai-chat-custom:m"),
        ModelCache(cache.registry).get("openai-chat:gpt-4"),
    ]
    assert models[0].http_async_client is not models[1].http_async_client


@pytest.mark.server
async def test_a_v2_provider_answers_a_mention_in_a_chat(
    tmp_path: Path, loopback: OpenAIServer
) -> None:
    reference = "openai-chat-custom:anything"
    async with JupyterServer(
        tmp_path,
        env={"OPENAI_API_KEY": KEY},
        config={
            "AiExtension.default_model": reference,
            "AiExtension.model_parameters": {
                "openai-chat-custom": {"openai_api_base": loopback.url}
            },
        },
    ) as server:
        (server.root_dir / "old.chat").touch()
        async with ChatClient(server, "old.chat") as client:
            await server.wait_for_log(
                re.compile(r"AiExtension\] Registered model provider `openai-chat-custom`\.")
            )
            asked = client.post("@Guide why?")
            reply = await client.wait_for_reply(asked)
    assert reply["body"] == HELLO
    await anyio.to_thread.run_sync(loopback.wait_for_requests)
    assert loopback.requests[0].json["model"] == "anything"
