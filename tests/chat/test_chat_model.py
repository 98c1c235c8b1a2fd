"""Random clients against the document, beside a plain list of what it ought to hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pycrdt import Map
from support.stages import DocumentStage, settle

from jupyter_ai_personas.chat import (
    PERSONA_PREFIX,
    Append,
    Insert,
    MessagePosted,
    Restore,
    Update,
    decode_message,
)

ECHO = PERSONA_PREFIX + "acme::Echo"
STREAMING = {"reply_to": "q", "turn": "t", "state": "streaming"}
DONE = {"reply_to": "q", "turn": "t", "state": "done"}

skews = st.sampled_from([-3600.0, -1.0, 0.0, 1.0, 3600.0])
anything = st.sampled_from([None, 5, "", "text", [1], {"a": 1}, True, 2.5])
fields = st.sampled_from(
    ["body", "sender", "time", "mentions", "metadata", "deleted", "edited", "attachments"]
)
places = st.floats(0, 1)


class DocumentMachine(RuleBasedStateMachine):
    """People, another server process's clumsy clients, the library's re-stamping, and ourselves."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.count = 0
        self.own: list[str] = []
        self.deleted: set[str] = set()
        self.spoiled: set[str] = set()
        self.nonsense: set[str] = set()
        self.removed: set[str] = set()

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        async def settled() -> None:
            await coroutine
            await settle()
            await settle()

        self.loop.run_until_complete(settled())

    @initialize(history=st.integers(0, 5))
    def begin(self, history: int) -> None:
        async def start() -> None:
            self.stage = DocumentStage()
            for n in range(history):
                self.stage.other.post(f"history {n}", id=self.new_id())
            await settle()
            self.history = {m.id for m in self.stage.seen}
            self.stage.subscribe()

        self.run(start())

    def new_id(self) -> str:
        self.count += 1
        return f"m{self.count}"

    def any_id(self, place: float) -> str | None:
        ids = [m.id for m in self.stage.seen]
        return ids[min(int(place * len(ids)), len(ids) - 1)] if ids else None

    # -- what happens -----------------------------------------------------------------------

    @rule(skew=skews, raw=st.booleans(), at_end=st.booleans())
    def a_person_posts(self, skew: float, raw: bool, at_end: bool) -> None:
        async def post() -> None:
            self.stage.other.post(
                "hi",
                at=None if at_end else 0,
                id=self.new_id(),
                time=time.time() + skew,
                raw_time=raw,
            )

        self.run(post())

    @rule(skews=st.lists(skews, min_size=2, max_size=4), before=st.booleans())
    def a_person_comes_back_online(self, skews: list[float], before: bool) -> None:
        async def post() -> None:
            with self.stage.other.writing():
                for n, skew in enumerate(skews):
                    at = n if before else None
                    when = time.time() + skew
                    self.stage.other.post("offline", at=at, id=self.new_id(), time=when)

        self.run(post())

    @rule(place=places, body=st.sampled_from(["a", "b", "c"]))
    def a_person_edits(self, place: float, body: str) -> None:
        async def edit() -> None:
            if (id_ := self.any_id(place)) is not None and id_ not in self.deleted:
                self.stage.edit(id_, body)

        self.run(edit())

    @rule(place=places)
    def a_person_deletes(self, place: float) -> None:
        async def delete() -> None:
            if (id_ := self.any_id(place)) is not None:
                self.deleted.add(id_)
                self.stage.delete(id_)

        self.run(delete())

    @rule(place=places, field=fields, value=anything)
    def a_client_writes_nonsense(self, place: float, field: str, value: Any) -> None:
        async def change() -> None:
            if (id_ := self.any_id(place)) is not None and id_ not in self.own:
                self.spoiled.add(id_)
                self.stage.other.change(id_, **{field: value})

        self.run(change())

    @rule(value=anything)
    def a_client_adds_nonsense(self, value: Any) -> None:
        async def add() -> None:
            # With an id: the library's own observer refuses an entry without one.
            id_ = self.new_id()
            self.nonsense.add(id_)
            with self.stage.other.writing():
                self.stage.other.messages.append(Map({"id": id_, "body": value}))

        self.run(add())

    @rule(place=places, to=places, plain=st.booleans())
    def a_client_moves_a_message(self, place: float, to: float, plain: bool) -> None:
        async def move() -> None:
            messages = self.stage.other.messages
            count = len(messages)
            if count:
                with self.stage.other.writing(), self.stage.other.doc.transaction():
                    raw = messages.pop(min(int(place * count), count - 1))
                    at = min(int(to * count), count - 1)
                    messages.insert(at, raw if plain else Map(raw))  # type: ignore[arg-type]

        self.run(move())

    @rule(place=places)
    def a_client_removes_a_message(self, place: float) -> None:
        async def remove() -> None:
            if (id_ := self.any_id(place)) is not None:
                self.removed.add(id_)
                with self.stage.other.writing():
                    del self.stage.other.messages[self.stage.other.index(id_)]

        self.run(remove())

    @rule(place=places, to=places, edited=st.booleans())
    def a_client_brings_a_copy(self, place: float, to: float, edited: bool) -> None:
        async def copy() -> None:
            if (id_ := self.any_id(place)) is not None:
                raw = self.stage.other.read()[self.stage.other.index(id_)]
                # Without its time, an edited version is not known as the same message.
                if edited and id_ not in self.deleted | self.spoiled | set(self.own):
                    raw = {**raw, "body": f"{raw['body']}, edited", "edited": True}
                with self.stage.other.writing():
                    messages = self.stage.other.messages
                    messages.insert(int(to * len(messages)), Map(raw))

        self.run(copy())

    @rule()
    def the_file_is_reloaded(self) -> None:
        async def reload() -> None:
            self.stage.ychat.set(self.stage.ychat.get())

        self.run(reload())

    @rule(state=st.sampled_from([STREAMING, DONE]), live=st.booleans())
    def we_begin_a_reply(self, state: dict[str, str], live: bool) -> None:
        async def begin() -> None:
            self.own.append(self.new_id())
            insert = Insert(self.own[-1], ECHO, "r", state, live=live)
            assert self.stage.chat.apply([insert]) == []

        self.run(begin())

    @rule(place=places, how=st.sampled_from(["append", "replace", "finish"]))
    def we_write_on(self, place: float, how: str) -> None:
        async def write() -> None:
            if not self.own:
                return
            id_ = self.own[min(int(place * len(self.own)), len(self.own) - 1)]
            before = {m.id: m for m in self.stage.seen}.get(id_)
            write = Update(id_, "r" * 5, DONE if how == "finish" else None)
            gone = self.stage.chat.apply([Append(id_, "rr") if how == "append" else write])
            if before is None or before.deleted:
                assert gone == [id_]
                return
            assert gone == []
            now = {m.id: m for m in self.stage.seen}[id_]
            assert now.body == (before.body + "rr" if how == "append" else "r" * 5)

        self.run(write())

    @rule(skew=skews)
    def we_put_a_message_back(self, skew: float) -> None:
        async def restore() -> None:
            raw = {"id": self.new_id(), "sender": "ada", "body": "back"}
            self.stage.chat.apply([Restore({**raw, "time": time.time() + skew})])

        self.run(restore())

    # -- what always holds ------------------------------------------------------------------

    @invariant()
    def the_mirror_shows_what_the_document_holds(self) -> None:
        if not hasattr(self, "stage"):
            return
        decoded = [decode_message(raw) for raw in self.stage.ychat.ymessages.to_py() or []]
        expected = [message for message in decoded if message is not None]
        chat = self.stage.chat
        assert chat.before(None, 1000) == expected
        for index, message in enumerate(expected):
            assert chat.get(message.id) == message
            assert chat.before(message.id, 3) == expected[max(0, index - 3) : index]

    @invariant()
    def every_message_has_the_servers_time(self) -> None:
        if not hasattr(self, "stage"):
            return
        for raw in self.stage.ychat.ymessages.to_py() or []:
            if raw["id"] not in self.history | self.spoiled | self.nonsense:
                assert raw["raw_time"] is False

    @invariant()
    def everybody_sees_the_same(self) -> None:
        if hasattr(self, "stage"):
            assert self.stage.other.read() == (self.stage.ychat.ymessages.to_py() or [])

    @invariant()
    def no_message_is_lost_doubled_or_told_twice(self) -> None:
        if not hasattr(self, "stage"):
            return
        there = [m.id for m in self.stage.seen]
        assert len(there) == len(set(there))
        everything = {f"m{n + 1}" for n in range(self.count)}
        assert everything - self.removed - self.spoiled - self.nonsense <= set(there)
        posted = [e.message.id for e in self.stage.events if isinstance(e, MessagePosted)]
        assert len(posted) == len(set(posted))
        assert not set(posted) & (set(self.own) | self.history)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


DocumentMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestTheDocument = DocumentMachine.TestCase
