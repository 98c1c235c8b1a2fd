"""A conversation of people with personas, for authors' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio.lowlevel

from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.personas import Persona, persona_id
from jupyter_ai_personas.routing import find_mentions
from jupyter_ai_personas.runtime import Runtime, RuntimeSettings, Session
from jupyter_ai_personas.runtime.executors import Toolbox
from jupyter_ai_personas.testing.fakes import FakeChat, make_runtime
from jupyter_ai_personas.testing.models import FakeModel, FakeModels

__all__ = ["Conversation", "ask", "converse"]


@dataclass(frozen=True)
class Conversation:
    """A chat with personas; :func:`converse` creates one.

    ``chat`` is the document, ``model`` the personas' model, ``runtime`` their runtime.
    """

    chat: FakeChat
    model: Any
    runtime: Runtime
    session: Session

    @property
    def persona(self) -> Persona:
        """The first persona."""
        return next(iter(self.runtime.personas.values()))

    async def ask(
        self, body: str, *, by: str = "Ada", attachments: Iterable[Attachment] = ()
    ) -> list[Message]:
        """Post ``body`` as the person ``by`` and return the personas' replies to it.

        A message without a mention that is no command goes to the first persona. Replies of
        personas to each other are in ``chat.messages``.
        """
        named = find_mentions(body, self.runtime.personas.names) or body.startswith("/")
        message_id = self.chat.post(
            body,
            sender=self.chat.person(by),
            mentions=() if named else (self.persona.id,),
            attachments=attachments,
        )
        await self.quiet()
        return [m for m in self.chat.messages if m.reply_to == message_id]

    async def quiet(self) -> None:
        """Wait until no turn runs or waits and all messages have been processed."""
        while not self.session.is_idle:
            turn = next(iter(self.session.turns.values()), None)
            if turn is not None:
                await turn.ended.wait()
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def converse(
    *personas: type,
    model_replies: Sequence[Any] = (),
    model: Any = None,
    config: Mapping[str, Any] | None = None,
    settings: RuntimeSettings | None = None,
    tools: Toolbox | None = None,
    **options: Any,
) -> AsyncIterator[Conversation]:
    """Open a chat with ``personas`` in it, all on the current event loop.

    ``model_replies`` are what the model says, one a call (see :class:`FakeModel`); ``model`` is a
    model of your own instead; ``config`` is what the personas get as ``self.config``.
    ``tools`` are those of the server, such as a :class:`~jupyter_ai_personas.tools.ToolRegistry`
    (default: none); ``options`` are those of :func:`make_runtime`.
    """
    model = model or FakeModel(model_replies)
    models = FakeModels(model)
    ids = [persona_id(cls) for cls in personas]
    settings = replace(
        settings or RuntimeSettings(),
        # Each persona gets the fake model instead of the model that it names.
        models=dict.fromkeys(ids, f"{model.id}:{model.model_id}"),
        persona_config=dict.fromkeys(ids, config or {}),
    )
    async with make_runtime(
        personas, models=models, settings=settings, tools=tools, **options
    ) as runtime:
        chat = FakeChat()
        session = runtime.open_chat(chat)
        await session.ready.wait()
        yield Conversation(chat, model, runtime, session)


async def ask(
    persona: type, body: str, *, model_replies: Sequence[Any] = (), **options: Any
) -> list[Message]:
    """Let a persona answer one message and return its replies.

    ``options`` are those of :func:`converse` and, ``by`` and ``attachments``, of
    :meth:`Conversation.ask`. An error in the persona's code is a reply with the state ``failed``,
    as in a server; the traceback is in the log.
    """
    said = {key: options.pop(key) for key in ("by", "attachments") if key in options}
    async with converse(persona, model_replies=model_replies, **options) as conversation:
        return await conversation.ask(body, **said)
