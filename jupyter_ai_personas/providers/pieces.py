"""The pieces of an answer, whichever vendor's, and the text that a reply makes of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ..text import Anew

__all__ = ["ModelChunk", "content_text", "reply_text"]


def content_text(content: str | list[Any]) -> str:
    """Return the text in the content of a LangChain message, a string or a list of blocks."""
    blocks = [content] if isinstance(content, str) else content
    return " ".join(b if isinstance(b, str) else str(b.get("text", "")) for b in blocks)


@dataclass(frozen=True, slots=True)
class ModelChunk:
    """A piece of an answer.

    ``text`` is part of the reply; ``reasoning`` is the model's thinking, which a reply may show.
    ``usage`` comes once, at the end, if the vendor reports it; its keys are ``input_tokens``,
    ``output_tokens`` and ``total_tokens``. ``model`` is the reference of the answering model.
    ``image`` is a picture as a ``data:`` URL; ``text`` then names it. ``note`` is a sentence for
    the person, outside the answer. ``anew`` means that all ``text`` so far was reasoning: it is
    withdrawn and repeated as ``reasoning``. ``answer`` is the whole answer as a LangChain message,
    at the end of an answer that calls tools.
    """

    text: str = ""
    reasoning: str = ""
    usage: Mapping[str, int] | None = None
    model: str = ""
    image: str = ""
    note: str = ""
    anew: bool = False
    answer: Any = None


async def reply_text(
    chunks: AsyncGenerator[ModelChunk, None], *, show_reasoning: bool
) -> AsyncGenerator[str, None]:
    """Turn chunks into the Markdown of a reply, the reasoning collapsed, or left out.

    Notes are paragraphs in italics. A piece that is :class:`~jupyter_ai_personas.text.Anew`
    replaces what came before.
    """
    open_details = False
    notes = ""
    async with aclosing(chunks):
        async for chunk in chunks:
            if chunk.note:
                notes += f"*{chunk.note}*\n\n"
                yield f"*{chunk.note}*\n\n"
            if chunk.anew:
                open_details = False
                yield Anew(notes)
            if chunk.reasoning and show_reasoning:
                if not open_details:
                    yield "<details><summary>Reasoning</summary>\n\n"
                    open_details = True
                yield chunk.reasoning
            if chunk.text:
                if open_details:
                    yield "\n\n</details>\n\n"
                    open_details = False
                yield chunk.text
    if open_details:
        yield "\n\n</details>\n\n"
