"""The chunks that a persona streams, and their text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Any

__all__ = ["chunk_text", "each_chunk"]


def each_chunk(chunks: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    """Return an iterator of the chunks; a string is one chunk.

    Raises:
        TypeError: ``chunks`` is neither a string nor an (async) iterable.
    """
    if isinstance(chunks, AsyncIterable):
        return aiter(chunks)
    if not isinstance(chunks, Iterable):
        raise TypeError(
            f"stream_message takes an (async) iterator of strings, not {type(chunks).__name__}"
        )
    return _each([chunks] if isinstance(chunks, str) else chunks)


async def _each(items: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for item in items:
        yield item


def chunk_text(chunk: Any) -> str:
    """Return the text of a chunk: a string, LangChain's with ``content``, or LiteLLM's.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(chunk, str):
        return chunk
    content = getattr(chunk, "content", None)
    if content is None:
        content = getattr(chunk, "text", None)
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            part if isinstance(part, str) else str(part.get("text") or "")
            for part in content
            if isinstance(part, str) or (isinstance(part, Mapping) and part.get("type") == "text")
        )
    if isinstance(choices := getattr(chunk, "choices", None), list):
        # A chunk of LiteLLM; the last chunk has no text.
        deltas = [getattr(choice, "delta", None) for choice in choices[:1]]
        return "".join(str(getattr(delta, "content", None) or "") for delta in deltas)
    kind = type(chunk).__name__
    raise TypeError(
        f"A chunk must be a string or a model's chunk, not {kind}. Pass on its text, as a string."
    )
