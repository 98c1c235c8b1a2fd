"""A model with scripted replies, and a registry of such models."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from jupyter_ai_personas.providers import BaseProvider, ModelReference, ModelRegistry
from jupyter_ai_personas.providers.settings import ProviderSettings

__all__ = ["FakeModel", "FakeModels", "tool_calls"]


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

    takes_tools: bool = True
    """Whether it accepts tools."""

    _replies: list[Any] = PrivateAttr(default_factory=list)
    _tools: list[list[str]] = PrivateAttr(default_factory=list)
    _prompts: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    def __init__(self, replies: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(**{"model_id": "model", **kwargs})
        self._replies = list(replies)

    @property
    def prompts(self) -> list[list[BaseMessage]]:
        """The messages of each call."""
        return self._prompts

    @property
    def tools(self) -> list[list[str]]:
        """The names of the tools that the model was given in each call."""
        return self._tools

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """See LangChain's ``BaseChatModel``."""
        if not self.takes_tools:
            raise NotImplementedError
        return self.bind(tools=list(tools), **kwargs)

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _next_reply(self, messages: list[BaseMessage], tools: Sequence[Any]) -> list[Any]:
        self._prompts.append(list(messages))
        self._tools.append([tool["function"]["name"] for tool in tools])
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
        for item in self._next_reply(messages, kwargs.get("tools", ())):
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
        for item in self._next_reply(messages, kwargs.get("tools", ())):
            if isinstance(item, BaseException):
                raise item
            if inspect.iscoroutinefunction(getattr(item, "wait", None)):
                await item.wait()
            else:
                yield ChatGenerationChunk(message=_chunk(item))


def tool_calls(*calls: tuple[str, Mapping[str, Any]], text: str = "") -> list[Any]:
    """Return a reply of :class:`FakeModel` that calls tools: ``("charts__plot", {"bins": 3})``.

    Names are as the model sees them. ``text`` is what it says before.
    """
    parts = [
        tool_call_chunk(name=name, args=json.dumps(dict(given)), id=f"call_{i}", index=i)
        for i, (name, given) in enumerate(calls)
    ]
    chunks = [AIMessageChunk(content="", tool_call_chunks=[part]) for part in parts]
    return [*([text] if text else []), *chunks]


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

    def load(self, *, try_default: bool = True) -> None:
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
