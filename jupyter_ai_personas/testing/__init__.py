"""Tests of personas without a server, a browser, an account or an API key.

One turn::

    async def test_it_greets(ask_persona) -> None:
        [reply] = await ask_persona(Acme, "hello", model_replies=["Hi there!"])
        assert reply.body == "Hi there!"

A conversation of several people with several personas::

    async def test_it_remembers(persona_conversation) -> None:
        async with persona_conversation(Acme, model_replies=["Noted.", "Blue."]) as chat:
            await chat.ask("my colour is blue", by="Ada")
            [reply] = await chat.ask("@Acme which colour?", by="Bob")
            assert "Ada: my colour is blue" in str(chat.model.prompts[-1])

The persona runs as in a server, with the same runtime, turns and replies. Only the chat, the model
and the host are in memory. The fixtures come with the package and need only pytest. :func:`ask`
and :func:`converse` are the same as functions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_ai_personas.testing.conversation import Conversation, ask, converse
    from jupyter_ai_personas.testing.fakes import FakeChat, FakeEntryPoint, make_runtime
    from jupyter_ai_personas.testing.models import FakeModel, FakeModels, tool_calls
    from jupyter_ai_personas.testing.openai_server import Answer, Call, OpenAIServer
    from jupyter_ai_personas.testing.personas import PersonaContract
    from jupyter_ai_personas.testing.providers import (
        AnsweringProviderContract,
        ProviderContract,
    )
    from jupyter_ai_personas.testing.recording import Recording, Replay, record, replay
    from jupyter_ai_personas.testing.toolsets import ToolsetContract
    from jupyter_ai_personas.testing.virtual_time import in_virtual_time

_MODULES = {
    "Answer": "openai_server",
    "AnsweringProviderContract": "providers",
    "Call": "openai_server",
    "Conversation": "conversation",
    "FakeChat": "fakes",
    "FakeEntryPoint": "fakes",
    "FakeModel": "models",
    "FakeModels": "models",
    "OpenAIServer": "openai_server",
    "PersonaContract": "personas",
    "ProviderContract": "providers",
    "Recording": "recording",
    "Replay": "recording",
    "ToolsetContract": "toolsets",
    "ask": "conversation",
    "converse": "conversation",
    "in_virtual_time": "virtual_time",
    "make_runtime": "fakes",
    "record": "recording",
    "replay": "recording",
    "tool_calls": "models",
}

__all__ = [
    "Answer",
    "AnsweringProviderContract",
    "Call",
    "Conversation",
    "FakeChat",
    "FakeEntryPoint",
    "FakeModel",
    "FakeModels",
    "OpenAIServer",
    "PersonaContract",
    "ProviderContract",
    "Recording",
    "Replay",
    "ToolsetContract",
    "ask",
    "converse",
    "in_virtual_time",
    "make_runtime",
    "record",
    "replay",
    "tool_calls",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
