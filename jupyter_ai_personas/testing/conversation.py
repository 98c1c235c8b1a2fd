"""A conversation of people with personas, for authors' tests."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import anyio.lowlevel

from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.personas import Persona, persona_id
from jupyter_ai_personas.routing import find_mentions
from jupyter_ai_personas.runtime import Approval, Decision, Runtime, RuntimeSettings, Session
from jupyter_ai_personas.testing.fakes import FakeChat, FakeEntryPoint, make_runtime
from jupyter_ai_personas.testing.models import FakeModel, FakeModels
from jupyter_ai_personas.tools import PackageToolsets, ToolRegistry
from jupyter_ai_personas.tools.settings import ToolSettings

__all__ = ["Conversation", "ask", "converse"]

_OWN = "jupyter_ai_personas"


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

    def post(self, body: str, *, by: str = "Ada", attachments: Iterable[Attachment] = ()) -> str:
        """Post ``body`` as the person ``by`` without waiting; return the message's id.

        A message without a mention that is no command goes to the first persona.
        """
        named = find_mentions(body, self.runtime.personas.names) or body.startswith("/")
        return self.chat.post(
            body,
            sender=self.chat.person(by),
            mentions=() if named else (self.persona.id,),
            attachments=attachments,
        )

    async def ask(
        self,
        body: str,
        *,
        by: str = "Ada",
        attachments: Iterable[Attachment] = (),
        approve: bool | None = None,
    ) -> list[Message]:
        """Post ``body`` as :meth:`post` does and return the personas' replies to it.

        ``approve`` decides what the personas ask meanwhile: yes or no. Replies of personas to each
        other are in ``chat.messages``.

        Raises:
            AssertionError: a persona asks for an approval, and ``approve`` is not given.
        """
        message_id = self.post(body, by=by, attachments=attachments)
        await self._settle(approve, by=by)
        return self.replies(message_id)

    def replies(self, message_id: str) -> list[Message]:
        """Return the personas' replies to a message so far."""
        return [m for m in self.chat.messages if m.reply_to == message_id]

    async def replied(self, message_id: str) -> list[Message]:
        """Wait for replies to a message, all in their final state; return them."""
        return await self.chat.replied(message_id)

    async def quiet(self, *, approve: bool | None = None) -> None:
        """Wait until no turn runs or waits and all messages have been processed.

        ``approve`` and the error are as in :meth:`ask`.
        """
        await self._settle(approve, by="Ada")

    async def _settle(self, approve: bool | None, *, by: str) -> None:
        while not self.session.is_idle:
            changed = self.chat.changed
            for approval in self.runtime.approvals.open(chat_id=self.chat.id):
                if approve is None:
                    raise AssertionError(
                        f"{approval.persona_name} asks for an approval of `{approval.tool}`. "
                        "Decide it: `ask(…, approve=True)`, or `post(…)`, `await chat.approve()`."
                    )
                await self._decide(approval, "approved" if approve else "denied", by)
            if self.session.turns:
                await changed.wait()
            await anyio.lowlevel.checkpoint()

    # -- approvals --------------------------------------------------------------------------

    async def approval(self) -> Approval:
        """Wait until a persona asks for an approval in the chat, and return the oldest."""

        def asked() -> Approval | None:
            shown = {m.id for m in self.chat.messages if m.is_approval}
            found = self.runtime.approvals.open(chat_id=self.chat.id)
            return next((approval for approval in found if approval.id in shown), None)

        approval = await self.chat.until(asked)
        assert approval is not None
        return approval

    async def approve(self, approval: Approval | None = None, *, by: str = "Ada") -> Approval:
        """Approve a call of a tool, the next that a persona asks for by default; return it."""
        approval = approval or await self.approval()
        await self._decide(approval, "approved", by)
        return approval

    async def deny(
        self, approval: Approval | None = None, *, by: str = "Ada", reason: str = ""
    ) -> Approval:
        """Deny a call of a tool, the next that a persona asks for by default; return it."""
        approval = approval or await self.approval()
        await self._decide(approval, "denied", by, reason)
        return approval

    async def _decide(
        self, approval: Approval, status: Literal["approved", "denied"], by: str, reason: str = ""
    ) -> None:
        decision = Decision(status, self.chat.person(by), by, reason)
        await self.runtime.approvals.decide(approval.id, decision, proven=True)

    async def stop(self, *, by: str = "Ada") -> None:
        """Stop the personas as the person ``by`` does with ``/stop``, and wait until they ended."""
        self.post("/stop", by=by)
        await self.quiet()


@asynccontextmanager
async def converse(
    *personas: type,
    model_replies: Sequence[Any] = (),
    model: Any = None,
    config: Mapping[str, Any] | None = None,
    settings: RuntimeSettings | None = None,
    tools: ToolRegistry | None = None,
    toolsets: Mapping[str, Callable[[], Any]] | None = None,
    tool_policy: Mapping[str, Any] | None = None,
    chat: FakeChat | None = None,
    **options: Any,
) -> AsyncIterator[Conversation]:
    """Open a chat with ``personas`` in it, all on the current event loop.

    ``chat`` may hold messages already: they are history.
    ``model_replies`` are what the model says, one a call (see :class:`FakeModel`); ``model`` is a
    model of your own instead; ``config`` is what the personas get as ``self.config``.
    ``toolsets`` are those of packages, by name, and ``tool_policy`` is the operator's; ``tools``
    are all tools of the server instead (default: none). ``options`` are those of
    :func:`make_runtime`.
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
    if tools is None and toolsets:
        tools = _toolbox(toolsets, tool_policy or {})
    async with make_runtime(
        personas, models=models, settings=settings, tools=tools, **options
    ) as runtime:
        chat = chat if chat is not None else FakeChat()
        session = runtime.open_chat(chat)
        await session.ready.wait()
        yield Conversation(chat, model, runtime, session)


def _toolbox(toolsets: Mapping[str, Callable[[], Any]], policy: Mapping[str, Any]) -> ToolRegistry:
    # As if they were ours: a test may stand in for a built-in toolset.
    points = [FakeEntryPoint(t, name=name, dist=_OWN) for name, t in toolsets.items()]
    packages = PackageToolsets(log=logging.getLogger(__name__), entry_points=points)
    packages.load()
    return ToolRegistry(ToolSettings(tool_policy=policy), packages)


async def ask(
    persona: type, body: str, *, model_replies: Sequence[Any] = (), **options: Any
) -> list[Message]:
    """Let a persona answer one message and return its replies.

    ``options`` are those of :func:`converse` and, ``by``, ``attachments`` and ``approve``, of
    :meth:`Conversation.ask`. An error in the persona's code is a reply with the state ``failed``,
    as in a server; the traceback is in the log.
    """
    said = {key: options.pop(key) for key in ("by", "attachments", "approve") if key in options}
    async with converse(persona, model_replies=model_replies, **options) as conversation:
        return await conversation.ask(body, **said)
