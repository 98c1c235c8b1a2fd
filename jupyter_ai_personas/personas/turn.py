"""A turn as its persona sees it: the message, the chat around it, and the way to answer.

Inputs (:class:`TurnSpec`), output and requests are plain data, and output goes to an ``emit``
function, so the persona can run in another process.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import (
    AsyncIterable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from jupyter_ai_personas.chat.history import (
    HistoryEntry,
    earlier_attachments,
    newest,
    to_langchain,
)
from jupyter_ai_personas.chat.messages import Attachment, Message
from jupyter_ai_personas.context.links import lab_url
from jupyter_ai_personas.errors import (
    AttachmentError,
    ModelError,
    NoModelError,
    ReplyTooLongError,
    RequestRefusedError,
    TurnEndedError,
)
from jupyter_ai_personas.personas.chunks import chunk_text, each_chunk
from jupyter_ai_personas.personas.growing import GrowingMessages
from jupyter_ai_personas.personas.wire import (
    MAX_OPEN_REQUESTS,
    MAX_REQUEST,
    HostEvent,
    MessageSent,
    ReplyClosed,
    ReplyOpened,
    ReplyRewritten,
    RequestWithdrawn,
    StatusChanged,
    TextDelta,
    TurnAnswer,
    TurnRequest,
    TurnRequested,
    TurnSpec,
    UsageReported,
    plain_json,
)
from jupyter_ai_personas.personas.workspace import TurnWorkspace
from jupyter_ai_personas.slices import Slices
from jupyter_ai_personas.text import Anew, TextJoiner, well_formed
from jupyter_ai_personas.tools.calling import Caller

if TYPE_CHECKING:
    from jupyter_ai_personas.chat.history import BaseMessage

__all__ = ["SentId", "Turn", "reply_id"]

_MOST_TOKENS = 2**53
"""JavaScript counts no further."""

MAX_NOTES = 1000
"""How often one turn may change its status or report usage; further ones are not shown."""

MAX_MESSAGES = 50
"""How many messages one turn may write."""


class Attachments(list[Attachment]):
    """Attachments of a message; awaiting it returns the same list."""

    def __await__(self) -> Generator[Any, None, list[Attachment]]:
        """Return the list at once."""
        return self
        yield


class SentId(str):
    """The id of a message that was sent; code that awaits it gets the same id."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, str]:
        """Return the id at once."""
        return self
        yield


class Turn:
    """One message addressed to one persona, seen from the persona.

    All methods may be called from the persona's event loop and from threads of its own.
    """

    def __init__(self, spec: TurnSpec, emit: Callable[[HostEvent], None]) -> None:
        self._spec = spec
        self._emit = emit
        self._chars = 0
        self._messages = 0
        self._notes = 0
        self._status: str | None = None
        self._ended = False
        self._request_ids = count(1)
        self._requests: dict[int, Future[Any]] = {}
        self._attachments: Attachments | AttachmentError = Attachments()
        self._streams: list[Coroutine[Any, Any, str | None]] = []
        self._growing: GrowingMessages | None = None
        self.caller: Caller | None = None
        """Calls tools in this turn; created on first use."""

    @property
    def id(self) -> str:
        """The turn's id."""
        return self._spec.turn_id

    @property
    def message(self) -> Message:
        """The message to answer."""
        return self._spec.message

    @property
    def speaker(self) -> str:
        """The display name of who wrote the message."""
        return self._spec.speaker

    @property
    def chat_path(self) -> str:
        """The path of the chat, relative to the server's root."""
        return self._spec.chat_path

    @property
    def spec(self) -> TurnSpec:
        """The turn's inputs."""
        return self._spec

    @property
    def model(self) -> str:
        """The reference of the turn's model.

        Raises:
            ModelError: it has none, and the message says why.
        """
        if self._spec.model is None:
            if self._spec.model_problem:
                raise ModelError(self._spec.model_problem)
            raise NoModelError(self._spec.persona_name)
        return self._spec.model

    @property
    def ended(self) -> bool:
        """Whether the turn was stopped or is over, so that nothing can be written any more."""
        return self._ended

    def end(self) -> None:
        """Close the turn: writing and asking raise :class:`TurnEndedError` from now on."""
        self._ended = True
        for request_id in list(self._requests):
            self._settle(request_id, TurnEndedError())

    @property
    def growing(self) -> GrowingMessages:
        """Messages of this turn that grow side by side."""
        if self._growing is None:
            self._growing = GrowingMessages(
                self.id,
                self._emit,
                begin=self._begin_message,
                count=lambda text: self._count(text, what="The body of a message"),
            )
        return self._growing

    # -- answering --------------------------------------------------------------------------

    def _count(self, text: Any, *, what: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"{what} must be a string, not {type(text).__name__}")
        if self._ended:
            raise TurnEndedError
        self._chars += len(text)
        if self._chars > self._spec.max_reply_chars:
            raise ReplyTooLongError(self._spec.persona_name, self._spec.max_reply_chars)

    def _new_message(self) -> str:
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            raise ReplyTooLongError(self._spec.persona_name, MAX_MESSAGES, messages=True)
        # Derived from the turn and the reply's number: after a crash the message is found again.
        return reply_id(self._spec.turn_id, self._messages)

    def _begin_message(self) -> str:
        self._count("", what="The body of a message")
        return self._new_message()

    def send(self, body: str) -> SentId:
        """Post a complete message and return its id; an empty one is not posted.

        Raises:
            TypeError: ``body`` is no string.
            TurnEndedError: the turn was stopped or is over.
            ReplyTooLongError: the turn has written too much.
        """
        self._count(body, what="The body of a message")
        message_id = self._new_message()
        if body:
            self._emit(MessageSent(self.id, message_id, well_formed(body)))
        return SentId(message_id)

    def stream(self, chunks: AsyncIterable[Any] | Iterable[Any]) -> Coroutine[Any, Any, str | None]:
        """Post a message that grows with each chunk; return its id, ``None`` if nothing came.

        To be awaited: the turn knows when that was forgotten.

        A chunk is a string, or what a LangChain model streams; one that is
        :class:`~jupyter_ai_personas.text.Anew` replaces what was written before. An iterator that
        never suspends is interrupted in slices, so that other turns of this persona go on.

        Raises:
            TypeError: a chunk is none of these.
            TurnEndedError: the turn was stopped or is over.
            ReplyTooLongError: the turn has written too much.
        """
        stream = self._stream(chunks)
        self._streams = [*filter(_is_forgotten, self._streams), stream]
        return stream

    async def _stream(self, chunks: AsyncIterable[Any] | Iterable[Any]) -> str | None:
        if inspect.isawaitable(chunks):
            chunks = await chunks
        source = each_chunk(chunks)
        slices = Slices()
        joiner = TextJoiner()
        message_id: str | None = None
        try:
            while True:
                try:
                    item = await slices.watch(anext(source))
                except StopAsyncIteration:
                    break
                text = chunk_text(item)
                self._count(text, what="A chunk")
                if anew := isinstance(item, Anew):
                    joiner = TextJoiner()
                message_id = self._grow(message_id, joiner.feed(text), anew=anew)
                if slices.is_over:
                    await slices.hand_over()
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                with anyio.CancelScope(shield=True):
                    await close()
        message_id = self._grow(message_id, joiner.finish())
        if message_id is not None:
            self._emit(ReplyClosed(self.id, message_id))
        return message_id

    def _grow(self, message_id: str | None, text: str, *, anew: bool = False) -> str | None:
        """Add ``text`` to a growing message, which begins with its first text; return its id."""
        if anew and message_id is not None:
            self._emit(ReplyRewritten(self.id, message_id, text))
        elif text and message_id is None:
            message_id = self._new_message()
            self._emit(ReplyOpened(self.id, message_id, text))
        elif text and message_id is not None:
            self._emit(TextDelta(self.id, message_id, text))
        return message_id

    @property
    def is_silent(self) -> bool:
        """Whether nothing has been written so far."""
        return self._messages == 0

    def drop_forgotten(self) -> bool:
        """End the streams that were not awaited; return whether there were any.

        To be called on the event loop that the turn runs on.
        """
        forgotten = [stream for stream in self._streams if _is_forgotten(stream)]
        self._streams = []
        tasks = {task.get_coro(): task for task in asyncio.all_tasks()} if forgotten else {}
        found = False
        for stream in forgotten:
            task = tasks.get(stream)
            if task is None:
                stream.close()
            elif task.cancelling():
                continue  # the persona thought better of it
            else:
                # Not closed under the task that has yet to begin it.
                task.cancel()
            found = True
        return found

    def set_status(self, text: str | None) -> None:
        """Show ``text`` beside the persona's name while it works; ``None``: the usual text.

        Raises:
            TypeError: ``text`` is neither a string nor ``None``.
        """
        if text is not None and not isinstance(text, str):
            raise TypeError(f"A status must be a string, not {type(text).__name__}")
        text = well_formed(" ".join(text.split())[:200]) if text else None
        if not self._ended and text != self._status and self._notes < MAX_NOTES:
            self._notes += 1
            self._status = text
            self._emit(StatusChanged(self.id, text))

    def record_usage(self, usage: Mapping[str, Any]) -> None:
        """Note token counts for the reply's metadata.

        ``usage`` has whole numbers by name, and the ``model`` that they are of; anything else in
        it is left out.
        """
        noted: dict[str, Any] = {
            key: value
            for key, value in usage.items()
            if isinstance(key, str) and type(value) is int and 0 <= value < _MOST_TOKENS
        }
        if isinstance(usage.get("model"), str):
            noted["model"] = well_formed(usage["model"])[:200]
        if not self._ended and self._notes < MAX_NOTES:
            self._notes += 1
            self._emit(UsageReported(self.id, noted))

    # -- asking the server --------------------------------------------------------------------

    async def request(self, kind: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Ask the server for something and return its answer, as JSON.

        The request ends with the turn, or when the caller stops waiting.

        Raises:
            RequestRefusedError: the server refuses; the message says why.
            TurnEndedError: the turn was stopped or is over.
            TypeError: the arguments are not JSON.
        """
        plain = plain_json(dict(arguments or {}), most=MAX_REQUEST)
        if len(self._requests) >= MAX_OPEN_REQUESTS:
            raise RequestRefusedError(
                f"`{kind}`: {MAX_OPEN_REQUESTS} requests of this turn are open. Await some first."
            )
        request = TurnRequest(next(self._request_ids), kind, plain)
        answer: Future[Any] = Future()
        self._requests[request.id] = answer
        try:
            # After it is registered: a turn that ends meanwhile, in another thread, settles it.
            if self._ended:
                raise TurnEndedError
            self._emit(TurnRequested(self.id, request))
            return await asyncio.wrap_future(answer)
        finally:
            if self._requests.pop(request.id, None) is not None and not self._ended:
                self._emit(RequestWithdrawn(self.id, request.id))

    def answer(self, answer: TurnAnswer) -> None:
        """Settle a request that is open. Safe in any thread."""
        if answer.error is None:
            self._settle(answer.request_id, answer.value)
        else:
            self._settle(answer.request_id, RequestRefusedError(answer.error))

    def _settle(self, request_id: int, outcome: Any) -> None:
        waiting = self._requests.pop(request_id, None)
        if waiting is None or not waiting.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Exception):
            waiting.set_exception(outcome)
        else:
            waiting.set_result(outcome)

    # -- the chat around it -----------------------------------------------------------------

    def history(
        self, *, max_messages: int | None = None, max_tokens: int | None = None
    ) -> list[BaseMessage]:
        """Return the chat so far, ending with the message to answer, as LangChain messages.

        The persona's system prompt comes first. Of the messages there are the newest
        ``max_messages`` with at most ``max_tokens`` together, which are counted approximately;
        the message to answer is whole. The operator's bounds are the defaults; there are never
        more than 200 messages, or as many as the operator shows.
        """
        entries = self._entries(max_messages, max_tokens)
        return to_langchain(entries, system_prompt=self._spec.system_prompt)

    def _entries(
        self, max_messages: int | None = None, max_tokens: int | None = None
    ) -> Sequence[HistoryEntry]:
        spec = self._spec
        return newest(
            spec.history,
            max_messages=spec.history_messages if max_messages is None else max_messages,
            max_tokens=spec.history_tokens if max_tokens is None else max_tokens,
        )

    async def load_attachments(self) -> None:
        """Ask the server what is attached to the message, for :meth:`attachments`.

        Raises:
            TurnEndedError: the turn was stopped or is over.
        """
        if not self._spec.message.attachments:
            return
        try:
            found = await self.request("attachments.list")
        except RequestRefusedError as error:
            self._attachments = AttachmentError(str(error))
        else:
            self._attachments = Attachments(Attachment.from_json(each) for each in found)

    def attachments(self) -> Attachments:
        """Return what is attached to the message. Each lies below the server's root directory.

        Raises:
            AttachmentError: one lies elsewhere, or there are no files; the message says so.
        """
        if isinstance(self._attachments, AttachmentError):
            raise self._attachments
        return self._attachments

    @property
    def workspace(self) -> TurnWorkspace:
        """The notebooks and files of the server, and what goes with the message."""
        message = self._spec.message
        return TurnWorkspace(
            self.request,
            body=message.body,
            has_attachments=bool(message.attachments),
            has_earlier=bool(earlier_attachments(self._entries())),
        )

    def link(self, path: str, *, line: int | None = None, cell: str | None = None) -> str:
        """Return the URL that opens a file or folder in JupyterLab, at a line or a cell.

        ``path`` is relative to the server's root, ``line`` counts from 1. In a terminal, where
        there is no server, it is the path, with ``:12`` for a line.
        """
        return lab_url(self._spec.base_url, path, line=line, cell=cell)

    def workspace_dir(self) -> Path | None:
        """Return the server's root directory, or ``None`` if it is no directory."""
        return Path(self._spec.root_dir) if self._spec.root_dir is not None else None


def _is_forgotten(stream: Coroutine[Any, Any, Any]) -> bool:
    return inspect.getcoroutinestate(stream) == inspect.CORO_CREATED


def reply_id(turn_id: str, number: int) -> str:
    """Return the message id of the ``number``-th reply (from 1) of a turn."""
    return f"{turn_id}-{number}"
