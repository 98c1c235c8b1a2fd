"""Replies as shared texts: for whom, what is written, and what becomes of it when that changes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pycrdt import Awareness, Doc, Text
from support.clock import FakeScheduler
from support.stages import LOG, DocumentStage, OtherClient

from jupyter_ai_personas.chat import PERSONA_PREFIX, GrowingReply, Insert, Pacer, ReplyWriter
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.chat.protocol import Update

ECHO = PERSONA_PREFIX + "acme::Echo"
META = {"reply_to": "q", "turn": "t"}
LIVE = {"jupyter_ai_personas": {"live": 1}}


class Client(OtherClient):
    """A browser: a document, and the state that it announces."""

    def __init__(self, stage: DocumentStage, state: dict[str, Any] | None) -> None:
        super().__init__(stage.ychat.ydoc)
        self.stage = stage
        self.awareness = Awareness(self.doc)
        self.announce(state)

    def announce(self, state: dict[str, Any] | None) -> None:
        self.awareness.set_local_state(state)
        update = self.awareness.encode_awareness_update([self.awareness.client_id])
        self.stage.awareness.apply_awareness_update(update, "client")

    def leave(self) -> None:
        super().leave()
        self.announce(None)

    def close(self) -> None:
        """Lose the connection without a word."""
        super().leave()


class LiveStage(DocumentStage):
    """A document with a writer, in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.connected = 0
        self.chat = DocumentChat(self.ychat, log=LOG, connections=lambda: self.connected)
        self.subscribe()
        self.clock = FakeScheduler()
        self.gone: list[GrowingReply] = []
        pacer = Pacer(self.clock, processor_time=lambda: 0.0)
        self.writer = ReplyWriter(self.chat, pacer, log=LOG, on_gone=self.gone.append)
        self.sent: list[int] = []
        self._sizes = self.ychat.ydoc.observe(lambda event: self.sent.append(len(event.update)))

    def join(self, state: dict[str, Any] | None = LIVE, **fields: Any) -> Client:  # type: ignore[override]
        return Client(self, {"user": {"username": "ada"}, **(state or {})})

    def open(self, message_id: str = "r", *texts: str) -> GrowingReply:
        reply = self.writer.open(ECHO, META, message_id=message_id)
        for text in texts:
            self.writer.append(reply, text)
        return reply

    def raw(self, message_id: str = "r") -> Any:
        return next(m["body"] for m in self.ychat.ymessages if m["id"] == message_id)

    def is_live(self, message_id: str = "r") -> bool:
        return isinstance(self.raw(message_id), Text)


@pytest.fixture
async def live() -> LiveStage:
    return LiveStage()


# -- for whom ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], True),
        ([LIVE], True),
        ([LIVE, LIVE], True),
        ([{"jupyter_ai_personas": {"live": 1, "notebook": "a.ipynb", "cell": "c"}}], True),
        ([{}], False),
        ([LIVE, {}], False),
        ([{"jupyter_ai_personas": {}}], False),
        ([{"jupyter_ai_personas": {"live": 0}}], False),
        ([{"jupyter_ai_personas": {"live": 2}}], False),
        ([{"jupyter_ai_personas": {"live": "1"}}], False),
        ([{"jupyter_ai_personas": "live"}], False),
        ([{"jupyter_ai_personas": None}], False),
    ],
)
async def test_bodies_are_live_while_every_client_announces_it(
    live: LiveStage, states: list[dict[str, Any]], expected: bool
) -> None:
    for state in states:
        live.join(state)
    live.open("r", "Hel")
    assert live.chat.shows_live is live.is_live() is expected


async def test_the_servers_own_state_counts_for_nobody(live: LiveStage) -> None:
    live.awareness.set_local_state({"writers": []})
    live.join()
    assert live.chat.shows_live


async def test_a_connection_without_a_state_does_not_show_live_bodies(live: LiveStage) -> None:
    live.join()
    live.connected = 1
    assert live.chat.shows_live
    live.connected = 2
    assert not live.chat.shows_live


async def test_a_chat_without_awareness_shows_no_live_bodies() -> None:
    from jupyterlab_chat.ychat import YChat

    chat = DocumentChat(YChat(Doc()), log=LOG)
    assert not chat.shows_live


# -- what is written --------------------------------------------------------------------------


async def test_a_live_reply_is_written_by_what_is_new_and_ends_as_a_string(live: LiveStage) -> None:
    ada = live.join()
    reply = live.open("r", "é" * 5_000, "🎉")
    assert live.is_live()
    live.sent.clear()
    live.clock.advance(1)
    live.writer.append(reply, "ü")
    live.clock.advance(1)
    assert len(live.sent) == 2
    assert max(live.sent) < 100
    live.writer.finish(reply, "done")
    body = "é" * 5_000 + "🎉ü"
    assert live.raw() == body
    assert [(m["body"], m["metadata"]) for m in ada.read()] == [
        (body, {"jupyter_ai_personas": {**META, "state": "done"}})
    ]
    assert len(live.sent) == 3


async def test_all_live_replies_of_a_chat_grow_in_one_transaction(live: LiveStage) -> None:
    live.join()
    replies = [live.open(id_, "x" * 300) for id_ in "abc"]
    live.clock.advance(1)
    live.sent.clear()
    for reply in replies:
        live.writer.append(reply, "y")
    live.clock.advance(1)
    assert len(live.sent) == 1
    assert [m["body"] for m in live.other.read()] == ["x" * 300 + "y"] * 3


async def test_the_length_of_a_live_reply_does_not_slow_it_down(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "x" * 400_000)
    live.clock.advance(2)
    live.sent.clear()
    for _ in range(10):
        live.writer.append(reply, "y")
        live.clock.advance(0.1)
    assert len(live.sent) == 4


async def test_a_reply_that_waits_for_a_person_stays_live(live: LiveStage) -> None:
    ada = live.join()
    reply = live.open("r", "May ")
    live.writer.append(reply, "I?")
    live.writer.wait(reply, True)
    assert live.is_live()
    [message] = ada.read()
    assert message["body"] == "May I?"
    assert message["metadata"]["jupyter_ai_personas"]["state"] == "waiting"
    live.writer.wait(reply, False)
    assert live.is_live()
    assert live.seen[0].state == "streaming"


async def test_a_reply_that_begins_anew_is_live_again(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one")
    live.writer.restart(reply)
    assert live.seen[0].body == ""
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.is_live()
    assert live.seen[0].body == "two"


@pytest.mark.parametrize("state", ["done", "stopped", "failed", "interrupted"])
async def test_a_final_state_leaves_a_plain_string(live: LiveStage, state: str) -> None:
    live.join()
    live.open("r", "so far")
    live.chat.apply([Update("r", metadata={**META, "state": state})])
    assert live.raw() == "so far"


# -- when clients come and go -----------------------------------------------------------------


async def test_a_reply_goes_on_as_strings_when_a_client_joins_that_shows_no_other(
    live: LiveStage,
) -> None:
    live.join()
    reply = live.open("r", "one ")
    live.clock.advance(1)
    stock = live.join(None)
    live.clock.advance(0)
    assert live.raw() == "one "  # without waiting for more text
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.raw() == "one two"
    assert stock.read()[0]["body"] == "one two"


async def test_a_reply_goes_on_as_strings_when_a_client_stops_announcing(live: LiveStage) -> None:
    ada = live.join()
    live.open("r", "one ")
    ada.announce({"user": {"username": "ada"}})
    live.clock.advance(0)
    assert live.raw() == "one "


async def test_a_reply_is_live_again_when_the_last_client_without_support_leaves(
    live: LiveStage,
) -> None:
    live.join()
    stock = live.join(None)
    reply = live.open("r", "one ")
    assert not live.is_live()
    stock.leave()
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.is_live()
    assert live.seen[0].body == "one two"


async def test_finished_replies_are_not_written_again_when_a_client_joins(live: LiveStage) -> None:
    live.join()
    live.writer.finish(live.open("r", "one"), "done")
    live.sent.clear()
    live.join(None)
    live.clock.advance(1)
    assert live.sent == []


# -- what others do meanwhile -----------------------------------------------------------------


async def test_what_others_type_into_a_live_body_goes_with_the_next_text(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    with live.other.writing():
        text = live.other.messages[0]["body"]
        text.insert(0, "zero ")
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.seen[0].body == "one two"
    live.writer.append(reply, " three")
    live.clock.advance(1)
    assert live.is_live()
    assert live.seen[0].body == "one two three"


async def test_an_edit_of_a_live_reply_goes_with_the_next_text(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    live.edit("r", "theirs")
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.seen[0].body == "one two"


async def test_a_live_reply_that_is_deleted_stays_deleted(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    live.delete("r")
    live.writer.append(reply, "two")
    live.clock.advance(1)
    assert live.gone == [reply]
    live.writer.finish(reply, "stopped")
    [message] = live.seen
    assert (message.body, message.deleted) == ("", True)


async def test_a_reload_of_the_file_keeps_a_live_reply_whole(live: LiveStage) -> None:
    live.join()
    reply = live.open("r", "one ")
    saved = live.ychat.get()
    assert json.loads(saved)["messages"][0]["body"] == "one "
    live.writer.append(reply, "two ")
    live.clock.advance(1)
    live.ychat.set(saved)
    live.writer.append(reply, "three")
    live.clock.advance(1)
    assert live.seen[0].body == "one two three"


async def test_a_copy_that_a_browser_brings_back_makes_no_live_body_final(live: LiveStage) -> None:
    """A tab that stayed open while the server restarted brings its live body."""
    final = {**META, "state": "interrupted"}
    live.chat.apply([Insert("r", ECHO, "one two\n\nInterrupted.", final)])
    entry = live.other.entry(
        Text("one two three"),
        sender=ECHO,
        id="r",
        raw_time=False,
        metadata={"jupyter_ai_personas": {**META, "state": "streaming"}},
    )
    from pycrdt import Map

    with live.other.writing():
        live.other.messages.insert(0, Map(entry))
    await asyncio.sleep(0)
    [message] = live.seen
    assert message.state == "interrupted"
    assert live.raw() == "one two\n\nInterrupted."


# -- what it costs ----------------------------------------------------------------------------


async def test_a_flush_costs_its_text_and_what_the_protocol_adds_to_a_transaction(
    live: LiveStage,
) -> None:
    """Two ids of the document and two clocks: nothing of it grows with the reply or its readers."""
    for _ in range(5):
        live.join()
    reply = live.open("r", "x" * 20_000)
    for _ in range(100):
        before = len(live.sent)
        for _ in range(25):
            live.writer.append(reply, "1234 ")
        live.clock.advance(0.25)
        [size] = live.sent[before:]
        assert 125 < size <= 125 + 28
    live.writer.finish(reply, "done")
    assert live.sent[-1] < reply.chars + 300


# -- all of it at random ----------------------------------------------------------------------

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
