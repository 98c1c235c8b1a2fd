"""The provider that works without any key, account or network, and is honest about it."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar

import anyio
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from ..base import BaseProvider
from ..extracts import extract_of

__all__ = ["WorkspaceProvider"]

_NO_MODEL = (
    "No model is set up here. Install a provider's package (such as `langchain-openai`), set its "
    "key (`OPENAI_API_KEY`), and start Jupyter again. `/models` in a chat and `%ai list` in a "
    "notebook say what each provider needs; `/model @Name provider:model` and "
    "`%%ai provider:model` choose a model. Without one, Guide answers in chats with passages of "
    "your files."
)


class WorkspaceProvider(BaseProvider, BaseChatModel):
    """No language model: says what was found in the workspace, or how to set up a model.

    The question contains the extract (:func:`~jupyter_ai_personas.providers.with_extract`).
    ``delay`` is the time in seconds between two words, so that streaming can be seen.
    """

    id = "workspace"
    name = "Workspace"
    models: ClassVar[list[str]] = ["search"]
    help = "Needs no key and no network: Guide quotes what it finds in the workspace."
    manages_history = True  # It reads what goes with the question alone.

    delay: float = 0.004

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """Return this model, which answers without tools."""
        return self

    @property
    def _llm_type(self) -> str:
        return "workspace"

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
    question = next((message for message in reversed(messages) if message.type == "human"), None)
    extract = extract_of(question) if question is not None else ""
    return re.findall(r"\s*\S+\s*", extract or _NO_MODEL)
