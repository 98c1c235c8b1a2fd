"""A loopback server that speaks the OpenAI chat-completions protocol, and misbehaves on request.

It is a real HTTP server in a thread of its own, so that the vendors' real clients can be driven
without a key and without a network, from any event loop, thread or process. The formats are those
of OpenAI's API reference: ``POST …/chat/completions`` in one piece or as server-sent events,
``GET …/models``, and error bodies.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "OpenAIServer", "Request"]

_WAIT = 60.0  # seconds that a test may wait for what must happen, on a machine that is busy
_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the server answers one request.

    ``text`` is streamed word by word, or as the given sequence of pieces. ``status`` other than
    200 gives an error body with ``text`` as its message. ``hold_after`` pieces the server waits
    for :meth:`OpenAIServer.release`; ``cut_after`` pieces it drops the connection. ``events`` are
    raw ``data:`` lines sent before the text, for malformed ones. ``body`` replaces everything by
    raw bytes. ``deltas`` are further deltas, such as tool calls, sent before the text.
    ``closing`` holds members to add to the last chunk: some vendors put the usage there.
    """

    text: str | Sequence[str] = "Hello from the loopback model."
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    hold_after: int | None = None
    cut_after: int | None = None
    events: Sequence[str] = ()
    deltas: Sequence[Mapping[str, Any]] = ()
    finish_reason: str = "stop"
    closing: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def pieces(self) -> list[str]:
        """The text in the pieces that are streamed."""
        if isinstance(self.text, str):
            return re.findall(r"\S+\s*|^\s+", self.text)
        return list(self.text)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class OpenAIServer:
    """The server, as a context manager; ``url`` is what clients call the base URL.

    ``key``, when given, is demanded as a bearer token. ``models``, when given, are the only ones
    there are. ``listing``, when set, replaces the answer to ``GET …/models``. Answers that were
    given to :meth:`answer` are used up in order; after them, each request gets the default
    :class:`Answer`.
    """

    def __init__(self, *, key: str | None = None, models: Sequence[str] | None = None) -> None:
        self.key = key
        self.models = models
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
        """Let go on whoever holds, now and from now on."""
        self._loop.call_soon_threadsafe(self._released.set)

    def wait_for_requests(self, count: int = 1) -> None:
        """Block until ``count`` requests arrived in all."""
        self._wait_until(lambda: len(self.requests) >= count, f"{count} requests")

    def wait_for_hold(self) -> None:
        """Block until an answer holds."""
        self._wait_until(lambda: self._holding > 0, "an answer that holds")

    def wait_for_disconnect(self, count: int = 1) -> None:
        """Block until ``count`` clients in all went away in the middle of an answer."""
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
        if request.method == "GET" and path.endswith("/models"):
            listed = [{"id": m, "object": "model"} for m in self.models or ("loopback",)]
            whole = json.dumps({"object": "list", "data": listed}).encode()
            answer = self.listing or Answer(body=whole)
        else:
            answer = self._answers.popleft() if self._answers else Answer()
        if refusal := self._refusal(request):
            answer = refusal
        if answer.body is not None or answer.status != 200:
            await _send_whole(writer, answer, answer.body or _error_body(answer))
        elif not request.json.get("stream"):
            await self._hold(answer, 0)
            await _send_whole(writer, answer, _completion(request, answer))
        else:
            await self._stream(request, answer, writer)

    def _refusal(self, request: Request) -> Answer | None:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return Answer(status=401, code="invalid_api_key", text="Incorrect API key provided.")
        wanted = request.json.get("model") if request.body else None
        if self.models and wanted and wanted not in self.models:
            text = f"The model `{wanted}` does not exist or you do not have access to it."
            return Answer(status=404, code="model_not_found", text=text)
        return None

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
        deltas = [{"role": "assistant", "content": ""}, *answer.deltas]
        events = [_chunk(request, [_choice(delta)]) for delta in deltas]
        for event in [*events, *answer.events]:
            await _send_event(writer, event)
        for sent, piece in enumerate(answer.pieces):
            if answer.cut_after == sent:
                await writer.drain()
                writer.transport.abort()
                raise _GoneError
            if sent:
                await self._hold(answer, sent)
            await _send_event(writer, _chunk(request, [_choice({"content": piece})]))
        last = _chunk(request, [_choice({}, answer.finish_reason)], **answer.closing)
        await _send_event(writer, last)
        if (request.json.get("stream_options") or {}).get("include_usage"):
            await _send_event(writer, _chunk(request, [], usage=_usage(request, answer)))
        await _send_event(writer, "[DONE]")
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


async def _send_whole(writer: asyncio.StreamWriter, answer: Answer, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    writer.write(_head(answer.status, {**headers, **answer.headers}) + body)
    await writer.drain()


async def _send_event(writer: asyncio.StreamWriter, event: Any) -> None:
    data = event if isinstance(event, str) else json.dumps(event)
    line = f"data: {data}\n\n".encode()
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
    await writer.drain()


def _choice(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _chunk(request: Request, choices: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-loopback",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": request.json.get("model", "loopback"),
        "choices": choices,
        **more,
    }


def _completion(request: Request, answer: Answer) -> bytes:
    message = {"role": "assistant", "content": "".join(answer.pieces)}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    completion = _chunk(request, [choice], usage=_usage(request, answer))
    return json.dumps({**completion, "object": "chat.completion"}).encode()


def _usage(request: Request, answer: Answer) -> dict[str, int]:
    """Count words as tokens."""
    asked = sum(len(str(m.get("content")).split()) for m in request.json.get("messages", []))
    said = len(answer.pieces)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _error_body(answer: Answer) -> bytes:
    message = "".join(answer.pieces)
    kind = "invalid_request_error" if answer.status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": answer.code}
    return json.dumps({"error": error}).encode()
