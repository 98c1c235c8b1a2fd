"""A real Yjs client on a real WebSocket, in the room of a chat.

The wire is the one of ``jupyter-collaboration`` 5: a session by HTTP, then binary messages, the
first byte of which says what they are (0 sync, 1 awareness, 2 JSON between server and front end).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup, TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pycrdt import (
    Array,
    Awareness,
    Doc,
    Map,
    TransactionEvent,
    YMessageType,
    YSyncMessageType,
    create_awareness_message,
    create_sync_message,
    create_update_message,
    handle_sync_message,
    read_message,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .server import JupyterServer
from .users import User

T = TypeVar("T")

METADATA_KEY = "jupyter_ai_personas"
"""Where a reply says which message it answers."""
WAIT = 180.0
"""Seconds a wait lasts unless a test says otherwise: only what never comes takes longer."""


class RoomRefusedError(Exception):
    """The server closed the socket instead of synchronising; ``code`` and ``reason`` say why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The room refused the client: {code} {reason}")
        self.code = code
        self.reason = reason


class RoomClient:
    """A document that a server's room and this side keep the same; `ChatClient` is its face.

    Args:
        server: A running server.
        path: The chat, relative to the server's root; its file is created when missing.
        user: A `User`, or a display name.
        live: It shows live bodies, and announces so, as our front end does.
    """

    def __init__(
        self, server: JupyterServer, path: str, user: User | str = "Ada", *, live: bool = False
    ) -> None:
        self.server = server
        self.path = path
        self.user = User.called(user) if isinstance(user, str) else user
        self.doc: Doc[Any] = Doc()
        self._messages: Array[Any] = self.doc.get("messages", type=Array)
        self._users: Map[Any] = self.doc.get("users", type=Map)
        self._metadata: Map[Any] = self.doc.get("metadata", type=Map)
        self._state: Map[Any] = self.doc.get("state", type=Map)
        self.awareness = Awareness(self.doc)
        self._present: dict[str, Any] = {"user": self.user.identity(), "autosave": True}
        if live:
            self._present[METADATA_KEY] = {"live": 1}
        self.bytes_received = 0
        """Bytes of all messages from the server."""
        self.sync_bytes_received = 0
        """Bytes of those of them that are about the document."""
        self.updates_received = 0
        """Document updates from the server, its echoes of this client's own among them."""
        self.closed: tuple[int, str] | None = None
        """Code and reason of the last connection's end."""
        self._changed = anyio.Event()
        self._applying = False
        self._questions = 0
        self._answers = 0
        self._room_url = ""
        self._socket: ClientConnection | None = None
        self._outbox: MemoryObjectSendStream[bytes] | None = None
        self._left = anyio.Event()
        self._left.set()
        self._tasks: TaskGroup | None = None
        self._subscription = self.doc.observe(self._on_update)
        self.awareness.observe(self._on_awareness)

    # -- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        try:
            await self._tasks.start(self.awareness.start)
            await self.reconnect()
        except BaseException as error:
            await self._end(error)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave as a tab that is closed: what was written is sent, and a word of goodbye.

        To nobody, where the server has gone: this side may not have been told yet.
        """
        with anyio.move_on_after(WAIT / 2, shield=True):
            if self.connected:
                self.awareness.set_local_state(None)
                if await self._sent():
                    await self.disconnect()
        await self._end(error)

    @property
    def connected(self) -> bool:
        return self._socket is not None

    async def reconnect(self) -> None:
        """Join the room and return once this document and the server's have each other's changes.

        A socket of the same session, as in a tab that stayed open while the server restarted.

        Raises:
            RoomRefusedError: The server closed the socket, for instance since the file is gone.
            websockets.exceptions.InvalidStatus: It refused the handshake.
            OSError: There is no server.
        """
        if self.connected:
            raise RuntimeError("The client is already connected.")
        assert self._tasks is not None
        with anyio.fail_after(WAIT):
            if not self._room_url:
                self._room_url = await self._open_session()
            await self._tasks.start(self._serve)
        await self.flush()

    def forget_session(self) -> None:
        """Ask for a new session at the next `reconnect`."""
        self._room_url = ""

    async def disconnect(self) -> None:
        """Lose the connection without a word, keeping the document, as a sleeping laptop does.

        What was written and not yet sent stays unsent; see `flush`.
        """
        if self._socket is not None:
            await self._socket.close()
        await self._left.wait()

    async def wait_disconnected(self, timeout: float = WAIT) -> None:
        """Return once the connection is gone, for instance with the server."""
        with anyio.fail_after(timeout):
            await self._left.wait()

    async def flush(self, timeout: float = WAIT) -> None:
        """Return once the server's document has everything this client has written."""
        if not await self._sent(timeout):
            raise AssertionError(self._story("The connection ended before the server had it all."))

    async def _sent(self, timeout: float = WAIT) -> bool:
        """Return whether the server has everything, once it has it or the connection ended."""
        wanted = self._ask()
        await self.wait_for(lambda me: me._answers >= wanted or not me.connected, timeout)
        return self._answers >= wanted

    # -- reading ----------------------------------------------------------------------------------

    def messages(self) -> list[dict[str, Any]]:
        """All messages, in the order of the document."""
        return list(self._messages.to_py() or [])

    def writers(self) -> list[dict[str, Any]]:
        """Who is writing, as the front end finds out: ``{user, messageID?, typingIndicator?}``."""
        found: list[dict[str, Any]] = []
        for client, state in self.awareness.states.items():
            if client == self.awareness.client_id or not state:
                continue
            found += state.get("writers", [])
            if state.get("isWriting"):
                keys = ("user", "typingIndicator")
                found.append({key: state[key] for key in keys if key in state})
        return found

    # -- waiting ----------------------------------------------------------------------------------

    async def wait_for(
        self,
        predicate: Callable[[Self], T],
        timeout: float = WAIT,
    ) -> T:
        """Return the first true value of ``predicate(self)``, tried again at every change.

        A change is one of the document, of anybody's awareness, or of the connection.

        Raises:
            AssertionError: It was not true within ``timeout`` seconds; tells what the chat holds.
        """
        try:
            with anyio.fail_after(timeout):
                while not (value := predicate(self)):
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(self._story(f"Not within {timeout} s.")) from None
        return value

    # -- inside -----------------------------------------------------------------------------------

    async def _end(self, error: BaseException | None) -> None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(
                type(error) if error else None, error, error.__traceback__ if error else None
            )
        except BaseExceptionGroup as group:
            # What the block raised (a failed assertion, say) stays that, without a group around.
            if group.exceptions != (error,):
                raise

    async def _open_session(self) -> str:
        self.server.create_chat(self.path)
        status, session = await self.server.put(
            f"/api/collaboration/session/{quote(self.path)}",
            json={"format": "text", "type": "chat"},
        )
        assert status in (200, 201), f"No session for {self.path}: {status} {session}"
        address = self.server.url.replace("http", "ws", 1)
        room = f"text:chat:{session['fileId']}"
        return f"{address}/api/collaboration/room/{room}?sessionId={session['sessionId']}"

    async def _serve(self, *, task_status: TaskStatus[None]) -> None:
        """Hold one connection: started once synchronised, ends when the connection does."""
        connection = connect(
            self._room_url,
            additional_headers={"Authorization": f"token {self.server.token}"},
            proxy=None,
            compression=None,
            max_size=None,
            open_timeout=WAIT,
            close_timeout=2,
            # Whoever is too busy to answer a ping in time is slow, and not gone.
            ping_interval=None,
        )
        async with connection as socket:
            self._outbox, outbox = anyio.create_memory_object_stream[bytes](math.inf)
            self._questions = self._answers = 0
            synced = False
            try:
                async with self._outbox, outbox, anyio.create_task_group() as tasks:
                    tasks.start_soon(self._send, socket, outbox)
                    self._ask()
                    async for message in _messages_of(socket):
                        self._receive(message)
                        if self._answers and not synced:
                            synced = True
                            self._socket, self._left = socket, anyio.Event()
                            self.awareness.set_local_state(self._present)
                            task_status.started()
                        # Whoever waits sees each state, also of several that came at once.
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
            finally:
                self._outbox = self._socket = None
                self._left.set()
                self._forget_others()
                self._touch()
        self.closed = (socket.close_code or 1006, socket.close_reason or "")
        if not synced:
            raise RoomRefusedError(*self.closed)

    async def _send(
        self, socket: ClientConnection, outbox: MemoryObjectReceiveStream[bytes]
    ) -> None:
        # A connection that ends while something is sent also ends the reading, which reports it.
        with contextlib.suppress(ConnectionClosed):
            async for message in outbox:
                await socket.send(message)

    def _receive(self, message: bytes) -> None:
        self.bytes_received += len(message)
        if message[0] == YMessageType.AWARENESS:
            self.awareness.apply_awareness_update(read_message(message[1:]), "server")
        elif message[0] == YMessageType.SYNC:
            self.sync_bytes_received += len(message)
            self._applying = True
            try:
                answer = handle_sync_message(message[1:], self.doc)
            finally:
                self._applying = False
            if answer is not None:
                self._put(answer)
            if message[1] == YSyncMessageType.SYNC_STEP2:
                self._answers += 1
                self._touch()
            elif message[1] == YSyncMessageType.SYNC_UPDATE:
                self.updates_received += 1

    def _ask(self) -> int:
        """Ask for what is missing here; the answer comes after all that was sent before."""
        self._put(create_sync_message(self.doc))
        self._questions += 1
        return self._questions

    def _put(self, message: bytes) -> None:
        if self._outbox is not None:
            self._outbox.send_nowait(message)

    def _on_update(self, event: TransactionEvent) -> None:
        # Also called for what the server sends; returning that would make clients storm each other.
        if not self._applying:
            self._put(create_update_message(event.update))
        self._touch()

    def _on_awareness(self, topic: str, change: tuple[dict[str, list[int]], Any]) -> None:
        clients, origin = change
        if topic == "update" and origin == "local":
            changed = [client for group in clients.values() for client in group]
            self._put(create_awareness_message(self.awareness.encode_awareness_update(changed)))
        self._touch()

    def _forget_others(self) -> None:
        others = [client for client in self.awareness.states if client != self.awareness.client_id]
        self.awareness.remove_awareness_states(others, "disconnected")

    def _touch(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _story(self, what: str) -> str:
        lines = [
            f"{what} {self.user.username} in {self.path}",
            f"connected: {self.connected}, last close: {self.closed}, writers: {self.writers()}",
            *(f"  {message}" for message in self.messages()),
            "The end of the server's log:",
            *self.server.log[-40:],
        ]
        return "\n".join(lines)


async def _messages_of(socket: ClientConnection) -> AsyncIterator[bytes]:
    """What arrives until the connection ends, whichever way."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            message = await socket.recv(decode=False)
            yield message
