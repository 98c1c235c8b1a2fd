"""Converts a model's stream for a chat: text, reasoning and token usage.

Vendors' LangChain classes put the same things into different places. The shapes read here are those
of LangChain's ``AIMessageChunk`` (its ``content`` as a string or a list of typed blocks, its
``usage_metadata`` and ``tool_call_chunks``) and those that the vendors' packages leave in
``additional_kwargs`` and ``response_metadata``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..text import TextJoiner
from .pieces import ModelChunk, content_text, reply_text
from .thoughts import ThoughtSplitter
from .tool_calling import whole_answer

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
"""Vendors' codes for an answer cut off early, in lower case, with a text for people."""


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
    """Reads the raw chunks of one answer, in order.

    ``thinks_first``: the model is known to begin with reasoning that no tag opens; all is held
    back until one closes it. After the end it tells whether this answer began so. ``has_tools``:
    the model was given tools, and may answer by calling them.
    """

    def __init__(self, *, thinks_first: bool = False, has_tools: bool = False) -> None:
        self.saw_answer = False
        self.calls_tools = False
        self.finish_reason: str | None = None
        self._usage = dict.fromkeys(_USAGE_KEYS, 0)
        self._splitter = ThoughtSplitter(thinks_first=thinks_first)
        self._joiner, self._reasoning_joiner = TextJoiner(), TextJoiner()
        self._tools: dict[str, None] = {}
        self._media: set[str] = set()
        self._has_tools = has_tools
        self._raws: list[Any] = []

    @property
    def thinks_first(self) -> bool:
        """Whether the answer began with reasoning that no tag opened."""
        return self._splitter.thinks_first

    def read(self, raw: Any) -> Iterator[ModelChunk]:
        """Yield what ``raw`` brings: a string of an LLM, or a LangChain message chunk."""
        if isinstance(raw, str):
            yield from self._text(raw)
            return
        if self._has_tools:
            self._raws.append(raw)
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
        if reasoning := self._reasoning_joiner.finish():
            yield ModelChunk(reasoning=reasoning)
        yield from self._finish_text()
        answer = self._whole() if self._tools and self._has_tools else None
        if self._tools and answer is None and not self.saw_answer:
            names = ", ".join(f"`{name}`" for name in self._tools)
            yield from self._text(f"*The model asked to call {names}, which it cannot do here.*")
            yield from self._finish_text()
        cut = _CUT.get((self.finish_reason or "").lower())
        if cut and self.saw_answer:
            yield ModelChunk(text=f"\n\n*The answer ends here: {cut}.*")
        if any(self._usage.values()):
            yield ModelChunk(usage=dict(self._usage))
        if answer is not None:
            yield ModelChunk(answer=answer)

    def _whole(self) -> Any:
        """Return the whole answer, if it calls tools."""
        answer = whole_answer(self._raws)
        self.calls_tools = answer is not None
        return answer

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
        yield from self._finish_text()
        self.saw_answer = True
        text = "" if named else f"\n\n*The model sent {_MEDIA[kind]}, which is not shown.*\n\n"
        yield ModelChunk(text=text, image=image)

    def _text(self, text: str) -> Iterator[ModelChunk]:
        for chunk in self._splitter.feed(self._joiner.feed(text)):
            yield self._seen(chunk)

    def _finish_text(self) -> Iterator[ModelChunk]:
        for chunk in (*self._splitter.feed(self._joiner.finish()), *self._splitter.finish()):
            yield self._seen(chunk)

    def _seen(self, chunk: ModelChunk) -> ModelChunk:
        self.saw_answer = (self.saw_answer and not chunk.anew) or bool(chunk.text.strip())
        return chunk

    def _reasoning(self, value: Any) -> Iterator[ModelChunk]:
        # A string, a block with a `text`, or a list of such blocks.
        parts = value if isinstance(value, list) else [value]
        texts = [part.get("text", "") if isinstance(part, dict) else part for part in parts]
        joined = "".join(text for text in texts if isinstance(text, str))
        if reasoning := self._reasoning_joiner.feed(joined):
            yield ModelChunk(reasoning=reasoning)

    def _note_rest(self, raw: Any) -> None:
        for call in (
            getattr(raw, "tool_call_chunks", None) or getattr(raw, "tool_calls", None) or ()
        ):
            if call.get("name"):
                self._tools[call["name"]] = None
        self._count(getattr(raw, "usage_metadata", None) or {})
        metadata = raw.response_metadata
        for key in ("finish_reason", "stop_reason", "stopReason", "done_reason"):
            if metadata.get(key):
                self.finish_reason = str(metadata[key])
        # OpenAI's newer protocol, which some of its models want, has a place of its own for it.
        if cut := (metadata.get("incomplete_details") or {}).get("reason"):
            self.finish_reason = str(cut)

    def _count(self, usage: Mapping[str, Any]) -> None:
        # Input is read once: a repeated count is the whole usage so far, not more.
        is_total = bool(usage.get("input_tokens") and self._usage["input_tokens"])
        for key in _USAGE_KEYS:
            count = usage.get(key) or 0
            self._usage[key] = (
                max(self._usage[key], count) if is_total else self._usage[key] + count
            )
