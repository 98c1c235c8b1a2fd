"""The protocol of a chat, through which the runtime reads, observes and writes.

Two classes implement it: ``DocumentChat`` over a collaborative ``YChat``, and
:class:`~jupyter_ai_personas.chat.in_memory.MemoryChat`. One test suite covers both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from jupyter_ai_personas.chat.messages import Attachment, Message, OpenTurn, User

__all__ = [
    "Append",
    "Chat",
    "ChatEvent",
    "Insert",
    "Listener",
    "MessageDeleted",
    "MessageEdited",
    "MessagePosted",
    "Restore",
    "Update",
    "Write",
]


@dataclass(frozen=True, slots=True)
class MessagePosted:
    """The chat holds a message with an id that it has not held before."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """The body or the mentions of a known message changed, or the state of a known reply.

    ``message`` is the message after the change.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A known message was deleted; ``message`` is the message before the deletion."""

    message: Message


ChatEvent = MessagePosted | MessageEdited | MessageDeleted
Listener = Callable[[ChatEvent], None]


@dataclass(frozen=True, slots=True)
class Insert:
    """Add a message at the end of the chat. ``metadata`` is our part (see :class:`Message`).

    ``beside`` is what the message's metadata has beside our part, by key.

    The body of a ``live`` message is a shared text: an :class:`Append` then sends only what it
    adds. The stock front end shows such a body only after an :class:`Update` of it, which makes
    it a plain string.
    """

    id: str
    sender: str
    body: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mentions: tuple[str, ...] = ()
    live: bool = False
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Append:
    """Add ``text`` to the end of the body of a message that exists.

    Writes ``text`` alone if the body is live (see :class:`Insert`). A plain body is written whole
    and becomes live.
    """

    id: str
    text: str

    def applied_to(self, message: Message) -> Message:
        """Return ``message`` after this write."""
        return replace(message, body=message.body + self.text)


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the body, our metadata, or both, of a message that exists.

    The new body is a plain string, also if the old one was live. Without a new body, a live one
    stays live unless the state becomes final. Metadata ``beside`` our part is set by key, and
    removed by ``None``; other keys stay.
    """

    id: str
    body: str | None = None
    metadata: Mapping[str, Any] | None = None
    beside: Mapping[str, Any] = field(default_factory=dict)

    def applied_to(self, message: Message) -> Message:
        """Return ``message`` after this write."""
        return replace(
            message,
            body=message.body if self.body is None else self.body,
            metadata=message.metadata if self.metadata is None else dict(self.metadata),
        )


@dataclass(frozen=True, slots=True)
class Restore:
    """Write a message as :meth:`Chat.raw` returned it: plain JSON with an ``id``.

    A message that exists gets these fields, except for its time. A missing one is inserted at the
    position that its time gives, together with the entries that it refers to.
    """

    raw: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The message's id."""
        return str(self.raw["id"])


Write = Insert | Append | Update | Restore


class Chat(Protocol):
    """One chat. Call every method on the event loop that owns the chat; none blocks."""

    @property
    def id(self) -> str:
        """The stable id of the chat; restarts and renames do not change it."""

    @property
    def path(self) -> str:
        """The current path of the chat's file, relative to the server's root."""

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` for each change by others from now on, in place of an earlier one.

        Messages that the chat holds already cause no events, nor do our own writes
        (:meth:`apply`). The listener must neither block nor write.
        """

    def close(self) -> None:
        """End the subscription. The chat can still be read and written."""

    def get(self, message_id: str) -> Message | None:
        """Return the message, or ``None`` if the chat does not hold it."""

    def raw(self, message_id: str) -> dict[str, Any] | None:
        """Return the message as plain JSON for :class:`Restore`, or ``None``."""

    def before(self, message_id: str | None, limit: int) -> list[Message]:
        """Return up to ``limit`` messages before ``message_id`` (``None``: the end), in order.

        The cost grows with ``limit``, not with the length of the chat.
        """

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """Apply all ``writes`` in one transaction.

        Returns the ids of the messages that an :class:`Append` or :class:`Update` did not find,
        or found deleted: those are not written.
        """

    def user(self, username: str) -> User | None:
        """Return a user of the chat, or ``None``."""

    def register(self, users: Sequence[User], *, owned_prefix: str) -> None:
        """Write ``users`` into the chat, in at most one transaction.

        Users whose name begins with ``owned_prefix`` and who are not among ``users`` are no
        longer offered for mentioning.
        """

    @property
    def shows_live(self) -> bool:
        """Whether every client shows a live body while it grows (see :class:`Insert`)."""

    def watch_clients(self, listener: Callable[[], None]) -> None:
        """Call ``listener``, which must not block, when :attr:`shows_live` may have changed.

        A later call replaces the listener.
        """

    def people(self) -> set[str]:
        """Return the usernames of the persons who are present or have written."""

    def attachments(self, ids: Iterable[str]) -> list[Attachment]:
        """Return the attachments with these ids; unknown ids are left out."""

    def set_status(self, user: User, text: str | None, turns: Iterable[OpenTurn] = ()) -> None:
        """Show that ``user`` is writing, with ``text``; ``None`` clears it.

        ``turns`` are those that run or wait; the front end hears of them at the same time.
        """

    def setting(self, name: str) -> Any:
        """Return a setting of ours that the chat holds, or ``None``."""

    def set_setting(self, name: str, value: Any) -> None:
        """Store a setting of ours (JSON) in the chat; ``None`` removes it."""

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the chat but for our part, as plain JSON by key."""

    def set_metadata(self, name: str, value: Any) -> None:
        """Store ``value`` (JSON) in the chat's metadata, not in our part; ``None`` removes it."""
