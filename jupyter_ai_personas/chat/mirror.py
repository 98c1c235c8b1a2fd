"""The messages of a chat document by id and by position, without converting them all.

A Y array finds an item by walking to its index and converts whatever it returns. The mirror holds
the ids in the document's order and the last few hundred messages, decoded. So neither reading the
end of a chat nor writing to a reply costs more in a longer chat.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pycrdt import Array, Map, Text

from jupyter_ai_personas.chat.messages import RECENT, Message, decode_message
from jupyter_ai_personas.chat.shared_types import id_of, plain

__all__ = ["Mirror"]


class Mirror:
    """A mirror of one array of messages.

    Own writes use the methods below, inside a transaction.
    :mod:`jupyter_ai_personas.chat.changes` brings the changes of others into the mirror.
    """

    def __init__(self, array: Array[Any]) -> None:
        self.array = array
        self.order: list[str] = []
        """The id of each item; empty for an item without one."""
        self.known: set[str] = set()
        """Every id that the document holds or has held."""
        self.recent: dict[str, Message] = {}
        """The last messages, decoded."""
        self.raw_messages: dict[str, dict[str, Any]] = {}
        """The last messages as plain JSON, but for those that have been written since."""
        self.maps: dict[str, Map[Any]] = {}
        """The maps of the replies that we are writing."""

    def load(self) -> list[Message]:
        """Mirror the array as it is; return those of the last messages that were unknown."""
        known, raw_messages = self.known.copy(), self._read_all()
        self.order = [id_of(raw) for raw in raw_messages]
        self.known.update(self.order)
        last = raw_messages[-RECENT:]
        self.recent = {m.id: m for raw in last if (m := decode_message(raw)) is not None}
        self.raw_messages = {id_: dict(raw) for raw in last if (id_ := id_of(raw))}
        self.maps.clear()
        return [message for message in self.recent.values() if message.id not in known]

    def _read_all(self) -> list[Any]:
        # The whole array as JSON takes microseconds a message; item by item it is quadratic.
        try:
            raw_messages = json.loads(str(self.array))
        except ValueError:
            raw_messages = [plain(item) for item in self.array]
        return list(raw_messages or [])

    def prune(self) -> None:
        """Drop older messages from the mirror."""
        # At double the size only: the cost for each message stays small.
        for held in (self.recent, self.raw_messages):
            if len(held) > 2 * RECENT:
                for id_ in list(held)[:-RECENT]:
                    del held[id_]

    # -- reading ----------------------------------------------------------------------------

    def get(self, id_: str) -> Message | None:
        """Return the message, or ``None``."""
        message = self.recent.get(id_)
        if message is None and id_ in self.known and (index := self.index(id_)) is not None:
            message = self.decode(index)
        return message

    def raw(self, id_: str) -> Mapping[str, Any] | None:
        """Return the message as plain JSON, or ``None``."""
        raw: Any = self.raw_messages.get(id_)
        if raw is None and (index := self.index(id_)) is not None:
            raw = plain(self.array[index])
        return raw if isinstance(raw, Mapping) else None

    def before(self, id_: str | None, limit: int) -> list[Message]:
        """Return up to ``limit`` messages before ``id_`` (``None``: the end), in order."""
        end = len(self.order) if id_ is None else self.index(id_)
        found: list[Message] = []
        for index in range((end or 0) - 1, -1, -1):
            if len(found) >= limit:
                break
            message = self.recent.get(self.order[index]) or self.decode(index)
            if message is not None:
                found.append(message)
        return found[::-1]

    def decode(self, index: int) -> Message | None:
        """Return the message at ``index``, read from the document."""
        return decode_message(plain(self.array[index]))

    def time_at(self, index: int) -> float:
        """Return the time of the message at ``index``; 0 if it has none."""
        message = self.recent.get(self.order[index]) or self.decode(index)
        return message.time if message is not None else 0.0

    def index(self, id_: str) -> int | None:
        """Return the last position of ``id_``, or ``None``."""
        # From the end: lookups are nearly always near it.
        order = self.order
        for index in range(len(order) - 1, -1, -1):
            if order[index] == id_:
                return index
        return None

    def indexes(self, ids: Collection[str]) -> dict[str, list[int]]:
        """Return the positions of each of ``ids``, ascending."""
        found: dict[str, list[int]] = {id_: [] for id_ in ids}
        for index, id_ in enumerate(self.order):
            if id_ in found:
                found[id_].append(index)
        return found

    # -- own writes -------------------------------------------------------------------------

    def insert(
        self, raw: Mapping[str, Any], index: int | None = None, *, live: bool = False
    ) -> None:
        """Insert a message at ``index``, by default at the end; a ``live`` body is a ``Text``."""
        id_ = str(raw["id"])
        map_: Map[Any] = Map({**raw, "body": Text(raw["body"])} if live else dict(raw))
        index = len(self.order) if index is None else index
        self.array.insert(index, map_)
        self.order.insert(index, id_)
        self.known.add(id_)
        self.maps[id_] = map_
        if (message := decode_message(raw)) is not None:
            self.recent[id_] = message

    def remember(self, id_: str, raw: Any) -> None:
        """Hold a message as plain JSON, as the last one."""
        self.raw_messages.pop(id_, None)
        if isinstance(raw, Mapping) and id_:
            self.raw_messages[id_] = dict(raw)

    def map_of(self, id_: str) -> Map[Any] | None:
        """Return the map of a message, or ``None``; at once for a reply that we are writing."""
        map_ = self.maps.get(id_)
        if map_ is None and id_ in self.known and (index := self.index(id_)) is not None:
            map_ = self.map_at(index)
        return map_

    def map_at(self, index: int) -> Map[Any]:
        """Return the map of the message at ``index``."""
        item = self.array[index]
        if isinstance(item, Map):
            return item
        # The library's re-stamping leaves a plain dict, in which no key can be set.
        map_: Map[Any] = Map(dict(item))
        del self.array[index]
        self.array.insert(index, map_)
        return map_

    def wrote(self, message: Message, map_: Map[Any]) -> None:
        """Hold ``message`` as it was written into ``map_``."""
        self.maps[message.id] = map_
        self.recent[message.id] = message
        self.raw_messages.pop(message.id, None)

    def overwrite(self, index: int, fields: Mapping[str, Any]) -> Map[Any]:
        """Write ``fields`` into the message at ``index``, except for its time; return its map."""
        map_ = self.map_at(index)
        for key in fields.keys() - {"time", "raw_time"}:
            value = map_.get(key)
            if isinstance(value, Text) or plain(value) != fields[key]:
                map_[key] = fields[key]
        return map_

    def set_time(self, index: int, seconds: float) -> None:
        """Write the server's time into the message at ``index``."""
        id_, stamp = self.order[index], {"time": seconds, "raw_time": False}
        self.map_at(index).update(stamp)
        if (message := self.recent.get(id_)) is not None:
            self.recent[id_] = replace(message, time=seconds)
        if id_ in self.raw_messages:
            self.raw_messages[id_] = {**self.raw_messages[id_], **stamp}

    def remove(self, indexes: Sequence[int]) -> None:
        """Remove the items at ``indexes``, which ascend."""
        for index in reversed(indexes):
            del self.array[index], self.order[index]

    def move(self, indexes: Sequence[int], after: int) -> None:
        """Move the messages at ``indexes``, which ascend, behind the one at ``after``."""
        ids = [self.order[index] for index in indexes]
        maps = [Map(dict(plain(self.array[index]))) for index in indexes]
        self.remove(indexes)
        start = after + 1 - len(indexes)
        for index, map_ in enumerate(maps, start):
            self.array.insert(index, map_)
        self.order[start:start] = ids
        self.release(ids)

    def release(self, ids: Iterable[str]) -> None:
        """Drop the maps of messages that are final or were replaced."""
        for id_ in ids:
            self.maps.pop(id_, None)
