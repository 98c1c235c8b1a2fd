"""The common part of the providers of ``langchain-openai``: OpenAI, Azure, and endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .vendor import VendorProvider

__all__ = ["OpenAIProtocolProvider"]


class OpenAIProtocolProvider(VendorProvider):
    """Speaks the OpenAI protocol, and understands servers that speak a dialect of it."""

    pypi_package_deps: ClassVar[list[str]] = ["langchain-openai"]
    langchain_class = "langchain_openai:ChatOpenAI"

    def __init__(self, **kwargs: Any) -> None:
        # LangChain requests the usage only if no HTTP client was passed, and an older one's
        # class for Azure cannot.
        if "stream_usage" in type(self).model_fields:
            kwargs.setdefault("stream_usage", True)
        super().__init__(**kwargs)

    def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *more: Any) -> Any:
        """Read the first choice only, keep the reasoning, and raise errors.

        ``ChatOpenAI`` reads whichever choice comes, and drops the reasoning. An older
        ``langchain-openai`` does not call this method.
        """
        if chunk.get("object") == "error" or (chunk.get("detail") and not chunk.get("choices")):
            raise ValueError(str(chunk))  # vLLM; FastAPI
        first = [c for c in chunk.get("choices") or () if not c.get("index")]
        vendor: Any = super()
        generation = vendor._convert_chunk_to_generation_chunk({**chunk, "choices": first}, *more)
        for choice in first:
            delta: Mapping[str, Any] = choice.get("delta") or {}
            reasoning = delta.get("reasoning_content") or delta.get("reasoning")
            if reasoning and generation is not None:
                generation.message.additional_kwargs["reasoning_content"] = reasoning
        return generation
