"""Documents that somebody writes nonsense into, in memory: nobody else's turn is touched."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlFragment
from support.clock import is_linear
from support.room import Script, persona, room
from support.stages import DocumentStage, settle

from jupyter_ai_personas.chat import SYSTEM_ID
from jupyter_ai_personas.routing.flood import FloodGate

Good = persona("Good", lambda me, message: me.send_message("Good day"))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON | st.sampled_from(["one", "two"]),
        "sender": JSON | st.sampled_from(["eve", SYSTEM_ID, "jupyter-ai-personas::tests::Good"]),
        "body": JSON | st.sampled_from(["@Good hi", "/status", "/stop all", "/retry"]),
        "mentions": JSON | st.just(["jupyter-ai-personas::tests::Good", "nobody"]),
        "metadata": JSON
        | st.builds(
            lambda state, to: {
                "jupyter_ai_personas": {"state": state, "reply_to": to, "turn": "x"}
            },
            JSON | st.sampled_from(["streaming", "done", "failed"]),
            JSON | st.sampled_from(["one", "two"]),
        ),
        **dict.fromkeys(("time", "raw_time", "deleted", "edited", "attachments", "type"), JSON),
    },
)
STEP = st.one_of(
    st.tuples(st.just("append"), FIELDS, st.just(0)),
    st.tuples(st.just("insert"), FIELDS, st.integers(0, 20)),
    st.tuples(st.just("set"), FIELDS, st.integers(0, 20)),
    st.tuples(st.just("remove"), st.just({}), st.integers(0, 20)),
    st.tuples(st.just("move"), st.just({}), st.integers(0, 20)),
    st.tuples(st.just("users"), st.just({}), st.just(0)),
)


class Errors(logging.Handler):
    """Collects errors of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


def do(stage: DocumentStage, what: str, fields: dict[str, Any], place: int) -> None:
    messages = stage.other.messages
    place = min(place, len(messages) - 1)
    with stage.other.writing():
        if what in ("append", "insert"):
            messages.insert(len(messages) if what == "append" else max(0, place), Map(fields))
        elif what == "users":
            stage.other.users.clear()
        elif place >= 0 and what == "set" and isinstance(messages[place], Map):
            for key, value in fields.items():
                messages[place][key] = value
        elif place >= 0 and what in ("remove", "move"):
            item = messages[place]
            raw = item.to_py() if isinstance(item, Map) else item
            del messages[place]
            if what == "move" and isinstance(raw, dict):
                messages.insert(0, Map(raw))


async def play(steps: list[tuple[str, dict[str, Any], int]]) -> None:
    errors, log = Errors(), logging.getLogger("tests.hostile")
    log.addHandler(errors)
    stage = DocumentStage()
    try:
        async with room(Good, stage=stage, log=log) as here:
            for step in steps:
                # What the chat library makes of it raises in whoever wrote.
                with suppress(ExceptionGroup):
                    do(stage, *step)
                await settle()
            with suppress(ExceptionGroup):
                here.say("@Good are you there?", by="Ada")
            asked = next(m.id for m in reversed(here.messages) if m.sender == "ada")
            reply = await here.reply(asked)
            assert (reply.body, reply.state) == ("Good day", "done")
            await here.quiet()
            assert len(here.replies(asked)) == 1
            assert stage.writing == {}
    finally:
        log.removeHandler(errors)
    # The chat library's own observer raises in whoever writes beside a message without an id.
    assert [error for error in errors.found if "could not be written" not in error] == []


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_nonsense_in_any_field_hurts_nobody_else(
    steps: list[tuple[str, dict[str, Any], int]],
) -> None:
    asyncio.run(play(steps))


ODD: dict[str, Callable[[], Any]] = {
    "xml": XmlFragment,
    "xml in a map": lambda: Map({"deep": XmlFragment()}),
    "xml in an array": lambda: Array([XmlFragment()]),
    "a document": Doc,
    "a text": lambda: Text("text"),
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
async def test_a_shared_type_in_any_field_loses_and_alters_nobodys_message(
    make: Callable[[], Any],
) -> None:
    stage = DocumentStage()
    script = Script()
    async with room(persona("Slow", script), Good, stage=stage) as here:
        earlier = here.say("@Good one")
        await here.quiet()
        with suppress(ExceptionGroup), stage.other.writing():
            # One update: what is odd must not hide what comes with it.
            odd = {"id": "x", "sender": "eve", "body": "odd", "raw_time": False, "x": make()}
            stage.other.messages.append(Map(odd))
            stage.other.messages.append(Map(stage.other.entry("precious", id="y", sender="bob")))
            asked = stage.other.post("@Good and me?")
            failing = stage.other.post("@Slow go")
            stage.other.users["ada"] = Map({"username": "ada", "x": make()})
            stage.other.attachments["f"] = Map({"value": "a", "x": make()})
            attached = stage.other.post("@Good see", sender="bob", attachments=["f"])
        await script.until_begun("@Slow go")
        script.fail("@Slow go", ValueError("on purpose"))
        await here.reply(failing)
        retry = here.say("/retry")
        script.give("@Slow go", "again")
        script.end("@Slow go")
        await here.quiet()
        for question in (earlier, asked, failing, attached):
            assert len(here.replies(question)) == 1, question
        assert here.replies(failing)[0].body == "again"
        assert retry
        messages = stage.ychat.ymessages
        there = {messages[i]["id"]: messages[i]["body"] for i in range(len(messages))}
        assert there["y"] == "precious"
        assert [m.id for m in here.messages] == list(there)


async def test_somebody_elses_message_under_an_id_in_use_alters_no_turn() -> None:
    stage = DocumentStage()
    script = Script()
    async with room(persona("Good", script), stage=stage) as here:
        asked = here.say("@Good ada asks", by="Ada")
        await script.until_begun("@Good ada asks")
        script.give("@Good ada asks", "half ")
        await here.streaming(asked, "half")
        stage.other.post("@Good bob asks", sender="bob", id=asked)
        stage.other.post("", sender="bob", id=asked, deleted=True)
        theirs = stage.other.post("hello", sender="bob")
        stage.other.change(theirs, id=asked)
        await settle()
        place = max(i for i, m in enumerate(stage.other.read()) if m["id"] == asked)
        with stage.other.writing():
            stage.other.messages[place]["body"] = "@Good bob asks again"
        await settle()
        assert script.begun == ["@Good ada asks"]
        assert [m.state for m in here.replies(asked)] == ["streaming"]
        script.end("@Good ada asks")
        await here.quiet()
        assert [(m.body, m.state) for m in here.replies(asked)] == [("half ", "done")]


async def test_edits_are_bounded_as_messages_are() -> None:
    stage = DocumentStage()
    async with room(Good, stage=stage, max_messages_per_minute=2) as here:
        for message_id in [here.say(f"hello {n}") for n in range(10)]:
            stage.edit(message_id, "@Good hi")
            await settle()
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 2
        assert len(here.notices()) == 1


async def test_what_was_one_too_many_may_be_asked_again_by_an_edit() -> None:
    now = [0.0]
    stage = DocumentStage()
    async with room(Good, stage=stage, max_messages_per_minute=1) as here:
        here.session._router._flood._clock = lambda: now[0]
        first, second = here.say("@Good one"), here.say("@Good two")
        await here.reply(first)
        await here.quiet()
        assert here.replies(second) == []
        now[0] += 120
        stage.edit(second, "@Good two, please")
        await here.reply(second)
        stage.edit(second, "@Good two, again")
        await settle()
        await here.quiet()
        assert len(here.replies(second)) == 1


def test_forged_senders_are_forgotten_and_cost_no_more_each() -> None:
    now = [0.0]
    gate = FloodGate(1, clock=lambda: now[0])

    def work(count: int) -> None:
        for number in range(count):
            gate.check(f"{count} {number}")

    assert is_linear(work, 20_000)
    now[0] += 120
    for number in range(100_000):
        gate.check(f"later {number}")
    assert not [sender for sender in gate._passed if not sender.startswith("later")]


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_thousands_of_messages_in_one_update_are_bounded_and_told(count: int) -> None:
    stage = DocumentStage()
    async with room(Good, stage=stage, max_queued_turns=100) as here:
        # Reading them may take more than the minute of the bound.
        here.session._router._flood._clock = lambda: 0.0
        with stage.other.writing():
            entries = [
                stage.other.entry(f"@Good {number}", sender="eve", raw_time=False)
                for number in range(count)
            ]
            stage.other.messages.extend([Map(entry) for entry in entries])
        await here.quiet(timeout=600)
        answered = [m for m in here.messages if m.by_persona]
        assert len(answered) == here.runtime.settings.max_messages_per_minute
        assert [notice for notice in here.notices() if "in a minute" in notice] == here.notices()
        assert len(here.notices()) == 1
        asked = here.say("@Good are you there?")
        await here.quiet(timeout=600)
        assert [m.body for m in here.replies(asked)] == ["Good day"]
