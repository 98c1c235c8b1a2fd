"""A room for runtime tests: people, personas, a chat of either kind, all in one process."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.messages import FINAL_STATES
from jupyter_ai_personas.chat.opened_file import OpenedFile
from jupyter_ai_personas.hosts import InlineHost
from jupyter_ai_personas.personas import persona_id
from jupyter_ai_personas.runtime import Runtime, RuntimeSettings, Session
from jupyter_ai_personas.testing import FakeChat, make_runtime
from support import polling
from support.stages import DocumentStage, MemoryStage, Stage

T = TypeVar("T")
Act = Callable[[Any, Message], Any]

LOG = logging.getLogger("tests.room")
WAIT = 10.0
"""Seconds after which something is taken never to come; nothing but this process acts."""


def persona(name: str, act: Act | None = None, **attributes: Any) -> type[BasePersona]:
    """Return a persona class; `act(self, message)` is its `process_message`."""
    body: dict[str, Any] = {"defaults": PersonaDefaults(name=name), "__module__": "tests"}
    if act is not None:

        async def process_message(self: Any, message: Message) -> None:
            answer = act(self, message)
            if isinstance(answer, Awaitable):
                await answer

        body["process_message"] = process_message
    return type(name.replace(" ", "").replace("-", ""), (BasePersona,), {**body, **attributes})


def wait_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rooms wait as long as starts of processes may take."""
    for module in (__name__, "jupyter_ai_personas.testing.fakes"):
        monkeypatch.setattr(f"{module}.WAIT", polling.WAIT)


def id_of(cls: type) -> str:
    return persona_id(cls)


class Script:
    """What a persona does, step by step, and who has begun.

    A turn writes what `give` puts in for it, until `end`, or fails with `fail`.
    """

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._queues: dict[str, asyncio.Queue[Any]] = {}
        self._changed = anyio.Event()

    async def __call__(self, persona: Any, message: Message) -> None:
        self.begun.append(message.body)
        self._changed.set()
        self._changed = anyio.Event()

        async def chunks() -> AsyncIterator[str]:
            while (item := await self._queue(message.body).get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if callable(item):
                    item(persona)
                else:
                    yield item

        try:
            await persona.stream_message(chunks())
        finally:
            self.ended.append(message.body)

    def _queue(self, body: str) -> asyncio.Queue[Any]:
        return self._queues.setdefault(body, asyncio.Queue())

    def give(self, body: str, *items: Any) -> None:
        for item in items:
            self._queue(body).put_nowait(item)

    def end(self, body: str, *items: Any) -> None:
        self.give(body, *items, None)

    def fail(self, body: str, error: BaseException) -> None:
        self.give(body, error)

    async def until_begun(self, *bodies: str) -> None:
        with anyio.fail_after(WAIT):
            while not Counter(bodies) <= Counter(self.begun):
                await self._changed.wait()


class Room:
    """A chat that a runtime serves, and the people in it."""

    def __init__(self, stage: Stage, runtime: Runtime, session: Session) -> None:
        self.stage = stage
        self.runtime = runtime
        self.session = session
        self._changed = anyio.Event()
        self._names: set[str] = set()
        if isinstance(stage, DocumentStage):
            stage.ychat.ydoc.observe(lambda event: self._notify())
            stage.awareness.observe(lambda *event: self._notify())

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def say(self, body: str, *, by: str = "Ada", mentions: Iterable[str] = ()) -> str:
        username = by.lower()
        if by not in self._names:
            self._names.add(by)
            self.stage.join(username, by)
        return self.stage.post(body, sender=username, mentions=mentions)

    @property
    def messages(self) -> list[Message]:
        """What another client sees."""
        return self.stage.seen

    def message(self, message_id: str) -> Message:
        return next(m for m in self.messages if m.id == message_id)

    def replies(self, message_id: str) -> list[Message]:
        return [m for m in self.messages if m.by_persona and m.reply_to == message_id]

    def notices(self) -> list[str]:
        return [m.body for m in self.messages if m.metadata.get("notice")]

    def answer(self, message_id: str) -> str | None:
        """The system's answer to a command, if there is one."""
        found = [
            m.body for m in self.messages if m.metadata.get("notice") and m.reply_to == message_id
        ]
        return found[0] if found else None

    async def until(self, condition: Callable[[], T]) -> T:
        """Wait until `condition()` is true, looking after each change."""
        chat = self.stage.chat
        if isinstance(chat, FakeChat):
            return await chat.until(condition)
        with anyio.move_on_after(WAIT):
            while True:
                changed = self._changed
                if value := condition():
                    return value
                await changed.wait()
        seen = "\n".join(f"{m.sender} [{m.state}]: {m.body!r}" for m in self.messages)
        raise AssertionError(f"Waited in vain.\n{seen}\nwriting: {self.stage.writing}")

    async def replied(self, message_id: str, count: int = 1) -> list[Message]:
        """Wait for `count` replies in their final state."""

        def final() -> list[Message]:
            replies = self.replies(message_id)
            done = len(replies) >= count and all(r.state in FINAL_STATES for r in replies)
            return replies if done else []

        return await self.until(final)

    async def reply(self, message_id: str) -> Message:
        [reply] = await self.replied(message_id)
        return reply

    async def streaming(self, message_id: str, text: str) -> Message:
        """Wait until a reply that grows has `text`."""

        def grown() -> Message | None:
            found = self.replies(message_id)
            return next((m for m in found if m.state == "streaming" and text in m.body), None)

        found = await self.until(grown)
        assert found is not None
        return found

    async def command(self, body: str, *, by: str = "Ada") -> str:
        """Type a command and wait for its answer."""
        message_id = self.say(body, by=by)
        answer = await self.until(lambda: self.answer(message_id))
        assert answer is not None
        return answer

    async def until_turns(self, count: int) -> None:
        """Wait until so many turns run or wait, which need not show in the chat."""
        with anyio.fail_after(WAIT):
            while len(self.session.turns) != count:
                await anyio.lowlevel.checkpoint()

    async def quiet(self, timeout: float = WAIT) -> None:
        """Wait until no turn runs or waits, and everything that was posted has been read.

        ``timeout`` bounds the seconds between the ends of two turns.
        """
        with anyio.fail_after(timeout) as limit:
            while True:
                turn = next(iter(self.session.turns.values()), None)
                if turn is not None:
                    await turn.ended.wait()
                    limit.deadline = anyio.current_time() + timeout
                    continue
                if self.session.is_idle:
                    return
                await anyio.lowlevel.checkpoint()


class FakeStage(MemoryStage):
    """The twin with a chat that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = self.chat = FakeChat("room.chat")
        self.post = self.memory.post
        self.edit = self.memory.edit
        self.delete = self.memory.delete


@asynccontextmanager
async def room(
    *personas: type,
    stage: Stage | None = None,
    settings: RuntimeSettings | None = None,
    ready: bool = True,
    entry_points: Sequence[Any] = (),
    file: asyncio.Future[OpenedFile] | None = None,
    **options: Any,
) -> AsyncIterator[Room]:
    """Open a room; `options` are those of `make_runtime`, or fields of `RuntimeSettings`.

    `file` is the chat's file as it was opened.
    """
    fields = RuntimeSettings.__dataclass_fields__.keys() - {"models"}
    chosen = {key: options.pop(key) for key in list(options) if key in fields}
    options = {"make_host": InlineHost, "log": LOG, **options}
    async with make_runtime(
        personas,
        settings=settings or RuntimeSettings(**chosen),
        entry_points=entry_points,
        **options,
    ) as runtime:
        stage = stage or FakeStage()
        session = runtime.open_chat(stage.chat, file)
        if ready:
            with anyio.fail_after(WAIT):
                await session.ready.wait()
        yield Room(stage, runtime, session)
