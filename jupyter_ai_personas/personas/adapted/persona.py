"""A persona that holds one of Jupyter AI 3, and runs it by this package's contract."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from jupyter_ai_personas.chat.messages import Message
from jupyter_ai_personas.errors import PersonaCodeError, ServerObjectsError
from jupyter_ai_personas.personas.adapted.missing import server_uses
from jupyter_ai_personas.personas.adapted.permissions import Permissions
from jupyter_ai_personas.personas.adapted.recognition import overrides, package_of
from jupyter_ai_personas.personas.adapted.surroundings import Surroundings, in_server
from jupyter_ai_personas.personas.adapted.view import ChatView
from jupyter_ai_personas.personas.base import BasePersona, PersonaContext, current_turn
from jupyter_ai_personas.personas.turn import Turn
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.routing import mention_name

__all__ = ["AdaptedPersona"]

CANCEL_SECONDS = 1.5
"""How long a persona's ``cancel_response`` may take."""

SETTLING = 20
"""Iterations of the event loop in which tasks that a persona has started may still write.

The library of agents hands each update to a task of its own, also those that came before the end
of the answer.
"""

_OF_MISSING = (AttributeError, LookupError, TypeError)
"""What code raises that finds an object missing, or ``None`` in its place."""

_SUMMED = ("input_tokens", "output_tokens", "total_tokens")


class AdaptedPersona(BasePersona):
    """Runs an object of a class of Jupyter AI 3 in one chat, one message at a time."""

    def __init__(self, cls: type, context: PersonaContext) -> None:
        super().__init__(context)
        self._view = ChatView(
            context.id,
            chat_id=context.chat_id,
            path=context.chat_path,
            log=context.log,
            redact=for_people,
        )
        self._surroundings = Surroundings(
            context,
            self._view,
            personas=lambda: self._known,
            package=package_of(cls),
            classes=[part.__name__ for part in cls.__mro__],
        )
        self._known: dict[str, Any] = {}
        self._lock = asyncio.Lock()
        self._reported: dict[str, Any] = {}
        self._prepared = False
        _forget_other_loops(cls)
        self.inner = cls(parent=self._surroundings, chat=self._view)
        if not hasattr(self.inner, "chat"):
            advice = "call `super().__init__(*args, **kwargs)` in its `__init__`"
            raise PersonaCodeError(cls.__name__, advice)
        self._known[context.id] = self.inner
        self.defaults = self.inner.defaults

    async def process_message(self, message: Message) -> None:
        """Let the persona answer ``message``."""
        turn = current_turn.get() or self.turn
        async with self._lock:
            await self._view.begin(turn)
            toolset = mention_name(self.name)
            permissions = Permissions(turn, self.inner, toolset=toolset, log=self.log)
            self._view.show_metadata = permissions.shown
            try:
                await self._answer(turn, message)
                await permissions.finish()
                await self._view.finish()
            except asyncio.CancelledError:
                await self._cancel()
                raise
            except _OF_MISSING as error:
                if not in_server() and (uses := server_uses(type(self.inner))):
                    raise ServerObjectsError(self.name, uses) from error
                await self._tell(error)
                raise
            except Exception as error:
                await self._tell(error)
                raise
            finally:
                permissions.end()
                self._view.end()

    async def _answer(self, turn: Turn, message: Message) -> None:
        usage = self._usage()
        theirs = self._view.message(replace(message, body=self._addressed(message.body)))
        if await self._is_ready(theirs):
            self._report()
            await self._apply_choices(turn, theirs)
            await self._process(theirs)
            for _ in range(SETTLING):
                await asyncio.sleep(0)
        self._report()
        used = {key: value - usage.get(key, 0) for key, value in self._usage().items()}
        if any(used.values()):
            turn.record_usage(used)

    async def _process(self, message: Any) -> None:
        if (track := getattr(self.inner, "track_processing", None)) is None:
            await _settled(self.inner.process_message(message))
            return
        async with track(message):
            await _settled(self.inner.process_message(message))

    def _addressed(self, body: str) -> str:
        """Return what was said to the persona, without the mention that it began with.

        In Jupyter AI a picker addresses personas, and an agent's commands begin a message.
        """
        name = re.escape(mention_name(self.name))
        return re.sub(rf"^\s*@{name}(?![\w-])[:,]?\s*", "", body, count=1, flags=re.IGNORECASE)

    async def _is_ready(self, message: Any) -> bool:
        """Prepare the persona if need be; return whether it can answer."""
        try:
            if (ensure := getattr(self.inner, "_ensure_prepared", None)) is not None:
                await ensure()
            elif not self._prepared:
                await _settled(self.inner.prepare())
        except Exception as error:
            if not any(cls.__name__ == "PersonaNotAuthenticated" for cls in type(error).__mro__):
                raise
            await _settled(self.inner.handle_message_no_auth(message))
            return False
        self._prepared = True
        return True

    async def _apply_choices(self, turn: Turn, message: Any) -> None:
        """Apply the choice of ``/model`` in the chat, and the message's own settings."""
        chosen = turn.spec.model
        if chosen is not None and (apply := getattr(self.inner, "apply_model_spec", None)):
            await apply(SimpleNamespace(id=chosen, settings={}))
        if (apply := getattr(self.inner, "apply_specs_in_message", None)) is not None:
            await apply(message)

    async def _tell(self, error: Exception) -> None:
        """Let a persona that has a text of its own about ``error`` write it."""
        if not overrides(self.inner, "handle_uncaught_exception"):
            return
        self._view.is_failing = True
        try:
            await _settled(self.inner.handle_uncaught_exception(error))
        except Exception:
            self.log.exception("`handle_uncaught_exception` of %s failed", self.name)

    async def _cancel(self) -> None:
        """Let the persona stop what it set in motion."""
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await _settled(self.inner.cancel_response())
        except Exception:
            self.log.warning("`cancel_response` of %s failed", self.name, exc_info=True)

    async def shutdown(self) -> None:
        """Let the persona let go of everything."""
        await _settled(self.inner.shutdown())

    # -- reports ------------------------------------------------------------------------------

    def _report(self) -> None:
        """Tell the server what has changed of the persona's models, settings and commands."""
        told = {
            "model": self._told("get_model_configuration"),
            "settings": self._told("get_setting_configurations"),
            "commands": self._told("get_slash_commands"),
            "usage": self._told("get_usage"),
        }
        changed = {key: value for key, value in told.items() if value != self._reported.get(key)}
        if changed:
            self._reported = told
            self._view.report(changed)

    def _told(self, method: str) -> Any:
        getter = getattr(self.inner, method, None)
        return _plain(getter()) if getter is not None else None

    def _usage(self) -> dict[str, int]:
        """Return the tokens of the session so far."""
        usage = self._told("get_usage")
        found = usage if isinstance(usage, Mapping) else {}
        return {key: found[key] for key in _SUMMED if isinstance(found.get(key), int)}


async def _settled(value: Any) -> None:
    """Await what a method returned, which in an earlier version of Jupyter AI was ``None``."""
    if inspect.isawaitable(value):
        await value


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else value


def _forget_other_loops(cls: type) -> None:
    """Drop tasks that a class keeps and that belong to the event loop of an earlier host."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    for base in cls.__mro__:
        for name, value in list(vars(base).items()):
            if isinstance(value, asyncio.Future) and value.get_loop() is not loop:
                setattr(base, name, None)
