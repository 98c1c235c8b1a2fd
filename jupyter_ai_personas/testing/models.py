"""A model that says what a test tells it to, and a registry that has nothing but such models."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from jupyter_ai_personas.providers import BaseProvider, ModelReference, ModelRegistry
from jupyter_ai_personas.providers.settings import ProviderSettings

__all__ = ["FakeModel", "FakeModels"]


class FakeModel(BaseProvider, BaseChatModel):
    """The model ``fake:model``: gives ``replies``, one a call, then repeats what it is asked.

    A reply is a string, streamed word by word; an exception, raised; or a list of chunks: strings,
    exceptions, ``AIMessageChunk``\\ s, and objects with an asynchronous ``wait()`` (such as
    ``anyio.Event``), which hold the stream until they are set. ``prompts`` holds what it was shown
    in each call, as LangChain messages.
    """

    id = "fake"
    name = "Fake"
    models: ClassVar[list[str]] = ["model"]

    _replies: list[Any] = PrivateAttr(default_factory=list)
    _prompts: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    def __init__(self, replies: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(**{"model_id": "model", **kwargs})
        self._replies = list(replies)

    @property
    def prompts(self) -> list[list[BaseMessage]]:
        """What the model was shown in each call."""
        return self._prompts

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _next_reply(self, messages: list[BaseMessage]) -> list[Any]:
        self._prompts.append(list(messages))
        reply = self._replies.pop(0) if self._replies else f"You said: {messages[-1].text}"
        if isinstance(reply, str):
            return [part for part in reply.replace(" ", " \0").split("\0") if part]
        return list(reply) if isinstance(reply, list | tuple) else [reply]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = ""
        for item in self._next_reply(messages):
            if isinstance(item, BaseException):
                raise item
            text += _chunk(item).text if not hasattr(item, "wait") else ""
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for item in self._next_reply(messages):
            if isinstance(item, BaseException):
                raise item
            if inspect.iscoroutinefunction(getattr(item, "wait", None)):
                await item.wait()
            else:
                yield ChatGenerationChunk(message=_chunk(item))


def _chunk(item: Any) -> AIMessageChunk:
    return item if isinstance(item, AIMessageChunk) else AIMessageChunk(content=item)


class FakeModels(ModelRegistry):
    """A registry of providers' objects, each of which is the only model of its provider.

    The first is the default.
    """

    def __init__(self, *models: Any, settings: ProviderSettings | None = None) -> None:
        first = models[0] if models else FakeModel()
        self.objects = {type(model).id: model for model in (models or (first,))}
        settings = settings or ProviderSettings(default_model=f"{first.id}:{first.model_id}")
        super().__init__(settings, log=logging.getLogger(__name__))

    def load(self) -> None:
        """Register the models' classes; nothing is discovered."""
        with self._lock:
            if not self._loaded:
                for model in self.objects.values():
                    self._register(type(model).id, type(model))
                self._loaded = True

    def build(
        self, reference: ModelReference, *, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the object that was given for the provider."""
        self.check(reference)
        return self.objects[reference.provider_id]
