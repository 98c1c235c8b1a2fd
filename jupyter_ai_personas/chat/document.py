"""A chat that is a collaborative document (``jupyterlab_chat.ychat.YChat``).

The document's own accessors convert every message on each call and find a message by walking to
its index. So this room keeps a mirror: the ids in the document's order, kept up to date from the
deltas of the array, and the last few hundred messages, decoded. A turn reads the mirror and writes
through the map that it inserted; neither costs more in a longer chat. What this room writes it
does not observe: an event computes the place of what changed, and that does cost more.

Messages that come get the server's time, and their place by that. The library does this as well,
one message after the other, by places that may be others' by then, converting all messages for
each, and loses what it has to move: so this room does it instead, for as long as it observes.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pycrdt import Array, Map

from jupyter_ai_personas.chat.duplicates import content_of, is_duplicate, precedence
from jupyter_ai_personas.chat.messages import (
    METADATA_KEY,
    RECENT,
    Message,
    decode_message,
)
from jupyter_ai_personas.chat.ordering import arrival
from jupyter_ai_personas.chat.participants import Participants
from jupyter_ai_personas.chat.protocol import (
    ChatEvent,
    Insert,
    Listener,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Restore,
    Update,
    Write,
)
from jupyter_ai_personas.chat.related_entries import (
    RELATED_ENTRIES,
    metadata_of,
    restore_related_entries,
    with_related_entries,
)
from jupyter_ai_personas.chat.related_entries import plain as _plain

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DocumentChat"]


class DocumentChat(Participants):
    """The seam :class:`~jupyter_ai_personas.chat.protocol.Chat` over a ``YChat``."""

    def __init__(self, ychat: Any, *, log: logging.Logger) -> None:
        """Mirror ``ychat``."""
        super().__init__(ychat)
        self._doc = ychat.ydoc
        self._array: Array[Any] = ychat.ymessages
        self._log = log
        self._listener: Listener | None = None
        self._subscription: Any = None
        self._order: list[str] = []
        self._known: set[str] = set()
        self._recent: dict[str, Message] = {}
        self._maps: dict[str, Map[Any]] = {}
        # As they are in the document, of those that came last.
        self._raws: dict[str, dict[str, Any]] = {}
        self._library_stamps = False
        # Those that came in this turn of the loop; of those that were there before, their time.
        self._unstamped: dict[str, float | None] = {}

    @property
    def id(self) -> str:
        """The id that the chat's metadata holds."""
        return str(self._ychat.get_id())

    @property
    def path(self) -> str:
        """The path of its file as the server's file-id service knows it."""
        return str(self._ychat.get_path())

    @property
    def document(self) -> Any:
        """The ``YChat``, to tell one document from another."""
        return self._ychat

    # -- observing --------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> None:
        """See :meth:`Chat.subscribe`."""
        self._listener = listener
        self._mirror()
        self._subscription = self._array.observe_deep(self._on_change)
        self.watch_newcomers()
        # What came before this is re-stamped by the library, at once, and may be dropped by it.
        self._library_stamps = True
        self._ychat._schedule_callback(self._library_is_done)
        self._ychat._schedule_callback = self._schedule
        twice = {id_: set[int]() for id_, times in Counter(self._order).items() if times > 1}
        if twice:
            self._schedule(self._drop_copies, twice)

    def _library_is_done(self) -> None:
        self._library_stamps = False

    def restore_dropped(self, raws: Iterable[Any]) -> None:
        """Put back what re-stamping dropped while ``raws``, the file's messages, were loaded."""
        there = set(self._order)
        lost = [raw for raw in raws if decode_message(raw) and _id_of(raw) not in there]
        if lost:
            self._log.warning(
                "%d messages were dropped while they were loaded; put back", len(lost)
            )
            self.apply(Restore(raw) for raw in lost)

    def _schedule(self, callback: Callable[..., Any], *args: Any) -> None:
        """Let the library call ``callback`` after the change that it observes now."""
        if getattr(callback, "__name__", "") != "_set_timestamp":  # see _stamp
            type(self._ychat)._schedule_callback(callback, *args)

    def _stamp(self, now: float) -> None:
        """Give messages that came since ``now`` that as their time, and their place by it."""
        stamps, self._unstamped = self._unstamped, {}
        if self._subscription is None:
            return
        found = arrival(self._order, stamps, now, self._time_at)
        try:
            with self._transaction():
                for place in found.places:
                    known = stamps[self._order[place]]
                    self._set_time(place, now if known is None else known)
                self._move(found.moving, found.behind)
        except Exception:
            self._log.exception("What came in chat %s could not be stamped", self._ychat.path)
            self._mirror()

    def _time_at(self, index: int) -> float:
        message = self._recent.get(self._order[index]) or self._decode_at(index)
        return message.time if message is not None else 0.0

    def _set_time(self, index: int, seconds: float) -> None:
        id_, stamp = self._order[index], {"time": seconds, "raw_time": False}
        self._map_at(index).update(stamp)
        if (message := self._recent.get(id_)) is not None:
            self._recent[id_] = replace(message, time=seconds)
        if id_ in self._raws:
            self._raws[id_] = {**self._raws[id_], **stamp}

    def _move(self, places: Sequence[int], behind: int) -> None:
        ids = [self._order[place] for place in places]
        maps = [Map(dict(_plain(self._array[place]))) for place in places]
        for place in reversed(places):
            del self._array[place], self._order[place]
        start = behind + 1 - len(places)
        for index, map_ in enumerate(maps, start):
            self._array.insert(index, map_)
        self._order[start:start] = ids
        for id_ in ids:
            self._maps.pop(id_, None)

    def close(self) -> None:
        """See :meth:`Chat.close`."""
        if self._subscription is not None:
            self._array.unobserve(self._subscription)
            # The library's own again.
            self._ychat.__dict__.pop("_schedule_callback", None)
        self.unwatch_newcomers()
        self._subscription = None
        self._listener = None
        self._maps.clear()

    def _mirror(self) -> None:
        """Mirror the document as it is."""
        raws = self._read_all()
        self._order = [_id_of(raw) for raw in raws]
        self._known.update(self._order)
        self._recent = {m.id: m for raw in raws[-RECENT:] if (m := decode_message(raw)) is not None}
        self._raws = {id_: dict(raw) for raw in raws[-RECENT:] if (id_ := _id_of(raw))}
        self._maps.clear()

    def _read_all(self) -> list[Any]:
        # The whole array as JSON takes microseconds a message; item by item it is quadratic.
        try:
            raws = json.loads(str(self._array))
        except ValueError:
            raws = [_plain(item) for item in self._array]
        return list(raws or [])

    def _on_change(self, events: list[Any]) -> None:
        # Runs inside the transaction of whoever wrote; an exception would surface there.
        out: list[ChatEvent] = []
        try:
            for event in events:
                path: list[Any] = event.path
                if path:
                    self._on_nested(path[0], out)
                else:
                    self._on_array(event, out)
        except Exception:
            self._log.exception("A change of chat %s could not be read", self._ychat.path)
            # Otherwise all that comes later would be taken for what is at another place.
            known = self._known.copy()
            self._mirror()
            out += [MessagePosted(m) for m in self._recent.values() if m.id not in known]
        self._tell(out)

    def _tell(self, changes: Iterable[ChatEvent]) -> None:
        for change in changes:
            try:
                if self._listener is not None:
                    self._listener(change)
            except Exception:
                self._log.exception("A change of chat %s could not be handled", self._ychat.path)

    def _on_array(self, event: Any, out: list[ChatEvent]) -> None:
        index = 0
        removed: list[str] = []
        arrived: list[tuple[Message, Any]] = []
        inserted: set[str] = set()
        came_at: set[int] = set()
        stamps: dict[str, float | None] = {}
        for step in event.delta:
            if "retain" in step:
                index += step["retain"]
            elif "delete" in step:
                count = int(step["delete"])
                removed += self._order[index : index + count]
                del self._order[index : index + count]
            elif "insert" in step:
                raws = [_plain(item) for item in step["insert"]]
                ids = [_id_of(raw) for raw in raws]
                self._order[index:index] = ids
                inserted.update(ids)
                came_at.update(range(index, index + len(ids)))
                index += len(ids)
                arrived += [(m, raw) for raw in raws if (m := decode_message(raw)) is not None]
        for message, raw in arrived:
            if raw.get("raw_time", True):
                known = self._recent.get(message.id, message) if message.id in self._known else None
                is_back = known is not None and is_duplicate(known, message)
                stamps[message.id] = known.time if known is not None and is_back else None
        for id_ in removed:
            self._maps.pop(id_, None)
        twice = self._arrive(arrived, out)
        for id_ in removed:
            if id_ and id_ not in inserted and self._index(id_) is None:
                self._on_removed(id_, out)
        if twice:
            places = self._places_of(twice)
            came = {id_: {k for k, p in enumerate(places[id_]) if p in came_at} for id_ in twice}
            self._schedule(self._drop_copies, came)
        if stamps:
            if not self._unstamped:
                self._schedule(self._stamp, time.time())
            self._unstamped.update(stamps)
        self._prune()

    def _arrive(self, arrived: Sequence[tuple[Message, Any]], out: list[ChatEvent]) -> set[str]:
        """Take up what was inserted; return the ids of which there are several now."""
        counts: Counter[str] | None = None
        twice: set[str] = set()
        for message, raw in arrived:
            if message.id in self._known and counts is None:
                counts = Counter(self._order)
            if message.id in self._known and counts is not None and counts[message.id] > 1:
                twice.add(message.id)  # which of them counts is found out later
            else:
                self._on_inserted(message, raw, out)
        return twice

    def _places_of(self, ids: Collection[str]) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {id_: [] for id_ in ids}
        for place, id_ in enumerate(self._order):
            if id_ in places:
                places[id_].append(place)
        return places

    def _prune(self) -> None:
        # Twice as many are held before that, so that it costs little each time.
        for kept in (self._recent, self._raws):
            if len(kept) > 2 * RECENT:
                for id_ in list(kept)[:-RECENT]:
                    del kept[id_]

    def _on_inserted(self, message: Message, raw: Any, out: list[ChatEvent]) -> None:
        before = self._recent.get(message.id)
        self._recent[message.id] = message
        self._remember(message.id, raw)
        if message.id not in self._known:
            self._known.add(message.id)
            out.append(MessagePosted(message))
        elif before is not None:
            # Moved, or brought back by a reload: no new message.
            self._compare(before, message, out)

    def _remember(self, id_: str, raw: Any) -> None:
        self._raws.pop(id_, None)
        if isinstance(raw, Mapping) and id_:
            self._raws[id_] = dict(raw)

    def _on_removed(self, id_: str, out: list[ChatEvent]) -> None:
        raw = self._raws.pop(id_, None)
        if raw is not None and self._library_stamps:
            # `YChat._set_timestamp` pops whatever is at the index of a message by then, and inserts
            # it at one that may be out of range. Nobody writes inside an observer, so it is put
            # back afterwards.
            self._schedule(self._put_back, id_, raw)
        else:
            self._forget(id_, out)

    def _forget(self, id_: str, out: list[ChatEvent]) -> None:
        message = self._recent.pop(id_, None)
        if message is not None and not message.deleted:
            out.append(MessageDeleted(message))

    def _put_back(self, id_: str, raw: dict[str, Any]) -> None:
        if id_ in self._order or self._subscription is None:
            return
        self._log.warning("Message %s was dropped while it was re-stamped; put back", id_)
        if raw.get("raw_time", True):
            raw = {**raw, "time": time.time()}
        self.apply([Restore(raw)])

    def _drop_copies(self, came: Mapping[str, Set[int]]) -> None:
        """Make one of the copies of a message that came back while it had been put back.

        A browser that stayed open brings back what the server lost. The message stays where it was
        before; ``came`` tells by id which of the copies, in their order, have just come. Different
        messages that a clumsy client gave one id are left alone.
        """
        if self._subscription is None:
            return
        out: list[ChatEvent] = []
        surplus: list[int] = []
        with self._transaction():
            for id_, places in self._places_of(came).items():
                there = next((k for k in range(len(places)) if k not in came[id_]), 0)
                message = self._decode_at(places[there]) if places else None
                if message is None:
                    continue
                copies = {places[there]: message}
                for place in places[:there] + places[there + 1 :]:
                    other = self._decode_at(place)
                    if other is not None and is_duplicate(message, other):
                        copies[place] = other
                # Of equals the first, which is the one that was there.
                best = max(copies, key=lambda place: precedence(copies[place]))
                # What grows now is written by us, whatever a browser holds of it.
                grows = id_ in self._maps
                if best != places[there] and (not grows or copies[best].deleted):
                    self._overwrite(places[there], _plain(self._array[best]))
                if grows:
                    self._maps[id_] = self._map_at(places[there])
                if len(copies) > 1:
                    self._take_up(places[there], out)
                    surplus += list(copies)[1:]
            for place in sorted(surplus, reverse=True):
                del self._array[place], self._order[place]
        self._tell(out)

    def _take_up(self, place: int, out: list[ChatEvent]) -> None:
        """Mirror the message at ``place`` as it is."""
        raw = _plain(self._array[place])
        if (message := decode_message(raw)) is not None:
            before = self._recent.get(message.id)
            self._recent[message.id] = message
            self._remember(message.id, raw)
            if before is not None:
                self._compare(before, message, out)

    def _on_nested(self, index: int, out: list[ChatEvent]) -> None:
        raw = _plain(self._array[index])
        id_, message = _id_of(raw), decode_message(raw)
        if id_ != self._order[index]:
            self._rename(index, id_, out)
        before = self._recent.get(id_)
        if message is None:
            self._forget(id_, out)
        elif id_ not in self._known:
            self._on_inserted(message, raw, out)  # it has become readable
        elif before is not None and before.sender != message.sender and self._is_twice(id_):
            return  # somebody else's message under an id that is in use changes nothing about it
        else:
            if id_ in self._raws:
                self._remember(id_, raw)
            # One from before the mirror stays out of it, unless it was unreadable until now.
            if before is not None or index >= len(self._order) - RECENT:
                self._recent[id_] = message
            self._compare(before, message, out)

    def _is_twice(self, id_: str) -> bool:
        return self._order.count(id_) > 1

    def _rename(self, index: int, id_: str, out: list[ChatEvent]) -> None:
        old, self._order[index] = self._order[index], id_
        self._maps.pop(old, None)
        self._raws.pop(old, None)
        if self._index(old) is None:
            self._forget(old, out)

    def _compare(self, before: Message | None, now: Message, out: list[ChatEvent]) -> None:
        if now.deleted:
            if before is None or not before.deleted:
                out.append(MessageDeleted(before or now))
        elif before is None or content_of(before) != content_of(now):
            out.append(MessageEdited(now))

    # -- reading ----------------------------------------------------------------------------

    def get(self, message_id: str) -> Message | None:
        """See :meth:`Chat.get`."""
        message = self._recent.get(message_id)
        if message is None and message_id in self._known:
            index = self._index(message_id)
            message = None if index is None else self._decode_at(index)
        return message

    def raw(self, message_id: str) -> dict[str, Any] | None:
        """See :meth:`Chat.raw`."""
        raw = self._raws.get(message_id)
        if raw is None and (index := self._index(message_id)) is not None:
            raw = _plain(self._array[index])
        return with_related_entries(self._ychat, raw) if isinstance(raw, Mapping) else None

    def before(self, message_id: str | None, limit: int) -> list[Message]:
        """See :meth:`Chat.before`."""
        end = len(self._order) if message_id is None else self._index(message_id)
        found: list[Message] = []
        for index in range((end or 0) - 1, -1, -1):
            if len(found) >= limit:
                break
            message = self._recent.get(self._order[index])
            message = message or self._decode_at(index)
            if message is not None:
                found.append(message)
        return found[::-1]

    def _decode_at(self, index: int) -> Message | None:
        return decode_message(_plain(self._array[index]))

    def _index(self, message_id: str) -> int | None:
        # From the end: what is asked for is nearly always near it.
        order = self._order
        for index in range(len(order) - 1, -1, -1):
            if order[index] == message_id:
                return index
        return None

    # -- writing ----------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        observed = self._subscription is not None
        if observed:
            self._array.unobserve(self._subscription)
        is_written = False
        try:
            with self._doc.transaction():
                yield
                is_written = True
        except Exception:
            if not is_written:
                raise
            # The library's own observer, which cannot read what has no id, says so to who writes.
            self._log.debug("An observer of chat %s failed", self._ychat.path, exc_info=True)
        finally:
            if observed:
                self._subscription = self._array.observe_deep(self._on_change)

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """See :meth:`Chat.apply`."""
        gone = []
        writes = list(writes)
        try:
            with self._transaction():
                for write in writes:
                    if isinstance(write, Update):
                        if not self._update(write):
                            gone.append(write.id)
                    elif isinstance(write, Restore):
                        self._restore(write)
                    else:
                        self._insert(write)
        except Exception:
            self._mirror()
            raise
        for write in writes:
            message = self._recent.get(write.id)
            if message is None or message.state != "streaming":
                self._maps.pop(write.id, None)
        self._prune()
        return gone

    def _insert(self, write: Insert) -> None:
        fields: dict[str, Any] = {
            "id": write.id,
            "type": "msg",
            "sender": write.sender,
            "body": write.body,
            "time": time.time(),
            # Already the server's time: with this the library does not re-stamp the message,
            # which would move it and cost the conversion of all messages.
            "raw_time": False,
            "metadata": {METADATA_KEY: dict(write.metadata)},
        }
        if write.mentions:
            fields["mentions"] = list(write.mentions)
        self._append(write.id, fields)

    def _append(self, id_: str, fields: dict[str, Any], index: int | None = None) -> None:
        map_: Map[Any] = Map(fields)
        if index is None or index >= len(self._order):
            self._array.append(map_)
            self._order.append(id_)
        else:
            self._array.insert(index, map_)
            self._order.insert(index, id_)
        self._known.add(id_)
        self._maps[id_] = map_
        if (message := decode_message(fields)) is not None:
            self._recent[id_] = message

    def _restore(self, write: Restore) -> None:
        fields = {key: value for key, value in write.raw.items() if key != RELATED_ENTRIES}
        restore_related_entries(self._ychat, write.raw.get(RELATED_ENTRIES))
        index = self._index(write.id)
        if index is None:
            self._append(write.id, {**fields, "raw_time": False}, self._place(fields))
            self._remember(write.id, {**fields, "raw_time": False})
            return
        map_ = self._overwrite(index, fields)
        if (message := decode_message(map_.to_py())) is not None:
            self._recent[write.id] = message
            self._raws.pop(write.id, None)

    def _overwrite(self, index: int, fields: Mapping[str, Any]) -> Map[Any]:
        map_ = self._map_at(index)
        for key in fields.keys() - {"time", "raw_time"}:
            if _plain(map_.get(key)) != fields[key]:
                map_[key] = fields[key]
        return map_

    def _place(self, raw: Mapping[str, Any]) -> int:
        """Return where a message belongs by its time, near the end of the chat."""
        message = decode_message(raw)
        index = len(self._order)
        while message is not None and index > max(0, len(self._order) - RECENT):
            before = self._recent.get(self._order[index - 1])
            if before is None or before.time <= message.time:
                break
            index -= 1
        return index

    def _update(self, write: Update) -> bool:
        message = self.get(write.id)
        map_ = self._maps.get(write.id)
        if map_ is None and message is not None and (index := self._index(write.id)) is not None:
            map_ = self._map_at(index)
        if map_ is None or message is None or message.deleted:
            return False
        if write.body is not None:
            map_["body"] = write.body
        if write.metadata is not None:
            map_["metadata"] = {**metadata_of(map_), METADATA_KEY: dict(write.metadata)}
        self._maps[write.id] = map_
        self._recent[write.id] = write.applied_to(message)
        self._raws.pop(write.id, None)
        return True

    def _map_at(self, index: int) -> Map[Any]:
        item = self._array[index]
        if isinstance(item, Map):
            return item
        # The library's re-stamping leaves a plain dict, in which no key can be set.
        map_: Map[Any] = Map(dict(item))
        del self._array[index]
        self._array.insert(index, map_)
        return map_


def _id_of(raw: Any) -> str:
    id_ = raw.get("id") if isinstance(raw, Mapping) else None
    return id_ if isinstance(id_, str) else ""
