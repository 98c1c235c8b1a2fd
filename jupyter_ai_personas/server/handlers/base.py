"""Base class of the handlers: the runtime, bounded JSON input, JSON errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError

from jupyter_ai_personas.errors import (
    ApprovalDecidedError,
    ChatNotOpenError,
    FeedbackError,
    MayNotDecideError,
    PersonasError,
    TurnStateError,
    UnknownApprovalError,
    UnknownPersonaError,
    UnknownReplyError,
    UnknownTurnError,
)
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.text import well_formed_json

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime import Runtime

__all__ = ["BaseHandler"]

NOT_STARTED = (
    "Personas have not started. The operator finds the reason in the server's log, or has to "
    "install jupyter_server 2.16 or newer."
)

START_SECONDS = 30.0
"""Time limit for making the runtime while a request waits."""

LOAD_SECONDS = 30.0
"""Time limit for importing plug-ins while a request waits."""

WORK_SECONDS = 15.0
"""Time limit of a request that asks no persona."""

RETRY_SECONDS = 10
"""When a client may retry after a 503."""

MAX_BODY = 1_000_000


_STATUS: tuple[tuple[tuple[type[PersonasError], ...], int], ...] = (
    (
        (
            UnknownPersonaError,
            ChatNotOpenError,
            UnknownApprovalError,
            UnknownReplyError,
            UnknownTurnError,
        ),
        404,
    ),
    ((ApprovalDecidedError, FeedbackError, TurnStateError), 409),
    ((MayNotDecideError,), 403),
)


class BaseHandler(APIHandler):
    """A handler below ``/api/ai/``; errors are ``{"message": …}`` with a fitting status."""

    auth_resource = "jupyter_ai_personas"

    @property
    def runtime(self) -> Runtime:
        """The runtime of this server; 503 says why there is none."""
        if off := self.settings.get("jupyter_ai_personas_off"):
            raise HTTPError(503, "%s", off)
        if (runtime := self.settings.get("jupyter_ai_personas_runtime")) is None:
            raise HTTPError(503, NOT_STARTED)
        return cast("Runtime", runtime)

    async def prepare(self, **options: Any) -> None:
        """Wait for the start, and refuse a body that is too long for any route, read or not."""
        # Authentication comes first: unauthenticated clients learn nothing else.
        await super().prepare(**options)
        if len(self.request.body) > MAX_BODY and self.current_user:
            raise HTTPError(413, f"The request is longer than {MAX_BODY:,} bytes.")
        if self.current_user and "jupyter_ai_personas_off" not in self.settings:
            self.settings["jupyter_ai_personas_wanted"].set()
            with self.within(START_SECONDS, NOT_STARTED):
                await self.settings["jupyter_ai_personas_started"].wait()

    async def loaded(self) -> Runtime:
        """Return the runtime once plug-ins are imported; 503 if that takes too long."""
        with self.within(LOAD_SECONDS, "Personas are still being loaded. Try again in a minute."):
            await self.runtime.loaded.wait()
        return self.runtime

    @contextmanager
    def within(self, seconds: float, otherwise: str) -> Iterator[None]:
        """Bound what is awaited here: after ``seconds`` the answer is 503 and ``otherwise``."""
        with anyio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            raise HTTPError(503, "%s", otherwise)

    def json_body(self) -> dict[str, Any]:
        """Return the request's JSON object, with well-formed text; 400 says what is wrong."""
        try:
            body = json.loads(self.request.body or b"null")
        except (ValueError, RecursionError):
            raise HTTPError(400, "The body is not JSON.") from None
        if not isinstance(body, dict):
            raise HTTPError(400, "The body must be a JSON object.")
        clean: dict[str, Any] = well_formed_json(body)
        return clean

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Leave our own errors out of the log: they say what the caller did wrong."""
        if not isinstance(value, PersonasError):
            super().log_exception(typ, value, tb)

    @staticmethod
    def status_of(error: PersonasError) -> int:
        """Return the HTTP status of one of our errors."""
        return next((code for kinds, code in _STATUS if isinstance(error, kinds)), 400)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer ``{"message": …}``, without a traceback."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, HTTPError):
            message = error.log_message or error.reason or self._reason
            if error.args:
                message = str(message) % error.args
        elif isinstance(error, PersonasError):
            message = for_people(str(error))
            self.set_status(self.status_of(error))
        else:
            message = "Something failed here; the server's log says what."
        if status_code == 503:
            self.set_header("Retry-After", str(RETRY_SECONDS))
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": message or "The request failed."}))
