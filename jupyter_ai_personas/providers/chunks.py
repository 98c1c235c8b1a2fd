"""What a model streams, made fit for a chat: text, reasoning beside it, and token usage.

Vendors' LangChain classes put the same things into different places. The shapes read here are those
of LangChain's ``AIMessageChunk`` (its ``content`` as a string or a list of typed blocks, its
``usage_metadata`` and ``tool_call_chunks``) and those that the vendors' packages leave in
``additional_kwargs`` and ``response_metadata``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

__all__ = ["ChunkReader", "ModelChunk", "content_text", "reply_text"]

_USAGE_KEYS = ("input_tokens", "output_tokens", "total_tokens")
_MEDIA = {
    "audio": "a sound",
    "file": "a file",
    "image": "an image",
    "image_generation_call": "an image",
    "image_url": "an image",
    "media": "a file",
    "video": "a video",
}
_CUT = {
    **dict.fromkeys(
        ("length", "max_output_tokens", "max_tokens"),
        "the model's limit of output tokens is reached",
    ),
    **dict.fromkeys(
        ("model_context_window_exceeded", "model_length"),
        "the conversation is longer than the model can read",
    ),
    **dict.fromkeys(
        (
            "blocklist",
            "content_filter",
            "content_filtered",
            "guardrail_intervened",
            "prohibited_content",
            "recitation",
            "refusal",
            "safety",
        ),
        "the provider's content filter stopped it",
    ),
}
"""What vendors call the reason for which they end an answer early, in lower case, and in words."""

_THINK, _END_THINK = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class ModelChunk:
    """A piece of an answer.

    ``text`` belongs into the reply; ``reasoning`` is what the model thought before, which a reply
    may show. ``usage`` comes once, at the end, with the keys ``input_tokens``, ``output_tokens``
    and ``total_tokens``, where the vendor tells. ``model`` is the reference of who answers.
    ``image`` is a picture as a ``data:`` URL, for who can show one; ``text`` names it then.
    """

    text: str = ""
    reasoning: str = ""
    usage: Mapping[str, int] | None = None
    model: str = ""
    image: str = ""


async def reply_text(
    chunks: AsyncGenerator[ModelChunk, None], *, show_reasoning: bool
) -> AsyncGenerator[str, None]:
    """Turn chunks into the Markdown of a reply, the reasoning collapsed, or left out."""
    open_details = False
    async with aclosing(chunks):
        async for chunk in chunks:
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


def content_text(content: str | list[Any]) -> str:
    """Return the text in the content of a LangChain message, a string or a list of blocks."""
    blocks = [content] if isinstance(content, str) else content
    return " ".join(b if isinstance(b, str) else str(b.get("text", "")) for b in blocks)


def _data_url(block: Mapping[str, Any]) -> str:
    """Return the picture in a block as a ``data:`` URL; empty if it is elsewhere or is none."""
    url = block.get("image_url")
    url = url.get("url") if isinstance(url, Mapping) else url
    if isinstance(url, str) and url.startswith("data:image/"):
        return url
    # LangChain's own blocks, and OpenAI's tool that makes pictures.
    data = block.get("base64") or block.get("data") or block.get("result")
    mime = block.get("mime_type") or "image/png"
    if not isinstance(data, str) or not str(mime).startswith("image/"):
        return ""
    return f"data:{mime};base64,{data}"


class ChunkReader:
    """Reads the raw chunks of one answer, in order."""

    def __init__(self) -> None:
        self.saw_answer = False
        self.finish_reason: str | None = None
        self._usage = dict.fromkeys(_USAGE_KEYS, 0)
        self._splitter = _ThinkSplitter()
        self._tools: dict[str, None] = {}
        self._media: set[str] = set()

    def read(self, raw: Any) -> Iterator[ModelChunk]:
        """Yield what ``raw`` brings: a string of an LLM, or a LangChain message chunk."""
        if isinstance(raw, str):
            yield from self._text(raw)
            return
        extra = raw.additional_kwargs
        if reasoning := extra.get("reasoning_content") or extra.get("reasoning"):
            yield from self._reasoning(reasoning)
        blocks = raw.content if isinstance(raw.content, list) else [raw.content]
        for block in blocks:
            yield from self._block(block)
        if refusal := extra.get("refusal"):
            yield from self._text(str(refusal))
        self._note_rest(raw)

    def finish(self) -> Iterator[ModelChunk]:
        """Yield what remains at the end: held-back text, notes to the person, the usage."""
        for chunk in self._splitter.finish():
            yield from self._visible(chunk)
        if self._tools and not self.saw_answer:
            names = ", ".join(f"`{name}`" for name in self._tools)
            yield from self._text(f"*The model asked to call {names}, which it cannot do here.*")
        cut = _CUT.get((self.finish_reason or "").lower())
        if cut and self.saw_answer:
            yield ModelChunk(text=f"\n\n*The answer ends here: {cut}.*")
        if any(self._usage.values()):
            yield ModelChunk(usage=dict(self._usage))

    @property
    def why_empty(self) -> str:
        """Why there is no answer, as the vendor tells it."""
        reason = self.finish_reason
        return _CUT.get((reason or "").lower()) or "it sent an empty answer"

    def _block(self, block: Any) -> Iterator[ModelChunk]:
        if isinstance(block, str):
            yield from self._text(block)
            return
        kind = block.get("type")
        if kind == "text":
            yield from self._text(block.get("text") or "")
        elif kind == "refusal":
            yield from self._text(block.get("refusal") or "")
        elif kind in ("thinking", "reasoning", "reasoning_content"):
            yield from self._reasoning(block.get(kind) or block.get("summary"))
        elif kind in _MEDIA:
            yield from self._medium(kind, block)

    def _medium(self, kind: str, block: Mapping[str, Any]) -> Iterator[ModelChunk]:
        image = _data_url(block)
        named = kind in self._media
        if named and not image:
            return
        self._media.add(kind)
        yield from self._splitter.finish()
        self.saw_answer = True
        text = "" if named else f"\n\n*The model sent {_MEDIA[kind]}, which is not shown.*\n\n"
        yield ModelChunk(text=text, image=image)

    def _text(self, text: str) -> Iterator[ModelChunk]:
        for chunk in self._splitter.feed(text):
            yield from self._visible(chunk)

    def _visible(self, chunk: ModelChunk) -> Iterator[ModelChunk]:
        self.saw_answer = self.saw_answer or bool(chunk.text.strip())
        yield chunk

    def _reasoning(self, value: Any) -> Iterator[ModelChunk]:
        # A string, a block with a `text`, or a list of such blocks.
        parts = value if isinstance(value, list) else [value]
        texts = [part.get("text", "") if isinstance(part, dict) else part for part in parts]
        if reasoning := "".join(text for text in texts if isinstance(text, str)):
            yield ModelChunk(reasoning=reasoning)

    def _note_rest(self, raw: Any) -> None:
        for call in (
            getattr(raw, "tool_call_chunks", None) or getattr(raw, "tool_calls", None) or ()
        ):
            if call.get("name"):
                self._tools[call["name"]] = None
        usage = getattr(raw, "usage_metadata", None) or {}
        for key in _USAGE_KEYS:
            self._usage[key] += usage.get(key) or 0
        metadata = raw.response_metadata
        for key in ("finish_reason", "stop_reason", "stopReason", "done_reason"):
            if metadata.get(key):
                self.finish_reason = str(metadata[key])
        # OpenAI's newer protocol, which some of its models want, has a place of its own for it.
        if cut := (metadata.get("incomplete_details") or {}).get("reason"):
            self.finish_reason = str(cut)


class _ThinkSplitter:
    """Takes a leading ``<think>…</think>`` out of a text that comes in pieces.

    Reasoning models behind plain endpoints write their reasoning so.
    """

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"

    def feed(self, text: str) -> Iterator[ModelChunk]:
        if self._state == "text":
            if text:
                yield ModelChunk(text=text)
            return
        self._held += text
        if self._state == "start":
            beginning = self._held.lstrip()
            if beginning.startswith(_THINK):
                self._state, self._held = "think", beginning.removeprefix(_THINK).lstrip("\n")
            elif not _THINK.startswith(beginning):
                self._state = "text"
                yield from self._release(text=True)
        if self._state == "think":
            yield from self._think()
        if self._state == "gap" and (rest := self._held.lstrip()):
            self._state, self._held = "text", rest
            yield from self._release(text=True)

    def _think(self) -> Iterator[ModelChunk]:
        reasoning, end, rest = self._held.partition(_END_THINK)
        if end:
            # The answer's white space at its start is dropped, however it is cut into chunks.
            self._state, self._held = "gap", rest
            if reasoning:
                yield ModelChunk(reasoning=reasoning)
        else:
            keep = next(
                n for n in range(len(_END_THINK) - 1, -1, -1) if reasoning.endswith(_END_THINK[:n])
            )
            self._held = reasoning[len(reasoning) - keep :]
            if reasoning[: len(reasoning) - keep]:
                yield ModelChunk(reasoning=reasoning[: len(reasoning) - keep])

    def _release(self, *, text: bool) -> Iterator[ModelChunk]:
        held, self._held = self._held, ""
        if held:
            yield ModelChunk(text=held) if text else ModelChunk(reasoning=held)

    def finish(self) -> Iterator[ModelChunk]:
        if self._state != "gap":
            yield from self._release(text=self._state != "think")
