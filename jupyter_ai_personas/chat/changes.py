"""Applies others' changes of a chat document to the mirror and returns the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.chat.messages import (
    RECENT,
    Message,
    content_of,
    decode_message,
    is_duplicate,
)
from jupyter_ai_personas.chat.mirror import Mirror
from jupyter_ai_personas.chat.protocol import (
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
)
from jupyter_ai_personas.chat.shared_types import id_of, plain

__all__ = ["Splice", "forget", "read_array", "read_message", "refresh"]


@dataclass(frozen=True, slots=True)
class Splice:
    """A change of the array of messages.

    ``unstamped`` are the messages that arrived without a server's time: by id, the time that a
    known one had before, ``None`` for a new one. ``duplicates`` are the ids that several messages
    have now: by id, which of them, counted in their order, have just arrived. ``removed`` are the
    ids that the document does not hold any more.
    """

    events: Sequence[ChatEvent]
    unstamped: Mapping[str, float | None]
    duplicates: Mapping[str, Set[int]]
    removed: Sequence[str]


def read_array(mirror: Mirror, delta: Iterable[Mapping[str, Any]]) -> Splice:
    """Mirror the messages that an array event's ``delta`` inserted and removed.

    If several messages have one id, the mirror keeps the one that it knows. Removed messages stay
    mirrored until :func:`forget`.
    """
    index = 0
    deleted: list[str] = []
    arrived: list[tuple[Message, Mapping[str, Any]]] = []
    inserted_at: set[int] = set()
    for step in delta:
        if "retain" in step:
            index += step["retain"]
        elif "delete" in step:
            end = index + int(step["delete"])
            deleted += mirror.order[index:end]
            del mirror.order[index:end]
        elif "insert" in step:
            raw_messages = [plain(item) for item in step["insert"]]
            end = index + len(raw_messages)
            mirror.order[index:index] = [id_of(raw) for raw in raw_messages]
            inserted_at.update(range(index, end))
            arrived += [(m, raw) for raw in raw_messages if (m := decode_message(raw)) is not None]
            index = end
    mirror.release(deleted)
    unstamped = {
        message.id: _known_time(mirror, message)
        for message, raw in arrived
        if raw.get("raw_time", True)
    }
    events, duplicate_ids = _arrived(mirror, arrived)
    there = {"", *mirror.order} if deleted else set()
    return Splice(
        events=events,
        unstamped=unstamped,
        duplicates={
            id_: {number for number, index in enumerate(indexes) if index in inserted_at}
            for id_, indexes in (mirror.indexes(duplicate_ids) if duplicate_ids else {}).items()
        },
        removed=[id_ for id_ in deleted if id_ not in there],
    )


def _known_time(mirror: Mirror, message: Message) -> float | None:
    """Return the time that a message had before it was brought back; ``None`` if it is new."""
    if message.id not in mirror.known:
        return None
    known = mirror.recent.get(message.id, message)
    return known.time if is_duplicate(known, message) else None


def _arrived(
    mirror: Mirror, arrived: Iterable[tuple[Message, Mapping[str, Any]]]
) -> tuple[list[ChatEvent], set[str]]:
    """Mirror what arrived; return the events, and the ids that several messages have now."""
    events: list[ChatEvent] = []
    duplicate_ids: set[str] = set()
    counts: Counter[str] | None = None
    for message, raw in arrived:
        if message.id in mirror.known:
            counts = counts or Counter(mirror.order)
            if counts[message.id] > 1:
                duplicate_ids.add(message.id)  # `merge_duplicates` chooses one of them
                continue
        events += _inserted(mirror, message, raw)
    return events, duplicate_ids


def _inserted(mirror: Mirror, message: Message, raw: Any) -> list[ChatEvent]:
    before = mirror.recent.get(message.id)
    mirror.recent[message.id] = message
    mirror.remember(message.id, raw)
    if message.id not in mirror.known:
        mirror.known.add(message.id)
        return [MessagePosted(message)]
    # Moved, or brought back by a reload: no new message.
    return [] if before is None else _difference(before, message)


def read_message(mirror: Mirror, index: int) -> list[ChatEvent]:
    """Mirror the message at ``index``, of which a field changed; return the events."""
    raw = plain(mirror.array[index])
    id_, message = id_of(raw), decode_message(raw)
    events = _renamed(mirror, index, id_) if id_ != mirror.order[index] else []
    before = mirror.recent.get(id_)
    if message is None:
        return events + forget(mirror, id_)
    if id_ not in mirror.known:
        return events + _inserted(mirror, message, raw)  # it has become readable
    if before is not None and before.sender != message.sender and mirror.order.count(id_) > 1:
        return events  # somebody else's message with an id that is in use
    if id_ in mirror.raw_messages:
        mirror.remember(id_, raw)
    # An older message stays out of the mirror, unless it was unreadable until now.
    if before is not None or index >= len(mirror.order) - RECENT:
        mirror.recent[id_] = message
    return events + _difference(before, message)


def _renamed(mirror: Mirror, index: int, id_: str) -> list[ChatEvent]:
    old, mirror.order[index] = mirror.order[index], id_
    mirror.release([old])
    mirror.raw_messages.pop(old, None)
    return forget(mirror, old) if mirror.index(old) is None else []


def refresh(mirror: Mirror, index: int) -> list[ChatEvent]:
    """Mirror the message at ``index``, which we changed for others; return the events."""
    raw = plain(mirror.array[index])
    message = decode_message(raw)
    if message is None:
        return []
    before = mirror.recent.get(message.id)
    mirror.recent[message.id] = message
    mirror.remember(message.id, raw)
    return [] if before is None else _difference(before, message)


def forget(mirror: Mirror, id_: str) -> list[ChatEvent]:
    """Drop a message that the document does not hold any more; return the events."""
    mirror.raw_messages.pop(id_, None)
    message = mirror.recent.pop(id_, None)
    return [MessageDeleted(message)] if message is not None and not message.deleted else []


def _difference(before: Message | None, now: Message) -> list[ChatEvent]:
    if now.deleted:
        return [] if before is not None and before.deleted else [MessageDeleted(before or now)]
    if before is None or content_of(before) != content_of(now):
        return [MessageEdited(now)]
    return []
