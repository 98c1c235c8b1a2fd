"""How a reply is written: opened, grown, finished; one transaction a flush for all of a chat."""

from __future__ import annotations

import logging
import time
from asyncio import TimerHandle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from uuid import uuid4
from weakref import WeakSet

from jupyter_ai_personas.chat.markdown import closing_fence
from jupyter_ai_personas.chat.messages import METADATA_KEY, ReplyState
from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.chat.room import Chat, Insert, Restore, Update, Write
from jupyter_ai_personas.text import well_formed

__all__ = ["GrowingReply", "Pacer", "ReplyWriter", "Scheduler"]

MOST_TRIES = 5
"""How often a reply is written that the document refuses."""

NEARLY_DUE = 0.005
"""Seconds before its time in which a flush is made at once, rather than wake the loop again."""


class Scheduler(Protocol):
    """What the writer needs of an event loop."""

    def time(self) -> float:
        """Return monotonic seconds."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> TimerHandle:
        """Call ``callback`` after ``delay`` seconds."""


@dataclass(slots=True)
class Pacer:
    """What all chats of a server share: the policy, and how busy the event loop is.

    ``processor_time`` is of the loop's thread: it sees all that a transaction causes there.
    """

    scheduler: Scheduler
    policy: Pacing = field(default_factory=Pacing)
    processor_time: Callable[[], float] = time.thread_time
    stretch: float = 1.0
    lag: float = 0.0
    flushes: int = 0
    bytes_written: int = 0
    writing: WeakSet[ReplyWriter] = field(default_factory=WeakSet)
    """Those of chats in which replies grow."""
    _looked_at: float = 0.0
    _used: float = 0.0
    _slot: float = 0.0

    def pause(self, chars: int) -> float:
        """Return the seconds until a chat with ``chars`` of growing bodies is flushed again."""
        return self.policy.pause(chars=chars, stretch=self.stretch, lag=self.lag)

    def next_slot(self) -> float:
        """Return when the chat that asks may write: what chats write keeps apart."""
        spacing = self.policy.space(chats=len(self.writing), stretch=self.stretch)
        self._slot = max(self.scheduler.time(), self._slot + spacing)
        return self._slot

    @property
    def slowdown(self) -> float:
        """How much longer than on an idle server replies of usual length pause; at least 1."""
        if not self.writing:
            return 1.0  # what was found when the last one ended is old
        return self.pause(self.policy.eager_chars) / self.policy.interval

    def flushed(self, *, late: float, size: int) -> None:
        """Note a flush: how late it came (seconds), how many bytes of bodies it wrote."""
        self.flushes += 1
        self.bytes_written += size
        self.lag += (max(0.0, late) - self.lag) / 4
        now = self.scheduler.time()
        passed = now - self._looked_at
        if passed >= self.policy.interval:
            used = self.processor_time()
            self.stretch = self.policy.adapt(self.stretch, (used - self._used) / passed)
            self._looked_at, self._used = now, used


class GrowingReply:
    """A reply that is being written. Get one from :meth:`ReplyWriter.open`."""

    def __init__(
        self,
        writer: ReplyWriter,
        message_id: str,
        sender: str,
        metadata: Mapping[str, Any],
        *,
        rewrite: bool,
    ) -> None:
        self.id = message_id
        self.sender = sender
        self.state: ReplyState = "streaming"
        self.chars = 0
        self._writer = writer
        self._metadata = dict(metadata)
        self._parts: list[str] = []
        self._inserted = rewrite
        self._stale = False
        self._refused = 0

    @property
    def body(self) -> str:
        """The text so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def metadata(self) -> dict[str, Any]:
        """Our metadata as it stands."""
        return {**self._metadata, "state": self.state}

    def append(self, text: str, *, more: bool = False) -> None:
        """Add ``text``. Costs what its own size costs; it is written with the next flush.

        ``more`` says that :meth:`finish` follows at once: then nothing is written for this.
        """
        if not text or self.state != "streaming":
            return
        self._parts.append(well_formed(text))
        self.chars += len(text)
        self._stale = True
        if not more:
            self._writer._grew(self)

    def restart(self) -> None:
        """Forget the text so far, and what is shown of it: the turn begins anew."""
        self._parts = []
        self.chars = 0
        self._stale = self._inserted
        if self._stale:
            self._writer._write([self], late=0.0)

    def finish(self, state: ReplyState, *, note: str = "", **metadata: Any) -> None:
        """Write the rest at once and leave the reply in the final ``state``.

        ``note`` is a paragraph to add; ``metadata`` is added to ours.
        """
        if self.state != "streaming":
            return
        if note := well_formed(note):
            body = self.body
            lines = [*([body] if body else []), *filter(None, [closing_fence(body)])]
            self._parts = ["\n".join([*lines, *([""] if lines else []), note])]
        self.state = state
        self._metadata.update(metadata)
        self._stale = True
        self._writer._finished(self)

    def _write(self) -> Write:
        self._stale = False
        if self._inserted:
            final = self.state != "streaming"
            return Update(self.id, self.body, self.metadata if final else None)
        self._inserted = True
        return Insert(self.id, self.sender, self.body, self.metadata)


class ReplyWriter:
    """Writes the replies of one chat.

    The first text of a reply and its end are written at once, by themselves; what comes between is
    gathered, and one transaction writes all replies of the chat that grew.
    """

    def __init__(
        self,
        chat: Chat,
        pacer: Pacer,
        *,
        log: logging.Logger,
        on_gone: Callable[[GrowingReply], None] = lambda reply: None,
    ) -> None:
        """``on_gone`` is called for a reply whose message a person deleted while it grew."""
        self._chat = chat
        self._pacer = pacer
        self._log = log
        self._on_gone = on_gone
        self._growing: dict[str, GrowingReply] = {}
        self._timer: TimerHandle | None = None
        self._due = 0.0

    def open(
        self,
        sender: str,
        metadata: Mapping[str, Any],
        *,
        message_id: str | None = None,
        rewrite: bool = False,
    ) -> GrowingReply:
        """Begin a reply, with the id ``message_id`` if one is given.

        Its message appears with its first text, or when it is finished. With ``rewrite`` the
        message exists already, as for a retry, and is emptied at once.
        """
        message_id = message_id or str(uuid4())
        reply = GrowingReply(self, message_id, sender, metadata, rewrite=rewrite)
        self._growing[reply.id] = reply
        self._pacer.writing.add(self)
        if rewrite:
            self._flush([Update(message_id, "", reply.metadata)], late=0.0)
        return reply

    def post(
        self, sender: str, body: str, metadata: Mapping[str, Any], *, message_id: str | None = None
    ) -> str:
        """Write a complete message, at once, and return its id."""
        message_id = message_id or str(uuid4())
        self._flush([Insert(message_id, sender, well_formed(body), metadata)], late=0.0)
        return message_id

    def holds(self, message_id: str) -> bool:
        """Return whether the chat has that message, and nobody has deleted it."""
        message = self._chat.get(message_id)
        return message is not None and not message.deleted

    def withdraw(self, reply: GrowingReply) -> None:
        """Delete the message of a reply that has nothing to say any more, as a person would."""
        reply.state = "stopped"
        self._let_go(reply)
        raw = self._chat.raw(reply.id)
        if raw is not None:
            metadata = {**(raw.get("metadata") or {}), METADATA_KEY: reply.metadata}
            gone = Restore({**raw, "metadata": metadata, "body": "", "deleted": True})
            self._flush([gone], late=0.0)

    @property
    def growing(self) -> list[GrowingReply]:
        """The replies that are not finished."""
        return list(self._growing.values())

    def move_to(self, chat: Chat) -> None:
        """Write to ``chat`` from now on: the same chat, opened anew. What it lacks is written."""
        self._chat = chat
        for reply in self._growing.values():
            reply._inserted = chat.get(reply.id) is not None
            reply._stale = reply._stale or reply.chars > 0
        self._flush_growing(late=0.0)

    def _grew(self, reply: GrowingReply) -> None:
        if not reply._inserted and not reply._refused:
            self._write([reply], late=0.0)
        elif self._timer is None and reply._refused < MOST_TRIES:
            wait = self._due - self._pacer.scheduler.time()
            self._arm(wait if wait > NEARLY_DUE else 0.0)

    def _finished(self, reply: GrowingReply) -> None:
        self._write([reply], late=0.0)

    def _let_go(self, reply: GrowingReply) -> None:
        self._growing.pop(reply.id, None)
        if not self._growing:
            self._pacer.writing.discard(self)
            self._disarm()

    def _arm(self, delay: float) -> None:
        self._due = self._pacer.scheduler.time() + delay
        self._timer = self._pacer.scheduler.call_later(delay, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        now = self._pacer.scheduler.time()
        late = now - self._due
        wait = self._pacer.next_slot() - now
        if wait > 0:
            flush = partial(self._flush_growing, late=late)
            self._timer = self._pacer.scheduler.call_later(wait, flush)
        else:
            self._flush_growing(late=late)

    def _flush_growing(self, *, late: float) -> None:
        self._disarm()
        self._write([reply for reply in self._growing.values() if reply._stale], late=late)

    def _write(self, replies: list[GrowingReply], *, late: float) -> None:
        gone = self._flush([reply._write() for reply in replies], late=late) if replies else []
        if self._timer is None:
            chars = sum(reply.chars for reply in self._growing.values())
            self._due = self._pacer.scheduler.time() + self._pacer.pause(chars)
        for reply in replies:
            if gone is None:
                self._was_refused(reply)
                continue
            reply._refused = 0
            if reply.state != "streaming":
                self._let_go(reply)
            elif reply.id in gone:
                self._on_gone(reply)

    def _was_refused(self, reply: GrowingReply) -> None:
        reply._inserted = self._chat.get(reply.id) is not None
        reply._stale = True
        reply._refused += 1
        if reply._refused < MOST_TRIES:
            if self._timer is None:
                self._arm(self._pacer.pause(reply.chars))
        elif reply.state != "streaming":
            # The ledger has it, and puts it back when the chat is opened again.
            self._let_go(reply)

    def _flush(self, writes: list[Write], *, late: float) -> list[str] | None:
        try:
            gone: list[str] | None = self._chat.apply(writes)
        except Exception:
            # A document that refuses a write must not end the turns of the chat.
            self._log.exception("Chat %s could not be written", self._chat.path)
            gone = None
        size = sum(_size(w.body or "") for w in writes if not isinstance(w, Restore))
        self._pacer.flushed(late=late, size=size)
        return gone


def _size(body: str) -> int:
    return len(body) if body.isascii() else len(body.encode(errors="surrogatepass"))
