"""Replies as shared texts, with clients that come, go and edit in any order."""

from __future__ import annotations

import asyncio
import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pycrdt import Text
from support.live_stage import ECHO, LIVE, META, Client, LiveStage

from jupyter_ai_personas.chat import GrowingReply

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
ids = st.sampled_from(["r0", "r1", "r2"])


class LiveMachine(RuleBasedStateMachine):
    """Replies that grow while clients of both kinds join, leave, edit, type and delete."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clients: list[Client] = []
        self.replies: dict[str, GrowingReply] = {}
        self.text: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.touched: set[str] = set()

    def teardown(self) -> None:
        self.loop.close()

    @initialize(first=st.lists(texts, max_size=3), shows=st.lists(st.booleans(), max_size=2))
    def begin(self, first: list[str], shows: list[bool]) -> None:
        async def make() -> None:
            self.stage = LiveStage()

        self.loop.run_until_complete(make())
        for each in shows:
            self.a_client_joins(each)
        for number, text in enumerate(first):
            self.a_reply_grows(f"r{number}", text)

    def flush(self) -> None:
        async def advance() -> None:
            self.stage.clock.advance(3)

        self.loop.run_until_complete(advance())

    @rule(id_=ids, text=texts)
    def a_persona_writes(self, id_: str, text: str) -> None:
        self.a_reply_grows(id_, text)

    @rule(shows=st.booleans())
    def somebody_joins(self, shows: bool) -> None:
        self.a_client_joins(shows)

    def a_reply_grows(self, id_: str, text: str) -> None:
        if id_ not in self.replies:
            self.replies[id_] = self.stage.writer.open(ECHO, META, message_id=id_)
            self.text[id_] = ""
        if self.replies[id_].state == "streaming":
            self.stage.writer.append(self.replies[id_], text)
            self.text[id_] += text
            self.touched.discard(id_)

    @rule(id_=ids, waits=st.booleans())
    def a_reply_waits(self, id_: str, waits: bool) -> None:
        if id_ in self.replies:
            self.stage.writer.wait(self.replies[id_], waits)

    @rule(id_=ids)
    def a_reply_begins_anew(self, id_: str) -> None:
        if id_ in self.replies and self.replies[id_].state == "streaming":
            self.stage.writer.restart(self.replies[id_])
            self.text[id_] = ""
            self.touched.discard(id_)

    @rule(id_=ids)
    def a_reply_ends(self, id_: str) -> None:
        if id_ in self.replies and self.replies[id_].state == "streaming":
            self.stage.writer.finish(self.replies[id_], "done")
            self.touched.discard(id_)

    def a_client_joins(self, shows: bool) -> None:
        self.clients.append(self.stage.join(LIVE if shows else None))

    @precondition(lambda self: self.clients)
    @rule(place=st.integers(0), shows=st.booleans())
    def a_client_announces(self, place: int, shows: bool) -> None:
        client = self.clients[place % len(self.clients)]
        client.announce(LIVE if shows else {"user": {"username": "ada"}})

    @precondition(lambda self: self.clients)
    @rule(place=st.integers(0))
    def a_client_leaves(self, place: int) -> None:
        self.clients.pop(place % len(self.clients)).leave()

    @rule(id_=ids, body=texts)
    def a_client_edits(self, id_: str, body: str) -> None:
        if self._growing(id_):
            self.stage.other.change(id_, body=body)
            self.touched.add(id_)

    @rule(id_=ids, typed=texts, place=st.integers(0))
    def a_client_types(self, id_: str, typed: str, place: int) -> None:
        if self._growing(id_):
            with self.stage.other.writing():
                text = self.stage.other.messages[self.stage.other.index(id_)]["body"]
                if isinstance(text, Text):
                    # At either end: an index between is one of bytes.
                    text.insert(len(text) if place % 2 else 0, typed)
                    self.touched.add(id_)

    @rule(id_=ids)
    def a_client_deletes(self, id_: str) -> None:
        if any(m.id == id_ for m in self.stage.seen):
            self.stage.delete(id_)
            self.deleted.add(id_)

    @rule()
    def the_file_is_reloaded(self) -> None:
        async def reload() -> None:
            self.stage.ychat.set(self.stage.ychat.get())

        self.loop.run_until_complete(reload())

    @rule()
    def time_passes(self) -> None:
        self.flush()

    def _growing(self, id_: str) -> bool:
        reply = self.replies.get(id_)
        return (
            reply is not None
            and reply.state == "streaming"
            and id_ not in self.deleted
            and any(m.id == id_ for m in self.stage.seen)
        )

    @invariant()
    def everybody_sees_the_same_and_after_a_flush_the_right_text(self) -> None:
        if not hasattr(self, "stage"):
            return
        self.flush()
        expected = self.stage.ychat.ymessages.to_py() or []
        for client in [self.stage.other, *self.clients]:
            assert client.read() == expected
        bodies = {m["id"]: m["body"] for m in expected}
        for id_, text in self.text.items():
            if id_ in self.deleted:
                assert bodies.get(id_, "") == ""
            elif id_ in bodies and id_ not in self.touched:
                assert bodies[id_] == text
            elif id_ not in self.touched:
                assert text == ""

    @invariant()
    def nobody_without_support_sees_a_live_body(self) -> None:
        if not hasattr(self, "stage"):
            return
        shown = [c.awareness.get_local_state() or {} for c in self.clients]
        shows = all("jupyter_ai_personas" in state for state in shown)
        assert self.stage.chat.shows_live is shows
        for id_, reply in self.replies.items():
            if id_ in self.deleted or not any(m.id == id_ for m in self.stage.seen):
                continue
            if not shows or reply.state != "streaming":
                assert not self.stage.is_live(id_)

    @invariant()
    def the_file_holds_strings(self) -> None:
        if hasattr(self, "stage"):
            saved = json.loads(self.stage.ychat.get())["messages"]
            assert saved == (self.stage.ychat.ymessages.to_py() or [])


LiveMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLiveText = LiveMachine.TestCase
