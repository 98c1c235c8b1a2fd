"""The sessions of a runtime, and waiting for one: a tab may show a chat before it is opened."""

from __future__ import annotations

from itertools import chain

import anyio

from jupyter_ai_personas.chat import Chat
from jupyter_ai_personas.errors import ChatNotOpenError
from jupyter_ai_personas.runtime.session import Session

__all__ = ["OPEN_SECONDS", "OpenSessions"]

OPEN_SECONDS = 3.0
"""How long a request waits for its chat."""


class OpenSessions(set[Session]):
    """The chats that are open, and those that were closed while their turns run."""

    def __init__(self) -> None:
        super().__init__()
        self._opened = anyio.Event()

    def opened(self, session: Session) -> None:
        """Note that the document of a session was opened."""
        self.add(session)
        self._opened.set()
        self._opened = anyio.Event()

    def at(self, path: str) -> list[Session]:
        """Return the sessions whose chats are or were at ``path``."""
        return [s for s in self if s.chat.path.strip("/") == path.strip("/")]

    def chat_at(self, path: str) -> Chat | None:
        """Return the open chat at ``path``."""
        return next((s.chat for s in self.at(path) if s.attached), None)

    def of_turn(self, turn_id: str) -> Session | None:
        """Return the session in which a turn runs or waits, or that has a reply of it."""
        running = (s for s in self if turn_id in s.turns)
        ended = (s for s in self if s.retry.reply_of(turn_id) is not None)
        return next(chain(running, ended), None)

    async def until_open(self, path: str) -> Chat:
        """Return the open chat at ``path``, or the one that is opened there soon.

        Raises:
            ChatNotOpenError: no chat is opened there within `OPEN_SECONDS`.
        """
        with anyio.move_on_after(OPEN_SECONDS):
            while (chat := self.chat_at(path)) is None:
                await self._opened.wait()
            return chat
        raise ChatNotOpenError(path)

    async def until_recovered(self, chat_id: str) -> bool:
        """Wait for a chat with the turns that it had before; ``False`` after `OPEN_SECONDS`."""
        with anyio.move_on_after(OPEN_SECONDS):
            while not (found := [s for s in self if s.attached and s.chat.id == chat_id]):
                await self._opened.wait()
            await found[0].ready.wait()
            return True
        return False
