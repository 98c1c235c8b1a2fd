"""The contract of personas, as a test class for authors to inherit.

For example::

    class TestReviewer(PersonaContract):
        persona = Reviewer

The persona runs as in a server, with the chat and the model in memory. ``message`` is the question,
``model_replies`` are the model's answers; ``toolsets`` and ``config`` are passed to the persona.
Approvals that it asks for are given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import anyio
import pytest

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.messages import FINAL_STATES
from jupyter_ai_personas.personas import PersonaRegistry
from jupyter_ai_personas.routing import find_mentions
from jupyter_ai_personas.testing.conversation import Conversation, converse
from jupyter_ai_personas.testing.fakes import WAIT, FakeEntryPoint
from jupyter_ai_personas.testing.models import FakeModel

__all__ = ["PersonaContract"]


class PersonaContract:
    """A persona is described, answers, fails in words, stops, and answers again."""

    persona: ClassVar[Any]
    message: ClassVar[str] = "Hello?"
    model_replies: ClassVar[Sequence[Any]] = ()
    toolsets: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    config: ClassVar[Mapping[str, Any]] = {}

    def open(self, model: FakeModel) -> AbstractAsyncContextManager[Conversation]:
        """Open a chat with the persona; override it to give the runtime more."""
        return converse(type(self).persona, model=model, toolsets=self.toolsets, config=self.config)

    def test_it_is_described(self, caplog: pytest.LogCaptureFixture) -> None:
        registry = self._registry()
        warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert not registry.broken, "\n".join(str(problem) for problem in registry.broken)
        (persona,) = registry.values()
        assert persona.description, "Set `description` in its defaults: people see it in `@`."
        assert not warned, "\n".join(warned)
        mention = f"@{persona.mention_name}"
        found = find_mentions(f"{mention} hello", registry.names)
        assert found, f"`{mention}` does not address it: choose another name."

    def test_it_can_be_made(self) -> None:
        registry = self._registry()
        for persona in registry.values():
            problem = registry.try_out(persona)
            assert problem is None, str(problem)

    def test_it_answers_each_message_it_is_asked(self) -> None:
        async def talk(chat: Conversation) -> None:
            for by in ("Ada", "Bob"):
                self._check(await self._ask(chat, by=by), states={"done"})

        self._run(talk, [*self.model_replies] * 2)

    def test_people_who_ask_at_the_same_time_get_their_own_replies(self) -> None:
        async def talk(chat: Conversation) -> None:
            asked = [chat.post(self.message, by=by) for by in ("Ada", "Bob", "Zoë")]
            await chat.quiet(approve=True)
            for message_id in asked:
                self._check(chat.replies(message_id), states={"done"})

        self._run(talk, [*self.model_replies] * 3)

    def test_a_failing_model_ends_in_words(self) -> None:
        async def talk(chat: Conversation) -> None:
            replies = self._check(await self._ask(chat), states={"done", "failed"})
            for reply in replies:
                assert "Traceback" not in reply.body, "People must not see a traceback."
            self._check(await self._ask(chat), states={"done"})

        failure = ConnectionError("The vendor cannot be reached.")
        self._run(talk, [failure, *self.model_replies])

    def test_it_can_be_stopped_and_answers_again(self) -> None:
        async def talk(chat: Conversation) -> None:
            message_id = chat.post(self.message)
            # Either its model holds it, or it answers without one.
            await chat.chat.until(lambda: self._holds(chat) or self._has_ended(chat, message_id))
            await chat.stop()
            self._check(chat.replies(message_id), states={"done", "stopped"}, count=0)
            self._check(await self._ask(chat), states={"done"})

        self._run(talk, [["Well, ", anyio.Event()], *self.model_replies])

    # -- how ----------------------------------------------------------------------------------

    def _registry(self) -> PersonaRegistry:
        point = FakeEntryPoint(type(self).persona)
        registry = PersonaRegistry(log=logging.getLogger(__name__), entry_points=[point])
        registry.load()
        return registry

    def _run(self, talk: Callable[[Conversation], Awaitable[None]], replies: Sequence[Any]) -> None:
        async def run() -> None:
            with anyio.fail_after(WAIT):
                async with self.open(FakeModel(replies)) as chat:
                    await talk(chat)

        asyncio.run(run())

    async def _ask(self, chat: Conversation, *, by: str = "Ada") -> list[Message]:
        return await chat.ask(self.message, by=by, approve=True)

    @staticmethod
    def _holds(chat: Conversation) -> bool:
        return any(message.state == "streaming" for message in chat.chat.messages)

    @staticmethod
    def _has_ended(chat: Conversation, message_id: str) -> bool:
        replies = chat.replies(message_id)
        return bool(replies) and all(reply.state in FINAL_STATES for reply in replies)

    @staticmethod
    def _check(replies: list[Message], *, states: set[str], count: int = 1) -> list[Message]:
        assert len(replies) >= count, "It wrote no reply."
        for reply in replies:
            assert reply.state in states, f"Its reply is {reply.state}: {reply.body}"
        return replies
