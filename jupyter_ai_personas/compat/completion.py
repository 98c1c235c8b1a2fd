"""Messages of Jupyter AI v2's inline completion, which providers name in their signatures.

Nothing here asks for such completions.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

__all__ = [
    "CompletionError",
    "InlineCompletionItem",
    "InlineCompletionList",
    "InlineCompletionReply",
    "InlineCompletionRequest",
    "InlineCompletionStreamChunk",
]


class InlineCompletionRequest(BaseModel):
    """A request for the text between ``prefix`` and ``suffix``."""

    number: int
    prefix: str
    suffix: str
    mime: str
    stream: bool
    path: str | None = None
    language: str | None = None
    cell_id: str | None = None


class InlineCompletionItem(BaseModel):
    """One suggestion."""

    insertText: str  # noqa: N815
    filterText: str | None = None  # noqa: N815
    isIncomplete: bool | None = None  # noqa: N815
    token: str | None = None


class CompletionError(BaseModel):
    """Why there is no suggestion."""

    type: str
    title: str
    traceback: str


class InlineCompletionList(BaseModel):
    """Suggestions."""

    items: list[InlineCompletionItem]


class InlineCompletionReply(BaseModel):
    """The answer to the request with the number ``reply_to``."""

    list: InlineCompletionList
    reply_to: int
    error: CompletionError | None = None


class InlineCompletionStreamChunk(BaseModel):
    """A part of such an answer."""

    type: Literal["stream"] = "stream"
    response: InlineCompletionItem
    reply_to: int
    done: bool
    error: CompletionError | None = None
