"""Gives messages that arrive the server's time, and the position that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_ai_personas.chat.messages import RECENT, decode_message
from jupyter_ai_personas.chat.mirror import Mirror

__all__ = ["Reordering", "index_by_time", "reorder", "stamp"]


@dataclass(frozen=True, slots=True)
class Reordering:
    """Ascending positions in a chat: ``indexes`` to stamp, and ``moving`` among them to move.

    The messages at ``moving`` go, in order, behind the message that is at ``after`` now.
    """

    indexes: Sequence[int]
    moving: Sequence[int]
    after: int


def reorder(
    order: Sequence[str],
    stamps: Mapping[str, float | None],
    now: float,
    time_at: Callable[[int], float],
) -> Reordering:
    """Return where the messages in ``stamps`` are in ``order``, and which of them must move.

    A client that was offline inserts its messages where the chat ended for it. A new message, with
    the stamp ``None``, belongs behind all messages from before ``now``, the server's time in
    seconds, and before those with a later time, as in the chat library. A message that has a
    stamp stays where it is. ``time_at`` returns the time of the message at a position.

    The cost grows with the distance between the end of the chat and the first of the messages. If
    all of the last messages have a later time, since a clock was put back, nothing moves.
    """
    wanted = set(stamps)
    indexes: list[int] = []
    after = -1
    first = len(order) - RECENT
    for index in range(len(order) - 1, -1, -1):
        if not wanted and (after >= 0 or index < first):
            break
        id_ = order[index]
        if id_ in wanted:
            wanted.discard(id_)
            indexes.append(index)
        is_new = stamps.get(id_, now) is None
        if after < 0 and not is_new and index >= first and time_at(index) < now:
            after = index
    indexes.reverse()
    moving = [index for index in indexes if index < after and stamps[order[index]] is None]
    return Reordering(indexes, moving, after)


def stamp(mirror: Mirror, stamps: Mapping[str, float | None], now: float) -> None:
    """Write the time of the messages in ``stamps``, ``None`` for ``now``, and move the new ones.

    Call it inside a transaction.
    """
    found = reorder(mirror.order, stamps, now, mirror.time_at)
    for index in found.indexes:
        known = stamps[mirror.order[index]]
        mirror.set_time(index, now if known is None else known)
    mirror.move(found.moving, found.after)


def index_by_time(mirror: Mirror, raw: Mapping[str, Any]) -> int:
    """Return where a raw message belongs by its time, near the end of the chat."""
    message, order = decode_message(raw), mirror.order
    index = len(order)
    while message is not None and index > max(0, len(order) - RECENT):
        before = mirror.recent.get(order[index - 1])
        if before is None or before.time <= message.time:
            break
        index -= 1
    return index
