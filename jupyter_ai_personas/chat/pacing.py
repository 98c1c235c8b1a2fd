"""When is a growing reply written next? A pure policy.

A body is a string, so each flush writes all of it: bytes grow with the number of flushes times
the length. A document transaction costs the server milliseconds whatever its size, most of them
after it has returned (clients, update store, saving), and makes every browser render the body
again; measured there, about four flushes a second show text sooner than twenty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Pacing"]


@dataclass(frozen=True, slots=True)
class Pacing:
    """The flush policy; all times in seconds, sizes in characters.

    ``interval`` is the pause while text flows. A reply's first ``eager_chars`` flow after
    ``eager_interval``, so that a short answer does not seem to hesitate. A body so long that it
    would pass ``chars_per_second`` is written less often. When the server's event loop works for
    more than ``share`` of the time, pauses stretch until it does not; none is longer than
    ``longest``. Transactions of different chats keep ``spacing`` apart, as long as all have their
    place within a pause: what follows each (clients, update store) goes on for about that long,
    other requests come in between, and the update stores of rooms, which wait for one another's
    locks, seldom meet.
    """

    interval: float = 0.25
    eager_interval: float = 0.1
    eager_chars: int = 200
    chars_per_second: float = 400_000
    share: float = 0.5
    longest: float = 2.0
    spacing: float = 0.008

    def pause(self, *, chars: int, stretch: float = 1.0, lag: float = 0.0) -> float:
        """Return how long to wait after a flush before the next one.

        ``chars`` is the size of all bodies that grow in the chat, ``stretch`` what
        :meth:`adapt` says, ``lag`` by how much the event loop was late. The last two are the
        same for all chats: under load all slow down evenly.
        """
        flow = self.eager_interval if chars < self.eager_chars else self.interval
        by_size = chars / self.chars_per_second
        return min(max(flow * stretch, by_size, 2 * lag), self.longest)

    def space(self, *, chats: int, stretch: float = 1.0) -> float:
        """Return how far apart transactions are when replies grow in so many chats."""
        return min(self.spacing, self.interval * stretch / max(chats, 1))

    def adapt(self, stretch: float, busy: float) -> float:
        """Return the next ``stretch``, at least 1, given how busy the event loop was with it.

        ``busy`` is the processor time of the loop's thread as a share of the time that passed. The
        square root damps: what a longer pause brings is seen one pause later.
        """
        factor = math.sqrt(max(busy, 0.0) / self.share)
        return min(max(stretch * factor, 1.0), self.longest / self.interval)
