"""A loopback server that speaks the OpenAI chat-completions protocol, and misbehaves on request.

It is a real HTTP server in its own thread. The vendors' real clients work with it without a key or
a network, from any event loop, thread or process: ``POST
…/chat/completions`` in one piece or as server-sent events, ``GET …/models``, and error bodies.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_ai_personas.testing.openai_answers import (
    Answer,
    Call,
    Request,
    events_of,
    refusal_of,
    whole_of,
)

__all__ = ["Answer", "Call", "OpenAIServer", "Request"]

_WAIT = 60.0  # seconds that a test may wait, also on a busy machine
_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class OpenAIServer:
    """The server, as a context manager; ``url`` is what clients call the base URL.

    ``key``, when given, is demanded as a bearer token. ``models``, when given, are the only ones
    there are. ``listing``, when set, replaces the answer to ``GET …/models``. Answers that were
    given to :meth:`answer` are used up in order; after them, each request gets the default
    :class:`Answer`.

    Servers refuse what others take: with ``alternating``, roles that do not alternate; with
    ``most_tokens``, more words than that; with ``only_v1``, paths that do not begin with ``/v1``.
    A request that is refused uses up no answer.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        models: Sequence[str] | None = None,
        alternating: bool = False,
        most_tokens: int | None = None,
        only_v1: bool = False,
    ) -> None:
        self.key = key
        self.models = models
        self.alternating = alternating
        self.most_tokens = most_tokens
        self.only_v1 = only_v1
        self.listing: Answer | None = None
        self.requests: list[Request] = []
        self.url = ""
        self._answers: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._holding = 0
        self._disconnected = 0
        self._open: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="openai server", daemon=True)

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        if not self._started.wait(_WAIT):
            raise TimeoutError("The loopback server did not start.")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; open connections are dropped. The second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_WAIT)

    def answer(self, *answers: Answer) -> None:
        """Queue the answers to the next requests for a chat completion."""
        self._answers.extend(answers)

    def release(self) -> None:
        """Release all held answers, present and future."""
        self._loop.call_soon_threadsafe(self._released.set)

    def wait_for_requests(self, count: int = 1) -> None:
        """Block until ``count`` requests arrived in all."""
        self._wait_until(lambda: len(self.requests) >= count, f"{count} requests")

    def wait_for_hold(self) -> None:
        """Block until an answer holds."""
        self._wait_until(lambda: self._holding > 0, "an answer that holds")

    def wait_for_disconnect(self, count: int = 1) -> None:
        """Block until ``count`` clients in all have disconnected during an answer."""
        self._wait_until(lambda: self._disconnected >= count, f"{count} disconnected clients")

    def _wait_until(self, condition: Any, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, _WAIT):
                raise TimeoutError(f"The loopback server waited {_WAIT:g} s in vain for {what}.")

    def _note(self, **changes: int) -> None:
        with self._changed:
            for name, change in changes.items():
                setattr(self, f"_{name}", getattr(self, f"_{name}") + change)
            self._changed.notify_all()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._released = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            ahead = b""
            while True:
                request = await _read_request(reader, ahead)
                ahead = await self._exchange(request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, _GoneError):
            pass
        except asyncio.CancelledError:
            pass  # The server stops.
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _exchange(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """Answer ``request``; return what was read of the next one while watching the client."""
        self.requests.append(request)
        self._note()
        answering = asyncio.ensure_future(self._answer(request, writer))
        # A client sends nothing while it waits, so that reading shows when it goes away.
        watching = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self._note(disconnected=1)
                raise _GoneError
            await answering
            return await watching if watching.done() else b""
        finally:
            for task in (answering, watching):
                task.cancel()
            await asyncio.gather(answering, watching, return_exceptions=True)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path = request.path.partition("?")[0]
        if refusal := self._refusal(request):
            answer = refusal
        elif request.method == "GET" and path.endswith("/models"):
            listed = [{"id": m, "object": "model"} for m in self.models or ("loopback",)]
            answer = self.listing or Answer(json={"object": "list", "data": listed})
        else:
            answer = self._answers.popleft() if self._answers else Answer()
        whole = whole_of(request, answer)
        if whole is None:
            await self._stream(request, answer, writer)
            return
        if answer.body is None and answer.status == 200:
            await self._hold(answer, 0)
        await _send_whole(writer, answer, *whole)

    def _refusal(self, request: Request) -> Answer | None:
        if self.only_v1 and not request.path.startswith("/v1/"):
            return Answer(status=404, json={"detail": "Not Found"})
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return Answer(status=401, code="invalid_api_key", text="Incorrect API key provided.")
        if not request.body:
            return None
        wanted = request.json.get("model")
        if self.models and wanted and wanted not in self.models:
            text = f"The model `{wanted}` does not exist or you do not have access to it."
            return Answer(status=404, code="model_not_found", text=text)
        return refusal_of(request, alternating=self.alternating, most_tokens=self.most_tokens)

    async def _hold(self, answer: Answer, sent: int) -> None:
        if answer.hold_after == sent:
            self._note(holding=1)
            try:
                await self._released.wait()
            finally:
                self._note(holding=-1)

    async def _stream(self, request: Request, answer: Answer, writer: asyncio.StreamWriter) -> None:
        head = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
        if answer.hold_after == 0:
            await self._hold(answer, 0)
        writer.write(_head(200, {**head, **answer.headers}))
        for event, sent in events_of(request, answer):
            if sent is not None and answer.cut_after == sent:
                await writer.drain()
                writer.transport.abort()
                raise _GoneError
            if sent:
                await self._hold(answer, sent)
            await _send_event(writer, event)
        writer.write(b"0\r\n\r\n")
        await writer.drain()


class _GoneError(Exception):
    """The connection is not to be used any more."""


async def _read_request(reader: asyncio.StreamReader, ahead: bytes) -> Request:
    head = (ahead + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _send_whole(
    writer: asyncio.StreamWriter, answer: Answer, content_type: str, body: bytes
) -> None:
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    writer.write(_head(answer.status, {**headers, **answer.headers}) + body)
    await writer.drain()


async def _send_event(writer: asyncio.StreamWriter, data: str) -> None:
    line = f"data: {data}\n\n".encode()
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
    await writer.drain()
