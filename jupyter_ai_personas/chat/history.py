"""The history that a model gets: the last messages of a chat, each with its speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING

from jupyter_ai_personas.chat.markdown import without_calls
from jupyter_ai_personas.chat.messages import GROWING_STATES, SYSTEM_ID, Attachment, Message
from jupyter_ai_personas.tokens import PER_MESSAGE, approximate_tokens

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from jupyter_ai_personas.chat.protocol import Chat

__all__ = [
    "MOST_MESSAGES",
    "BaseMessage",
    "HistoryEntry",
    "command_of",
    "earlier_attachments",
    "newest",
    "read_history",
    "to_langchain",
]

MOST_MESSAGES = 200
"""How many messages a persona may ask for, unless the operator shows more by default."""

_UNFINISHED = "[This message is still being written.]"

_LATER = 100
"""How many messages from the end of the chat are searched for replies to earlier ones."""

_FINISHED = frozenset({"done", "stopped"})
_SHOWN_STATES = _FINISHED | GROWING_STATES | {None}


@dataclass(slots=True)  # A turn makes 200 of them, and frozen ones take four times as long.
class HistoryEntry:
    """One message as plain data: by whom (``own``: by the persona that reads it), and what.

    ``unfinished``: it is a reply that still grows; ``body`` is what there is of it.
    ``attachments`` are those of a person's message. Nobody changes it.
    """

    speaker: str
    own: bool
    body: str
    id: str = ""
    unfinished: bool = False
    attachments: tuple[Attachment, ...] = ()


def read_history(
    chat: Chat,
    *,
    reader: str,
    until: Message,
    max_messages: int,
    max_chars: int,
    commands: frozenset[str] = frozenset(),
) -> tuple[HistoryEntry, ...]:
    """Return the history that the persona ``reader`` sees, ending with the message ``until``.

    It holds at most ``max_messages`` messages and ``max_chars`` characters, counted from the end;
    ``until`` is always whole. System lines, commands (:func:`command_of` in ``commands``), deleted
    messages and failed replies are left out. A reply follows the message that it answers, also if
    it comes after ``until`` in the chat: a person may ask twice in a row.
    """
    speaker = cache(lambda sender: _speaker(chat, sender))
    entries = [_entry(chat, until, reader, speaker)]
    remaining = max_chars - len(until.body)
    for message in reversed(_in_order(chat, until, max_messages)):
        if not is_shown(message, commands):
            continue
        remaining -= len(message.body)
        if remaining < 0 or len(entries) >= max_messages:
            break
        entries.append(_entry(chat, message, reader, speaker))
    return tuple(reversed(entries))


def _in_order(chat: Chat, until: Message, limit: int) -> list[Message]:
    """Return the messages before ``until``, each followed by the replies that come after it."""
    later = takewhile(lambda m: m.id != until.id, reversed(chat.before(None, _LATER)))
    replies: dict[str, list[Message]] = {}
    for message in reversed(list(later)):
        if message.by_persona and message.state in _FINISHED and message.reply_to:
            replies.setdefault(message.reply_to, []).append(message)
    earlier = chat.before(until.id, limit - 1)
    if not replies:
        return earlier
    found: list[Message] = []
    for message in earlier:
        found += [message, *replies.pop(message.id, ())]
    return found


def is_shown(message: Message, commands: frozenset[str]) -> bool:
    """Return whether a message is part of the conversation.

    Deleted ones, system lines, ``commands``, approvals and replies that failed are not.
    """
    body = message.body
    if message.deleted or not body or body.isspace() or message.sender == SYSTEM_ID:
        return False
    # Most messages without metadata are of persons, and all of them are shown.
    is_reply = bool(message.metadata) and message.by_persona
    if is_reply and (message.state not in _SHOWN_STATES or message.is_approval):
        return False
    # Nearly all messages begin with neither.
    return (body[0] != "/" and not body[0].isspace()) or command_of(body) not in commands


def command_of(body: str) -> str:
    """Return the command that a message may be: the first word of a line that begins with a slash.

    Case does not matter. Empty for any other message, such as one of several lines.
    """
    body = body.strip()
    return body.split(None, 1)[0].casefold() if body[:1] == "/" and "\n" not in body else ""


def _speaker(chat: Chat, sender: str) -> str:
    user = chat.user(sender)
    return user.shown_name if user is not None else sender


def _entry(
    chat: Chat, message: Message, reader: str, speaker: Callable[[str], str]
) -> HistoryEntry:
    name = speaker(message.sender)
    if message.by_persona:
        own, unfinished = message.sender == reader, message.state in GROWING_STATES
        return HistoryEntry(name, own, without_calls(message.body), message.id, unfinished)
    attached = tuple(chat.attachments(message.attachments)) if message.attachments else ()
    return HistoryEntry(name, False, message.body, message.id, attachments=attached)


def newest(
    history: Sequence[HistoryEntry], *, max_messages: int, max_tokens: int
) -> Sequence[HistoryEntry]:
    """Return the newest of ``history``: the last, and before it what fits both bounds.

    Tokens are counted approximately, those of the last message not at all.
    """
    room = max_tokens
    for count, entry in enumerate(reversed(history[:-1]), start=1):
        room -= approximate_tokens(entry.body) + PER_MESSAGE
        if room < 0 or count >= max_messages:
            return history[-count:]
    return history


def earlier_attachments(history: Sequence[HistoryEntry]) -> tuple[Attachment, ...]:
    """Return the attachments of all but the last message, the newest first.

    Of equal ones, and of those that the last message has as well, there is one.
    """
    if not history:
        return ()
    seen = {_part_of_file(attachment) for attachment in history[-1].attachments}
    found: dict[str, Attachment] = {}
    for entry in reversed(history[:-1]):
        for attachment in entry.attachments:
            if (part := _part_of_file(attachment)) not in seen:
                found.setdefault(part, attachment)
    return tuple(found.values())


def _part_of_file(attachment: Attachment) -> str:
    return repr(replace(attachment, id="", mimetype=None))


def to_langchain(history: Sequence[HistoryEntry], *, system_prompt: str = "") -> list[BaseMessage]:
    """Return ``history`` as LangChain messages.

    The reading persona's own replies are the assistant's. If more than one other speaker takes
    part, each message begins with its speaker's display name, since many vendors ignore or refuse
    the ``name`` field; the system prompt then says so.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    named = len({entry.speaker for entry in history if not entry.own}) > 1
    messages: list[BaseMessage] = []
    if named:
        system_prompt = (
            f"{system_prompt}\n\n" if system_prompt else ""
        ) + "Several people and assistants take part. Each message begins with its speaker's name."
    if system_prompt:
        messages.append(SystemMessage(content=system_prompt))
    for entry in history:
        body = f"{entry.speaker}: {entry.body}" if named and not entry.own else entry.body
        body += f"\n\n{_UNFINISHED}" if entry.unfinished else ""
        messages.append(AIMessage(content=body) if entry.own else HumanMessage(content=body))
    return messages
