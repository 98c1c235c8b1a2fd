"""A persona of the product's own loop, and a model that calls one tool, for workers to import."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from jupyter_ai_personas import BasePersona, BaseProvider, PersonaDefaults
from support.worker_personas import mark, marks


class Scripted(BaseProvider, BaseChatModel):
    """Calls the tool that the message names, then answers, or holds once if it is told to.

    ``call TOOL {ARGUMENTS} [hold FOLDER]``: who holds writes its process id to a file ``holds-PID``
    there, and ``ended-PID`` when it is ended.
    """

    id = "scripted"
    name = "Scripted"
    models = ["m"]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError("only asynchronously")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = [str(m.content) for m in messages if isinstance(m, HumanMessage)][-1]
        results = [str(m.content) for m in messages if isinstance(m, ToolMessage)]
        if not results:
            named = re.search(r"call (\S+) (\{.*\})", asked)
            assert named is not None
            name = named[1].replace(".", "__")
            call = {"name": name, "args": json.loads(named[2]), "id": "1"}
            return _answer(AIMessage(content="", tool_calls=[call]))
        if (folder := re.search(r"hold (\S+)", asked)) is not None:
            await _hold_once(folder[1])
        return _answer(AIMessage(content=f"It said {results[-1]}"))


def _answer(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


async def _hold_once(folder: str) -> None:
    if marks(folder, "holds"):
        return
    mark(folder, "holds")
    try:
        await asyncio.Event().wait()
    finally:
        mark(folder, "ended")


class Caller(BasePersona):
    """Answers with its model and tools: the product's loop runs it, so it goes on elsewhere."""

    defaults = PersonaDefaults(name="Caller", model="scripted:m", tools=("desk", "notebook"))
