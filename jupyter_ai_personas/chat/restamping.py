"""What ``YChat`` does to messages that come: each gets the server's time, and its place by that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_ai_personas.chat.company import plain

__all__ = ["RESTAMPED_SINGLY", "Restamping", "id_of"]

RESTAMPED_SINGLY = 20
"""How many messages that came at once are moved; of more, each stays where it is."""


def id_of(raw: Any) -> str:
    """Return the id of a message as the document has it, or nothing."""
    id_ = raw.get("id") if isinstance(raw, Mapping) else None
    return id_ if isinstance(id_, str) else ""


class Restamping:
    """Gathers what the library means to re-stamp after a change, and lets ``restamp`` do it.

    The library goes by places, which may be others' by then, be it that many messages were put
    back before them: ``restamp`` gets ids with the server's time. And for each it converts all
    messages, which made the server stand still for a minute and a half when 2,000 came at once:
    so they come together, with the library's own function for a place and a time.
    """

    def __init__(
        self,
        ychat: Any,
        restamp: Callable[[Mapping[str, float], Callable[[int, float], None]], None],
    ) -> None:
        self._ychat = ychat
        self._restamp = restamp
        self._unstamped: dict[str, float] = {}

    def schedule(self, callback: Callable[..., Any], *args: Any) -> None:
        """Do what ``YChat._schedule_callback`` does."""
        schedule = type(self._ychat)._schedule_callback
        if getattr(callback, "__name__", "") != "_set_timestamp" or len(args) != 2:
            schedule(callback, *args)
            return
        id_ = id_of(plain(self._ychat.ymessages[args[0]]))
        if not id_:
            return  # nobody can read it, whenever it came
        if not self._unstamped:
            schedule(self._flush, callback)
        self._unstamped[id_] = args[1]

    def _flush(self, callback: Callable[[int, float], None]) -> None:
        unstamped, self._unstamped = self._unstamped, {}
        self._restamp(unstamped, callback)
