"""The seam to a chat: what the runtime reads, observes and writes.

Two implementations stand behind it, one suite of tests runs over both: ``DocumentChat`` over a
collaborative ``YChat``, and :class:`~jupyter_ai_personas.chat.in_memory.MemoryChat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jupyter_ai_personas.chat.messages import Attachment, Message, User

__all__ = [
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
    """A message that this chat has not held before."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A known message whose body or mentions changed; ``message`` is how it stands now.

    Of a reply, also its state.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A known message was deleted; ``message`` is how it stood before."""

    message: Message


ChatEvent = MessagePosted | MessageEdited | MessageDeleted
Listener = Callable[[ChatEvent], None]


@dataclass(frozen=True, slots=True)
class Insert:
    """Append a message. ``metadata`` is our part (see :class:`Message`)."""

    id: str
    sender: str
    body: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the body, our metadata, or both, of a message that exists."""

    id: str
    body: str | None = None
    metadata: Mapping[str, Any] | None = None

    def applied_to(self, message: Message) -> Message:
        """Return ``message`` as it is after this."""
        return Message(
            id=message.id,
            sender=message.sender,
            body=message.body if self.body is None else self.body,
            time=message.time,
            mentions=message.mentions,
            attachments=message.attachments,
            edited=message.edited,
            metadata=message.metadata if self.metadata is None else dict(self.metadata),
        )


@dataclass(frozen=True, slots=True)
class Restore:
    """Make a message as it was: its fields as plain JSON, an ``id`` among them.

    What :meth:`Chat.raw` returned. A message that is there gets these fields, its time aside; one
    that is not goes where its time says, and what it refers to comes back with it.
    """

    raw: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The message's id."""
        return str(self.raw["id"])


Write = Insert | Update | Restore


class Chat(Protocol):
    """One chat. All calls are made on the event loop that owns it, and none blocks."""

    @property
    def id(self) -> str:
        """The stable id of the chat: it survives restarts and renames."""

    @property
    def path(self) -> str:
        """The path of its file relative to the server's root, as it is now."""

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` for what others change from now on.

        What the chat holds now is history. Own writes (:meth:`apply`) cause no events. The
        listener must neither block nor write.
        """

    def close(self) -> None:
        """End the subscription; the chat itself stays."""

    def get(self, message_id: str) -> Message | None:
        """Return the message as it stands, or ``None``."""

    def raw(self, message_id: str) -> dict[str, Any] | None:
        """Return the message with all that :class:`Restore` needs as plain JSON, or ``None``."""

    def before(self, message_id: str | None, limit: int) -> list[Message]:
        """Return up to ``limit`` messages before ``message_id`` (``None``: the end), in order.

        Costs what ``limit`` costs, not what the chat's length costs.
        """

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """Do all ``writes`` in one transaction; return the ids of messages that are gone.

        A message that a person deleted counts as gone: it is not written to.
        """

    def user(self, username: str) -> User | None:
        """Return a user of the chat, or ``None``."""

    def register(self, users: Sequence[User], *, owned_prefix: str) -> None:
        """Make ``users`` known to the chat, in at most one transaction.

        Users whose name begins with ``owned_prefix`` and who are not among ``users`` are no
        longer offered for mentioning.
        """

    def people(self) -> set[str]:
        """Return the usernames of the persons who are present or have written."""

    def attachments(self, ids: Iterable[str]) -> list[Attachment]:
        """Return the attachments with these ids; unknown ids are left out."""

    def set_status(self, user: User, text: str | None) -> None:
        """Show that ``user`` is writing, with ``text``; ``None`` clears it."""

    def setting(self, name: str) -> Any:
        """Return a setting of ours that the chat keeps, or ``None``."""

    def set_setting(self, name: str, value: Any) -> None:
        """Keep a setting of ours (JSON) in the chat; ``None`` removes it."""
