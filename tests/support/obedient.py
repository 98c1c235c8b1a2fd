"""A model that obeys whatever it reads, from wherever, as the worst one would."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage
from pydantic import PrivateAttr

from jupyter_ai_personas.testing import FakeModel, tool_calls


class Obedient(FakeModel):
    """Calls each tool that ``OBEY name`` names in what it reads, once; given to it or not.

    ``arguments`` are those of tools by the names that a model sees.
    """

    _arguments: Mapping[str, Mapping[str, Any]] = PrivateAttr(default_factory=dict)

    def __init__(self, arguments: Mapping[str, Mapping[str, Any]] | None = None, **options: Any):
        super().__init__(**options)
        self._arguments = arguments or {}

    def _next_reply(self, messages: list[BaseMessage], tools: Sequence[Any]) -> list[Any]:
        super()._next_reply(messages, tools)
        called = {m.name for m in messages if isinstance(m, ToolMessage)}
        read = f"{messages} {tools}"
        wanted = [n for n in dict.fromkeys(re.findall(r"OBEY (\w+)", read)) if n not in called]
        calls = [(name, dict(self._arguments.get(name, {}))) for name in wanted[:1]]
        return tool_calls(*calls) if calls else ["I give up."]
