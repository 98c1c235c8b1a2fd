"""A chat that is a collaborative document (``jupyterlab_chat.ychat.YChat``).

Reads come from a mirror of the messages, and writes go through the maps that the mirror knows,
since the document's own accessors convert every message on each call. Own writes are not observed:
an event computes the position of the change, which costs more in a longer chat.

Messages that arrive get the server's time, and the position that belongs to it. The library does
this too, but it converts all messages for each, uses positions that may have changed, and loses
messages that it moves. So this class replaces that step while it observes the document.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from inspect import signature
from typing import Any

from pycrdt import Text

from jupyter_ai_personas.chat.changes import forget, read_array, read_message
from jupyter_ai_personas.chat.duplicates import merge_duplicates
from jupyter_ai_personas.chat.messages import (
    GROWING_STATES,
    METADATA_KEY,
    Message,
    decode_message,
)
from jupyter_ai_personas.chat.mirror import Mirror
from jupyter_ai_personas.chat.ordering import index_by_time, stamp
from jupyter_ai_personas.chat.participants import Participants
from jupyter_ai_personas.chat.protocol import (
    Append,
    ChatEvent,
    Insert,
    Listener,
    MessagePosted,
    Restore,
    Update,
    Write,
)
from jupyter_ai_personas.chat.related_entries import (
    RELATED_ENTRIES,
    restore_related_entries,
    with_related_entries,
)
from jupyter_ai_personas.chat.shared_types import id_of, metadata_of

__all__ = ["DocumentChat"]


class _Observer:
    """Calls a function with the events; pycrdt asks for its signature at each subscription."""

    __signature__ = signature(lambda events: None)

    def __init__(self, on_change: Callable[[list[Any]], None]) -> None:
        self._on_change = on_change

    def __call__(self, events: list[Any]) -> None:
        self._on_change(events)


class DocumentChat(Participants):
    """The protocol :class:`~jupyter_ai_personas.chat.protocol.Chat` over a ``YChat``."""

    def __init__(
        self, ychat: Any, *, log: logging.Logger, connections: Callable[[], int] = lambda: 0
    ) -> None:
        """``connections`` returns how many clients are connected; see :attr:`shows_live`."""
        super().__init__(ychat, connections)
        self._doc = ychat.ydoc
        self._mirror = Mirror(ychat.ymessages)
        self._log = log
        self._listener: Listener | None = None
        self._observer = _Observer(self._on_change)
        self._subscription: Any = None
        self._library_stamps = False
        # Messages that arrived in this loop iteration: see `Splice.unstamped`.
        self._unstamped: dict[str, float | None] = {}

    @property
    def id(self) -> str:
        """The id in the chat's metadata."""
        return str(self._ychat.get_id())

    @property
    def path(self) -> str:
        """The path of its file, from the server's file-id service."""
        return str(self._ychat.get_path())

    @property
    def document(self) -> Any:
        """The ``YChat``, to tell one document from another."""
        return self._ychat

    # -- observing --------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> None:
        """See :meth:`Chat.subscribe`."""
        self._listener = listener
        if self._subscription is not None:
            return
        self._mirror.load()
        self._subscription = self._mirror.array.observe_deep(self._observer)
        self.watch_newcomers()
        # The library stamps what arrived before this, in the next iteration, and may drop some.
        self._library_stamps = True
        self._ychat._schedule_callback(self._library_is_done)
        self._ychat._schedule_callback = self._schedule
        counts = Counter(self._mirror.order)
        if duplicates := {id_: set[int]() for id_, count in counts.items() if count > 1}:
            self._schedule(self._merge_duplicates, duplicates)

    def close(self) -> None:
        """See :meth:`Chat.close`."""
        if self._subscription is not None:
            self._mirror.array.unobserve(self._subscription)
            # The library's own again.
            self._ychat.__dict__.pop("_schedule_callback", None)
        self.unwatch_newcomers()
        self._subscription = None
        self._listener = None
        self._mirror.maps.clear()

    def restore_dropped(self, raw_messages: Iterable[Any]) -> None:
        """Restore what the library dropped while it loaded ``raw_messages`` from the file."""
        there = set(self._mirror.order)
        dropped = [raw for raw in raw_messages if decode_message(raw) and id_of(raw) not in there]
        if dropped:
            self._log.warning("%d messages were dropped in loading; restored", len(dropped))
            self.apply(Restore(raw) for raw in dropped)

    def _schedule(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call ``callback`` in the next iteration; replaces the library's method."""
        if getattr(callback, "__name__", "") != "_set_timestamp":  # see _stamp
            type(self._ychat)._schedule_callback(callback, *args)

    def _library_is_done(self) -> None:
        self._library_stamps = False

    def _on_change(self, events: list[Any]) -> None:
        # Runs inside the transaction of the writer; an exception would surface there.
        changes: list[ChatEvent] = []
        try:
            for event in events:
                if path := event.path:
                    changes += read_message(self._mirror, path[0])
                else:
                    changes += self._on_array(event.delta)
        except Exception:
            self._log.exception("A change of chat %s could not be read", self._ychat.path)
            # Read everything again: the positions of later changes would be wrong.
            changes += [MessagePosted(message) for message in self._mirror.load()]
        self._emit(changes)

    def _on_array(self, delta: Iterable[Mapping[str, Any]]) -> list[ChatEvent]:
        splice = read_array(self._mirror, delta)
        events = list(splice.events)
        for id_ in splice.removed:
            raw = self._mirror.raw_messages.pop(id_, None)
            if raw is not None and self._library_stamps:
                # `YChat._set_timestamp` pops the message at a former position, and may
                # fail to insert it. Writes inside an observer fail: restore it afterwards.
                self._schedule(self._restore_removed, id_, raw)
            else:
                events += forget(self._mirror, id_)
        if splice.duplicates:
            self._schedule(self._merge_duplicates, splice.duplicates)
        if splice.unstamped:
            if not self._unstamped:
                self._schedule(self._stamp, time.time())
            self._unstamped.update(splice.unstamped)
        self._mirror.prune()
        return events

    def _emit(self, events: Iterable[ChatEvent]) -> None:
        for event in events:
            try:
                if self._listener is not None:
                    self._listener(event)
            except Exception:
                self._log.exception("A change of chat %s could not be handled", self._ychat.path)

    # -- writes that follow a change --------------------------------------------------------

    def _stamp(self, now: float) -> None:
        """Give the messages that have arrived since ``now`` the server's time and position."""
        stamps, self._unstamped = self._unstamped, {}
        if self._subscription is None:
            return
        try:
            with self._transaction():
                stamp(self._mirror, stamps, now)
        except Exception:
            self._log.exception("New messages of chat %s could not be stamped", self._ychat.path)
            self._mirror.load()

    def _merge_duplicates(self, arrived: Mapping[str, Set[int]]) -> None:
        if self._subscription is not None:
            with self._transaction():
                events = merge_duplicates(self._mirror, arrived)
            self._emit(events)

    def _restore_removed(self, id_: str, raw: dict[str, Any]) -> None:
        if id_ in self._mirror.order or self._subscription is None:
            return
        self._log.warning("Message %s was dropped when it was stamped; restored", id_)
        if raw.get("raw_time", True):
            raw = {**raw, "time": time.time()}
        self.apply([Restore(raw)])

    # -- reading ----------------------------------------------------------------------------

    def get(self, message_id: str) -> Message | None:
        """See :meth:`Chat.get`."""
        return self._mirror.get(message_id)

    def raw(self, message_id: str) -> dict[str, Any] | None:
        """See :meth:`Chat.raw`."""
        raw = self._mirror.raw(message_id)
        return None if raw is None else with_related_entries(self._ychat, raw)

    def before(self, message_id: str | None, limit: int) -> list[Message]:
        """See :meth:`Chat.before`."""
        return self._mirror.before(message_id, limit)

    # -- writing ----------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        observed = self._subscription is not None
        if observed:
            self._mirror.array.unobserve(self._subscription)
        is_written = False
        try:
            with self._doc.transaction():
                yield
                is_written = True
        except Exception:
            if not is_written:
                raise
            # The library's observer fails on an item without an id, after the write.
            self._log.debug("An observer of chat %s failed", self._ychat.path, exc_info=True)
        finally:
            if observed:
                self._subscription = self._mirror.array.observe_deep(self._observer)

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """See :meth:`Chat.apply`."""
        gone = []
        writes = list(writes)
        try:
            with self._transaction():
                for write in writes:
                    if isinstance(write, Insert):
                        self._insert(write)
                    elif isinstance(write, Restore):
                        self._restore(write)
                    elif not self._change(write):
                        gone.append(write.id)
        except Exception:
            self._mirror.load()
            raise
        self._mirror.release(write.id for write in writes if not self._is_growing(write.id))
        self._mirror.prune()
        return gone

    def _is_growing(self, id_: str) -> bool:
        message = self._mirror.recent.get(id_)
        return message is not None and message.state in GROWING_STATES

    def _insert(self, write: Insert) -> None:
        raw: dict[str, Any] = {
            "id": write.id,
            "type": "msg",
            "sender": write.sender,
            "body": write.body,
            "time": time.time(),
            # This is the server's time. Otherwise the library would stamp the message, which would
            # move it and convert all messages.
            "raw_time": False,
            "metadata": {**_set(write.beside), METADATA_KEY: dict(write.metadata)},
        }
        if write.mentions:
            raw["mentions"] = list(write.mentions)
        self._mirror.insert(raw, live=write.live)

    def _change(self, write: Append | Update) -> bool:
        message = self._mirror.get(write.id)
        map_ = None if message is None else self._mirror.map_of(write.id)
        if map_ is None or message is None or message.deleted:
            return False
        changed = write.applied_to(message)
        if isinstance(write, Append):
            body = map_.get("body")
            if isinstance(body, Text):
                body += write.text
            else:
                map_["body"] = Text(changed.body)
        else:
            is_final = changed.state not in GROWING_STATES
            if write.body is not None or (is_final and isinstance(map_.get("body"), Text)):
                map_["body"] = changed.body
            if write.metadata is not None or write.beside:
                ours = {} if write.metadata is None else {METADATA_KEY: dict(write.metadata)}
                map_["metadata"] = {**_set({**metadata_of(map_), **write.beside}), **ours}
        self._mirror.wrote(changed, map_)
        return True

    def _restore(self, write: Restore) -> None:
        raw = {key: value for key, value in write.raw.items() if key != RELATED_ENTRIES}
        restore_related_entries(self._ychat, write.raw.get(RELATED_ENTRIES))
        index = self._mirror.index(write.id)
        if index is None:
            raw["raw_time"] = False
            self._mirror.insert(raw, index_by_time(self._mirror, raw))
            self._mirror.remember(write.id, raw)
            return
        map_ = self._mirror.overwrite(index, raw)
        if (message := decode_message(map_.to_py())) is not None:
            self._mirror.recent[write.id] = message
            self._mirror.raw_messages.pop(write.id, None)


def _set(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is left of ``metadata`` where ``None`` stands for no such key."""
    return {key: value for key, value in metadata.items() if value is not None}
