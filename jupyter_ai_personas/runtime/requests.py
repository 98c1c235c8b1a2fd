"""Requests of turns: a persona's side asks, a handler on the server's side answers.

A handler is registered by its kind (``attachments.list``) with the runtime. It runs on the
server's event loop as a task of its turn, so it ends when the turn ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.errors import PersonasError, did_you_mean, near_matches
from jupyter_ai_personas.personas.wire import (
    MAX_ANSWER,
    MAX_OPEN_REQUESTS,
    TurnAnswer,
    TurnRequest,
    plain_json,
)

__all__ = ["RequestContext", "RequestHandler", "TurnRequests"]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The origin of a request: turn, persona, chat, and the message that the turn answers.

    ``person`` is the username of the person who started the chain of turns; their rights count.
    ``earlier`` are the attachments of earlier messages in the history, the newest first.
    """

    turn_id: str
    persona_id: str
    persona_name: str
    chat_id: str
    chat_path: str
    message: Message
    attachments: tuple[Attachment, ...]
    person: str
    earlier: tuple[Attachment, ...] = ()


RequestHandler = Callable[[RequestContext, Mapping[str, Any]], Awaitable[Any]]
"""Returns the answer, as JSON. One of our errors refuses the request with its text."""


class TurnRequests:
    """The open requests of one turn; ``answer`` sends an answer down to its host.

    Handlers run in ``group``, which the turn cancels when it ends.
    """

    def __init__(
        self,
        handlers: Mapping[str, RequestHandler],
        context: RequestContext,
        answer: Callable[[TurnAnswer], None],
        group: TaskGroup,
        *,
        log: logging.Logger,
    ) -> None:
        self._handlers = handlers
        self._context = context
        self._answer = answer
        self._group = group
        self._log = log
        self._open: dict[int, anyio.CancelScope] = {}

    def begin(self, request: TurnRequest) -> None:
        """Let the handler of ``request`` answer it."""
        handler = self._handlers.get(request.kind)
        if handler is None:
            hint = did_you_mean(near_matches(request.kind, self._handlers))
            self._refuse(
                request, f"This server does not offer `{request.kind}`, it may be too old.{hint}"
            )
        elif len(self._open) >= MAX_OPEN_REQUESTS or request.id in self._open:
            self._refuse(request, f"{len(self._open)} requests of this turn are open already.")
        else:
            scope = self._open[request.id] = anyio.CancelScope()
            self._group.start_soon(self._handle, handler, request, scope)

    def withdraw(self, request_id: int) -> None:
        """Cancel the handler of a request that was withdrawn."""
        if (scope := self._open.get(request_id)) is not None:
            scope.cancel()

    def _refuse(self, request: TurnRequest, reason: str) -> None:
        self._answer(TurnAnswer(request.id, error=reason))

    async def _handle(
        self, handler: RequestHandler, request: TurnRequest, scope: anyio.CancelScope
    ) -> None:
        try:
            with scope:
                self._answer(await self._answered(handler, request))
        finally:
            del self._open[request.id]

    async def _answered(self, handler: RequestHandler, request: TurnRequest) -> TurnAnswer:
        try:
            value = await handler(self._context, request.arguments)
            # In a thread: an answer may have megabytes.
            value = await asyncio.to_thread(partial(plain_json, value, most=MAX_ANSWER))
            return TurnAnswer(request.id, value)
        except PersonasError as error:
            return TurnAnswer(request.id, error=str(error))
        except Exception:
            error_id = uuid4().hex[:8]
            self._log.exception(
                "Request %s of turn %s failed (error %s)",
                request.kind,
                self._context.turn_id,
                error_id,
            )
            return TurnAnswer(
                request.id,
                error=f"The server failed at `{request.kind}`. If it fails again, tell the "
                f"operator (error `{error_id}` in the server's log).",
            )
