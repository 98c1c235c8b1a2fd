"""The provider that works without any key, account or network, and is honest about it."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import anyio
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from ..base import BaseProvider
from ..chunks import content_text

__all__ = ["KeylessProvider"]

_NO_MODEL = (
    "There is no language model behind this answer: none is configured here, so I can only repeat "
    "what was asked. For real answers, install a provider's package (such as `langchain-openai`) "
    "and set its key (`OPENAI_API_KEY`) before Jupyter starts. What each provider needs is listed "
    "by `/models` in a chat, and by `%ai list` in a notebook. `/model @Name provider:model` in a "
    "chat, and `%%ai provider:model` in a notebook, choose a model."
)
_CODE = (
    "I cannot write code, but this is how a code block looks here:\n\n"
    '```python\ngreeting = "Hello from the chat"\nprint(greeting)\n```'
)
_ASKS_FOR_CODE = re.compile(r"code|python|function|script|snippet|program|plot", re.IGNORECASE)
_MOST_REPEATED = 240  # characters


class KeylessProvider(BaseProvider, BaseChatModel):
    """No language model: says so, says how to get one, and repeats the question, word by word.

    ``delay`` is the time in seconds between two words, so that streaming can be seen.
    """

    id = "keyless"
    name = "Keyless"
    models: ClassVar[list[str]] = ["repeat"]
    help = "Needs no key and no network: repeats the question, to try out the chat."
    manages_history = True  # It reads the question alone.

    delay: float = 0.015

    @property
    def _llm_type(self) -> str:
        return "keyless"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessage(content="".join(_words(messages)))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for word in _words(messages):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
            time.sleep(self.delay)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in _words(messages):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
            await anyio.sleep(self.delay)


def _words(messages: list[BaseMessage]) -> list[str]:
    """Cut the answer to ``messages`` into words, each with the white space after it."""
    question = _question(messages)
    # Without its signs: a repeated `@Name` must not address anybody.
    repeated = question.replace("@", "")
    if len(repeated) > _MOST_REPEATED:
        repeated = repeated[:_MOST_REPEATED].rstrip() + "…"
    parts = [_NO_MODEL]
    if repeated:
        parts.append(f"> {repeated}")
    if _ASKS_FOR_CODE.search(question):
        parts.append(_CODE)
    return re.findall(r"\S+\s*", "\n\n".join(parts))


def _question(messages: list[BaseMessage]) -> str:
    for message in reversed(messages):
        if message.type == "human":
            return " ".join(content_text(message.content).split())
    return ""
