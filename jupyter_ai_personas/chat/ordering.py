"""Where messages belong that have just come: behind everything that was said before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jupyter_ai_personas.chat.messages import RECENT

__all__ = ["Arrival", "arrival"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Places in a chat, ascending: of the messages to stamp, and of those that have to move.

    Those that move go, in their order, between the message that is at ``behind`` now and what
    follows it.
    """

    places: Sequence[int]
    moving: Sequence[int]
    behind: int


def arrival(
    order: Sequence[str],
    stamps: Mapping[str, float | None],
    now: float,
    time_at: Callable[[int], float],
) -> Arrival:
    """Return where the messages in ``stamps`` are in ``order``, and which are out of place.

    Who writes offline writes where the chat ended then. A message that is new, with the stamp
    ``None``, belongs behind all that were there before ``now``, the server's time in seconds, and
    before those that claim to be of a later one, as the chat library has it. One that has a time
    already stays. ``time_at`` tells the time of the message at a place. Costs what lies between
    the end of the chat and the first of them; where a whole chat is of the future, since a clock
    was put back, nothing moves.
    """
    wanted = set(stamps)
    places: list[int] = []
    behind = -1
    first = len(order) - RECENT
    for place in range(len(order) - 1, -1, -1):
        if not wanted and (behind >= 0 or place < first):
            break
        id_ = order[place]
        if id_ in wanted:
            wanted.discard(id_)
            places.append(place)
        is_new = stamps.get(id_, now) is None
        if behind < 0 and not is_new and place >= first and time_at(place) < now:
            behind = place
    places.reverse()
    moving = [place for place in places if place < behind and stamps[order[place]] is None]
    return Arrival(places, moving, behind)
