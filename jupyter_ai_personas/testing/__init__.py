"""For authors: try a persona without a server, a browser, an account or an API key.

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

The persona runs as it does in a server: the same runtime, the same turns and replies; only the
chat, the model and the host are in memory. The fixtures come with the package, and pytest alone
runs these tests. :func:`ask` and :func:`converse` are the same as functions, for who runs
coroutines in another way.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_ai_personas.testing.conversation import Conversation as Conversation
    from jupyter_ai_personas.testing.conversation import ask as ask
    from jupyter_ai_personas.testing.conversation import converse as converse
    from jupyter_ai_personas.testing.fakes import FakeChat as FakeChat
    from jupyter_ai_personas.testing.fakes import FakeEntryPoint as FakeEntryPoint
    from jupyter_ai_personas.testing.fakes import make_runtime as make_runtime
    from jupyter_ai_personas.testing.models import FakeModel as FakeModel
    from jupyter_ai_personas.testing.models import FakeModels as FakeModels
    from jupyter_ai_personas.testing.models import tool_calls as tool_calls
    from jupyter_ai_personas.testing.openai_server import Answer as Answer
    from jupyter_ai_personas.testing.openai_server import Call as Call
    from jupyter_ai_personas.testing.openai_server import OpenAIServer as OpenAIServer
    from jupyter_ai_personas.testing.providers import (
        AnsweringProviderContract as AnsweringProviderContract,
    )
    from jupyter_ai_personas.testing.providers import ProviderContract as ProviderContract

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
    "ProviderContract": "providers",
    "ask": "conversation",
    "converse": "conversation",
    "make_runtime": "fakes",
    "tool_calls": "models",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
