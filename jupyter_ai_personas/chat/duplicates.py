"""Merges duplicates: messages that a browser brings back after they were restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from jupyter_ai_personas.chat.changes import refresh
from jupyter_ai_personas.chat.messages import FINAL_STATES, Message, is_duplicate
from jupyter_ai_personas.chat.mirror import Mirror
from jupyter_ai_personas.chat.protocol import ChatEvent
from jupyter_ai_personas.chat.shared_types import plain

__all__ = ["merge_duplicates", "precedence"]


def precedence(message: Message) -> tuple[bool, bool, bool, int]:
    """Return a key that is greatest for the duplicate whose content wins.

    A deleted one wins, then a final or decided one, then an edited one, then the longest.
    """
    return (
        message.deleted,
        message.state in FINAL_STATES or "decision" in message.metadata,
        message.edited,
        len(message.body),
    )


def merge_duplicates(mirror: Mirror, arrived: Mapping[str, Set[int]]) -> list[ChatEvent]:
    """Make one message of the duplicates with each of the ids in ``arrived``; return the events.

    The message keeps its position. ``arrived`` maps each id to the numbers, in document order, of
    the messages with this id that have just arrived. Different messages with one id do not change.
    Call it inside a transaction.
    """
    events: list[ChatEvent] = []
    surplus: list[int] = []
    for id_, indexes in mirror.indexes(arrived).items():
        former = next((n for n in range(len(indexes)) if n not in arrived[id_]), 0)
        message = mirror.decode(indexes[former]) if indexes else None
        if message is None:
            continue
        others = indexes[:former] + indexes[former + 1 :]
        duplicates = _duplicates(mirror, message, indexes[former], others)
        _merge(mirror, id_, indexes[former], duplicates)
        if len(duplicates) > 1:
            events += refresh(mirror, indexes[former])
            surplus += [index for index in duplicates if index != indexes[former]]
    mirror.remove(sorted(surplus))
    return events


def _duplicates(
    mirror: Mirror, message: Message, index: int, others: Sequence[int]
) -> dict[int, Message]:
    """Return the message at ``index`` and its duplicates at ``others``, by position."""
    found = {index: message}
    for other in others:
        candidate = mirror.decode(other)
        if candidate is not None and is_duplicate(message, candidate):
            found[other] = candidate
    return found


def _merge(mirror: Mirror, id_: str, index: int, duplicates: Mapping[int, Message]) -> None:
    """Write the content that wins into the message at ``index``."""
    # Among equals, the first wins: the one at ``index``.
    best = max(duplicates, key=lambda other: precedence(duplicates[other]))
    # We write a growing reply, so a browser's version of it counts only if it is deleted.
    grows = id_ in mirror.maps
    if best != index and (not grows or duplicates[best].deleted):
        mirror.overwrite(index, plain(mirror.array[best]))
    if grows:
        mirror.maps[id_] = mirror.map_at(index)
