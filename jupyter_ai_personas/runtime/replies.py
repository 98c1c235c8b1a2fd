"""Writes the output of one turn: events of its host become messages of the chat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_ai_personas.chat import GrowingReply, ReplyWriter
from jupyter_ai_personas.personas.wire import (
    HostEvent,
    MessageSent,
    ReplyClosed,
    ReplyDescribed,
    ReplyOpened,
    ReplyRewritten,
    TextDelta,
    UsageReported,
)
from jupyter_ai_personas.runtime.ledger import ReplySnapshot
from jupyter_ai_personas.runtime.outcome import Outcome
from jupyter_ai_personas.runtime.wording import SAID_NOTHING

__all__ = ["Replies"]


class Replies:
    """The replies of one turn, in the order in which it began them.

    ``rewrite`` is the id of an existing message that the first one replaces, as for a retry.
    ``links`` returns links to what was changed since it was called last, for the end of a reply.
    """

    def __init__(
        self,
        writer: ReplyWriter,
        *,
        sender: str,
        metadata: dict[str, Any],
        rewrite: str | None,
        links: Callable[[], str],
    ) -> None:
        self.usage: dict[str, Any] = {}
        self._began = time.monotonic()
        self._has_begun = False
        self.any = False
        self._writer = writer
        self._sender = sender
        self._metadata = metadata
        self._rewrite = rewrite
        self._links = links
        self._replies: dict[str, GrowingReply] = {}
        # Messages that a restart emptied; the next replies use them, in order.
        self._spares: list[GrowingReply] = []
        self.is_stale = False
        """Whether :meth:`so_far` has changed since it was called last."""
        self._is_waiting = False

    def begin(self) -> None:
        """Start the clock of :attr:`seconds`: the turn has its slot."""
        self._began = time.monotonic()
        self._has_begun = True

    @property
    def is_retry(self) -> bool:
        """Whether the turn replaces an earlier reply, and has not written into it yet."""
        return self._rewrite is not None

    def on_event(self, event: HostEvent) -> None:
        """Write an event with text, metadata or usage; ignore any other."""
        match event:
            case MessageSent(_, name, body):
                self._writer.append(self._get(name), body, more=True)
                self._writer.finish(self._get(name), "done", note=self._links(), **self._extra())
            case ReplyOpened(_, name, text) | TextDelta(_, name, text):
                self._writer.append(self._get(name), text)
            case ReplyRewritten(_, name, text):
                self._writer.restart(self._get(name))
                self._writer.append(self._get(name), text)
            case ReplyDescribed(_, name, metadata):
                self._writer.describe(self._get(name), metadata)
            case ReplyClosed(_, name):
                self._writer.finish(self._get(name), "done", note=self._links(), **self._extra())
            case UsageReported(_, usage):
                self.usage = _added(self.usage, usage)
                return
            case _:
                return
        self.is_stale = self.any = True

    def _get(self, name: str) -> GrowingReply:
        reply = self._replies.get(name)
        if reply is None:
            reply = self._spares.pop(0) if self._spares else self._open(name)
            self._replies[name] = reply
        return reply

    def _open(self, name: str) -> GrowingReply:
        rewrite, self._rewrite = self._rewrite, None
        reply = self._writer.open(
            self._sender,
            self._metadata,
            message_id=rewrite or self._message_id(name),
            rewrite=rewrite is not None,
        )
        self._writer.wait(reply, self._is_waiting)
        return reply

    def _message_id(self, name: str) -> str:
        """Return the id of a new message, which does not depend on the attempt.

        After a crash the ledger may know the turn, but not the ids of its messages.
        """
        turn_id = self._metadata["turn"]
        if not name.startswith(f"{turn_id}."):
            return name
        first = f"{turn_id}-{name.rpartition('-')[2]}"
        return name if self._writer.knows(first) else first  # a person may have deleted that

    @property
    def seconds(self) -> float:
        """Seconds since the turn's work began."""
        return time.monotonic() - self._began

    def _extra(self) -> dict[str, Any]:
        return {"usage": {**self.usage, "seconds": round(self.seconds, 2)}} if self.usage else {}

    @property
    def ids(self) -> list[str]:
        """The message ids of all replies, final or not."""
        return [reply.id for reply in [*self._replies.values(), *self._spares]]

    @property
    def growing(self) -> list[GrowingReply]:
        """The replies that are not final."""
        growing = [reply for reply in self._replies.values() if reply.state == "streaming"]
        return [*growing, *self._spares]

    def wait(self, is_waiting: bool) -> None:
        """Show that the turn waits for a person, or does so no longer."""
        self._is_waiting = is_waiting
        for reply in self.growing:
            self._writer.wait(reply, is_waiting)
        self.is_stale = True

    @property
    def written(self) -> list[tuple[str, str]]:
        """The message id and the body of each reply."""
        return [(reply.id, reply.body) for reply in self._replies.values()]

    def restart(self) -> None:
        """Empty all messages, also the complete ones, for another attempt to write into.

        A message that a person deleted stays deleted.
        """
        written = [*self._replies.values(), *self._spares]
        self._replies, self._spares = {}, []
        for reply in written:
            if reply.state == "streaming":
                self._writer.restart(reply)
                self._spares.append(reply)
            elif self._writer.holds(reply.id):
                anew = self._writer.open(
                    self._sender, self._metadata, message_id=reply.id, rewrite=True
                )
                self._spares.append(anew)
        self.is_stale = self.is_stale or bool(written)

    def finish(self, outcome: Outcome, *, fallback_id: str) -> None:
        """Bring every reply to its final state, and show the note, if any, in the first.

        Complete replies do not change. If all are complete, the note gets a message of its own with
        the id ``fallback_id``.
        """
        if not self._has_begun and self._rewrite != fallback_id:
            self._rewrite = None  # keep the earlier reply
        spares, self._spares = self._spares, []
        growing = self.growing
        # A silent retry must not keep the failure that it replaces, nor a restart an empty message.
        emptied = self._rewrite is not None or (bool(spares) and not self._replies)
        links = self._links()
        first_note = outcome.note or (SAID_NOTHING if emptied and not links else "")
        first_note = "\n\n".join(filter(None, [first_note, links]))
        if not growing and first_note:
            reply = spares.pop(0) if spares else self._open(fallback_id)
            growing = [self._replies.setdefault(reply.id, reply)]
        for i, reply in enumerate(growing):
            note = first_note if i == 0 else ""
            self._writer.finish(
                reply, outcome.state, note=note, **self._extra(), **outcome.metadata
            )
        for reply in spares:
            self._writer.withdraw(reply)

    def so_far(self) -> tuple[ReplySnapshot, ...]:
        """Return all replies for the ledger."""
        self.is_stale = False
        return tuple(
            ReplySnapshot(reply.id, reply.body, reply.shown_state, reply.metadata)
            for reply in [*self._replies.values(), *self._spares]
        )


def _added(before: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    total = dict(before)
    for key, value in more.items():
        known = total.get(key)
        total[key] = known + value if isinstance(known, int) and isinstance(value, int) else value
    return total
