"""Writes replies into a chat: one transaction for each flush writes all replies that grew."""

from __future__ import annotations

import logging
from asyncio import TimerHandle
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from jupyter_ai_personas.chat.growing_reply import GrowingReply
from jupyter_ai_personas.chat.messages import METADATA_KEY, ReplyState
from jupyter_ai_personas.chat.pacing import Pacer
from jupyter_ai_personas.chat.protocol import Append, Chat, Insert, Restore, Update, Write
from jupyter_ai_personas.text import well_formed

__all__ = ["ReplyWriter"]

MAX_TRIES = 5
"""How often the writer tries to write a reply that the document refuses."""


class ReplyWriter:
    """Writes the replies of one chat.

    The first text of a reply and its end are written at once; on a loaded server, first texts wait
    a moment and are written together. Later text is buffered.
    """

    def __init__(
        self,
        chat: Chat,
        pacer: Pacer,
        *,
        log: logging.Logger,
        on_gone: Callable[[GrowingReply], None] = lambda reply: None,
    ) -> None:
        """``on_gone`` is called for a growing reply whose message a person deleted."""
        self._chat = chat
        self._pacer = pacer
        self._log = log
        self._on_gone = on_gone
        self._growing: dict[str, GrowingReply] = {}
        self._timer: TimerHandle | None = None
        self._due = 0.0
        chat.watch_clients(self._on_clients)

    # -- one reply --------------------------------------------------------------------------

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
        reply = GrowingReply(message_id, sender, metadata, is_inserted=rewrite)
        self._growing[reply.id] = reply
        self._pacer.writing.add(self)
        if rewrite:
            self._flush([Update(message_id, "", reply.metadata)], late=0.0)
        return reply

    def append(self, reply: GrowingReply, text: str, *, more: bool = False) -> None:
        """Add ``text`` to a reply that is not finished; it is written with the next flush.

        With ``more``, :meth:`finish` follows at once: nothing is written for this call.
        """
        if not text or reply.state != "streaming":
            return
        reply.add(well_formed(text))
        if more:
            return
        self._soon(reply)

    def describe(self, reply: GrowingReply, beside: Mapping[str, Any]) -> None:
        """Set metadata of a growing reply beside our part; written with the next flush."""
        if reply.state == "streaming":
            reply.describe(beside)
            self._soon(reply)

    def _soon(self, reply: GrowingReply) -> None:
        if reply.refusals >= MAX_TRIES:
            return
        is_first = not reply.is_inserted and not reply.refusals
        if is_first and not self._pacer.is_loaded:
            self._write_with_others(reply)
            return
        now = self._pacer.clock.time()
        due = max(now, self._due)
        if is_first:
            due = min(due, now + self._pacer.policy.eager_interval)
        if self._timer is None or due < self._due:
            self._disarm()
            self._arm(due - now)

    def restart(self, reply: GrowingReply) -> None:
        """Empty a growing reply, also in the chat, for another attempt of its turn."""
        reply.clear()
        if reply.is_stale:
            self._write_with_others(reply)

    def finish(
        self, reply: GrowingReply, state: ReplyState, *, note: str = "", **metadata: Any
    ) -> None:
        """Write the rest of a reply at once, with the final ``state``.

        ``note`` is a paragraph to add; ``metadata`` is added to ours.
        """
        if reply.state == "streaming":
            reply.end(state, well_formed(note), metadata)
            self._write_with_others(reply)

    def wait(self, reply: GrowingReply, is_waiting: bool) -> None:
        """Show that a growing reply waits for a person, or does so no longer."""
        if reply.state == "streaming" and reply.is_waiting != is_waiting:
            reply.is_waiting = is_waiting
            if reply.is_inserted:
                reply.is_stale = True
                self._write_with_others(reply)

    def withdraw(self, reply: GrowingReply) -> None:
        """Delete the message of a growing reply, as a person would."""
        reply.state = "stopped"
        self._release(reply)
        raw = self._chat.raw(reply.id)
        if raw is not None:
            metadata = {**(raw.get("metadata") or {}), METADATA_KEY: reply.metadata}
            deletion = Restore({**raw, "metadata": metadata, "body": "", "deleted": True})
            self._flush([deletion], late=0.0)

    # -- the chat ---------------------------------------------------------------------------

    def post(self, sender: str, body: str, metadata: Mapping[str, Any]) -> str:
        """Write a complete message at once and return its id."""
        message_id = str(uuid4())
        self._flush([Insert(message_id, sender, well_formed(body), metadata)], late=0.0)
        return message_id

    def holds(self, message_id: str) -> bool:
        """Return whether the chat holds the message and it is not deleted."""
        message = self._chat.get(message_id)
        return message is not None and not message.deleted

    def knows(self, message_id: str) -> bool:
        """Return whether the chat has, or had, a message of that id."""
        return self._chat.get(message_id) is not None

    def move_to(self, chat: Chat) -> None:
        """Write to ``chat``, the same chat opened anew, and first the replies that it lacks."""
        self._chat = chat
        chat.watch_clients(self._on_clients)
        for reply in self._growing.values():
            reply.is_inserted = chat.get(reply.id) is not None
            reply.is_stale = reply.is_stale or reply.chars > 0
        self._flush_growing(late=0.0)

    # -- flushing ---------------------------------------------------------------------------

    def _arm(self, delay: float) -> None:
        self._due = self._pacer.clock.time() + delay
        self._timer = self._pacer.clock.call_later(delay, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        now = self._pacer.clock.time()
        late = now - self._due
        wait = self._pacer.next_slot() - now
        if wait > 0:
            flush = partial(self._flush_growing, late=late)
            self._timer = self._pacer.clock.call_later(wait, flush)
        else:
            self._flush_growing(late=late)

    def _write_with_others(self, reply: GrowingReply) -> None:
        """Write a reply now, and the others of the chat with it if they are short.

        A transaction costs the same for one as for all, and bytes only count in long bodies.
        """
        others = [one for one in self._growing.values() if one.is_stale and one is not reply]
        if sum(one.chars for one in others) > self._pacer.policy.joint_chars:
            self._write([reply], late=0.0)
            return
        self._disarm()
        self._write([reply, *others], late=0.0)

    def _flush_growing(self, *, late: float) -> None:
        self._disarm()
        self._write([reply for reply in self._growing.values() if reply.is_stale], late=late)

    def _on_clients(self) -> None:
        """Write live bodies as strings at once if a client came that does not show them."""
        if any(reply.is_live for reply in self._growing.values()) and not self._chat.shows_live:
            for reply in self._growing.values():
                reply.is_stale = reply.is_stale or reply.is_live
            self._disarm()
            self._arm(0.0)

    def _write(self, replies: list[GrowingReply], *, late: float) -> None:
        live = bool(replies) and self._chat.shows_live
        writes: list[Write] = []
        for reply in replies:
            there = self._chat.get(reply.id) if live and reply.is_inserted else None
            writes += reply.write(live=live, shown=None if there is None else there.body)
        gone = self._flush(writes, late=late) if writes else []
        if self._timer is None:
            self._due = self._pacer.clock.time() + self._pacer.pause(self._chars)
        for reply in replies:
            if gone is None:
                self._refused(reply)
                continue
            reply.refusals = 0
            if reply.state != "streaming":
                self._release(reply)
            elif reply.id in gone:
                self._on_gone(reply)

    @property
    def _chars(self) -> int:
        """The size that determines the pause: of a live body, at most ``eager_chars``."""
        eager = self._pacer.policy.eager_chars
        replies = self._growing.values()
        return sum(min(reply.chars, eager) if reply.is_live else reply.chars for reply in replies)

    def _refused(self, reply: GrowingReply) -> None:
        reply.is_inserted = self._chat.get(reply.id) is not None
        reply.is_stale = True
        reply.has_new_metadata = bool(reply.beside)
        reply.refusals += 1
        if reply.refusals < MAX_TRIES:
            if self._timer is None:
                self._arm(self._pacer.pause(reply.chars))
        elif reply.state != "streaming":
            # The ledger restores it when the chat is opened again.
            self._release(reply)

    def _release(self, reply: GrowingReply) -> None:
        self._growing.pop(reply.id, None)
        if not self._growing:
            self._pacer.writing.discard(self)
            self._disarm()

    def _flush(self, writes: list[Write], *, late: float) -> list[str] | None:
        """Apply ``writes``; return the ids that are gone, or ``None`` if the chat refused."""
        try:
            gone: list[str] | None = self._chat.apply(writes)
        except Exception:
            # A document that refuses a write must not end the turns of the chat.
            self._log.exception("Chat %s could not be written", self._chat.path)
            gone = None
        self._pacer.flushed(late=late, size=sum(map(_size, writes)))
        return gone


def _size(write: Write) -> int:
    """Return the bytes of the body that ``write`` carries; 0 for a :class:`Restore`."""
    if isinstance(write, Restore):
        return 0
    text = write.text if isinstance(write, Append) else write.body or ""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
