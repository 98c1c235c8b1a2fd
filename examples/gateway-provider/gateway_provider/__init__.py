"""A provider for an in-house HTTP gateway with a protocol of its own.

The gateway takes ``POST /v1/answer`` with ``{"model", "turns": [{"role", "text"}]}`` and answers in
lines of JSON: ``{"text": "…"}``, and ``{"tokens": [given, written]}`` at last. A gateway that
speaks the OpenAI protocol needs no package: see `c.AiExtension.endpoints`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import httpx
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import SecretStr

from jupyter_ai_personas import BaseProvider, EnvAuthStrategy, TextField

__all__ = ["GatewayProvider"]

ROLES = {"human": "person", "ai": "assistant", "system": "instruction"}


class GatewayProvider(BaseProvider, BaseChatModel):
    """The models ``gateway:small`` and ``gateway:large``."""

    id = "gateway"
    name = "Company gateway"
    models: ClassVar[list[str]] = ["small", "large"]
    auth_strategy = EnvAuthStrategy(name="GATEWAY_KEY")
    fields: ClassVar[list[Any]] = [TextField(key="gateway_url", label="Address of the gateway")]

    gateway_url: str = "https://gateway.example"
    gateway_key: SecretStr

    @property
    def _llm_type(self) -> str:
        return "gateway"

    def _request(self, messages: list[BaseMessage]) -> dict[str, Any]:
        turns = [{"role": ROLES.get(m.type, m.type), "text": m.text} for m in messages]
        return {
            "url": f"{self.gateway_url.rstrip('/')}/v1/answer",
            "json": {"model": self.model_id, "turns": turns},
            "headers": {"Authorization": f"Bearer {self.gateway_key.get_secret_value()}"},
            "timeout": httpx.Timeout(10, read=120),
        }

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        with httpx.stream("POST", **self._request(messages)) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                yield _chunk(line)

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", **self._request(messages)) as response,
        ):
            response.raise_for_status()
            async for line in response.aiter_lines():
                yield _chunk(line)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        text = "".join(chunk.text for chunk in self._stream(messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])


def _chunk(line: str) -> ChatGenerationChunk:
    part = json.loads(line)
    usage = None
    if "tokens" in part:
        given, written = part["tokens"]
        usage = {"input_tokens": given, "output_tokens": written, "total_tokens": given + written}
    message = AIMessageChunk(content=part.get("text", ""), usage_metadata=usage)
    return ChatGenerationChunk(message=message)
