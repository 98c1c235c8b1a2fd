"""A runtime without a server: entry points, a chat and a host in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import anyio

from jupyter_ai_personas.chat import ChatEvent, MemoryChat, Message, OpenTurn, User
from jupyter_ai_personas.chat.messages import FINAL_STATES
from jupyter_ai_personas.chat.protocol import Write
from jupyter_ai_personas.commands import ChatCommands
from jupyter_ai_personas.hosts import InlineHost
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.runtime import Runtime, RuntimeSettings
from jupyter_ai_personas.testing.virtual_time import VirtualTimeLoop

__all__ = ["FakeChat", "FakeEntryPoint", "make_runtime"]

T = TypeVar("T")

WAIT = 30.0
"""Seconds after which a wait fails and shows the chat."""


@dataclass(frozen=True)
class _Distribution:
    name: str


class FakeEntryPoint:
    """An entry point with a given object, or one whose loading raises ``error``."""

    def __init__(
        self, obj: Any = None, *, name: str = "", dist: str = "fake", error: Any = None
    ) -> None:
        self.name = name or getattr(obj, "__name__", "broken").lower()
        self.value = f"{getattr(obj, '__module__', 'nowhere')}:{getattr(obj, '__qualname__', '?')}"
        self.dist = _Distribution(dist)
        self._obj = obj
        self._error = error

    def load(self) -> Any:
        """Return the object, or raise the error."""
        if self._error is not None:
            raise self._error
        return self._obj


class FakeChat(MemoryChat):
    """A chat in memory that supports waits and records its writes.

    ``writes`` holds the writes of each transaction, ``status_log`` each change of a writing status
    as ``(username, text or None)``.
    """

    def __init__(self, path: str = "fake.chat", *, id: str | None = None) -> None:
        super().__init__(path, id=id)
        self.writes: list[list[Write]] = []
        self.status_log: list[tuple[str, str | None]] = []
        self._changed = anyio.Event()

    @property
    def changed(self) -> anyio.Event:
        """An event that is set at the next change of the chat."""
        return self._changed

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _emit(self, event: ChatEvent) -> None:
        super()._emit(event)
        self._notify()

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """See :meth:`Chat.apply`."""
        written = list(writes)
        self.writes.append(written)
        gone = super().apply(written)
        self._notify()
        return gone

    def register(self, users: Sequence[User], *, owned_prefix: str) -> None:
        """See :meth:`Chat.register`."""
        super().register(users, owned_prefix=owned_prefix)
        self._notify()

    def set_status(self, user: User, text: str | None, turns: Iterable[OpenTurn] = ()) -> None:
        """See :meth:`Chat.set_status`."""
        super().set_status(user, text, turns)
        self.status_log.append((user.username, text))
        self._notify()

    def person(self, name: str) -> str:
        """Return the username of the person called ``name``, who joins if necessary."""
        username = name.lower().replace(" ", "-")
        self.users.setdefault(username, User(username, name, name))
        return username

    def say(self, body: str, *, by: str = "Ada", mentions: Iterable[str] = ()) -> str:
        """Post a message as the person called ``by``; return its id."""
        return self.post(body, sender=self.person(by), mentions=mentions)

    def remember(
        self, body: str, *, by: str = "Ada", sender: str = "", state: str | None = None
    ) -> str:
        """Add a message from long before the chat was opened; return its id.

        ``sender`` is the username, which for a persona is its id; ``state`` is that of its reply.
        """
        sender = sender or self.person(by)
        self.users.setdefault(sender, User(sender, by, by))
        message = Message(
            id=str(uuid4()),
            sender=sender,
            body=body,
            metadata={"state": state} if state else {},
        )
        self._messages[message.id] = message
        return message.id

    def replies(self, message_id: str) -> list[Message]:
        """Return the personas' replies to a message."""
        return [m for m in self.messages if m.by_persona and m.reply_to == message_id]

    def notices(self) -> list[str]:
        """Return the bodies of the system's lines."""
        return [m.body for m in self.messages if m.metadata.get("notice")]

    async def until(self, condition: Callable[[], T]) -> T:
        """Wait until ``condition()`` is true, looking after each change; return its value.

        Raises:
            AssertionError: it did not come true in time; the message shows the chat.
        """
        # In virtual time, everything else that is due comes first.
        is_virtual = isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
        with anyio.move_on_after(1e9 if is_virtual else WAIT):
            while True:
                changed = self._changed
                if value := condition():
                    return value
                await changed.wait()
        raise AssertionError(f"Waited {WAIT:g} s in vain.\n{self}")

    async def replied(self, message_id: str, count: int = 1) -> list[Message]:
        """Wait for ``count`` replies to a message, all in their final state; return them."""

        def final() -> list[Message]:
            replies = self.replies(message_id)
            done = len(replies) >= count and all(r.state in FINAL_STATES for r in replies)
            return replies if done else []

        return await self.until(final)

    def __str__(self) -> str:
        lines = [f"{m.sender} [{m.state or 'message'}]: {m.body!r}" for m in self.messages]
        return "\n".join([*lines, f"writing: {self.statuses}"])


@asynccontextmanager
async def make_runtime(
    personas: Sequence[type] = (),
    *,
    models: Any = None,
    settings: RuntimeSettings | None = None,
    entry_points: Iterable[Any] = (),
    configured: Sequence[Persona] = (),
    log: logging.Logger | None = None,
    **options: Any,
) -> AsyncIterator[Runtime]:
    """Run a runtime with these persona classes, on the current event loop.

    ``models`` is a model registry (default: :class:`FakeModels`); ``configured`` are personas that
    an operator configured; ``options`` are those of
    :class:`Runtime`; the default is hosts on this loop and the usual commands. Leaving the block
    ends the runtime.
    """
    if models is None:
        from jupyter_ai_personas.testing.models import FakeModels

        models = FakeModels()
    log = log or logging.getLogger("jupyter_ai_personas.testing")
    points = [*map(FakeEntryPoint, personas), *entry_points]
    registry = PersonaRegistry(log=log, entry_points=points, configured=configured)
    # Loaded here rather than in the runtime's thread, so that nothing waits for a thread.
    registry.load()
    models.load()
    options = {"make_host": InlineHost, "commands": ChatCommands(), **options}
    runtime = Runtime(
        settings or RuntimeSettings(), personas=registry, models=models, log=log, **options
    )
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        await group.start(runtime.run)
        try:
            yield runtime
        except Exception as error:
            failure = error  # a failed assertion is shown by itself, not in a group
        finally:
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
