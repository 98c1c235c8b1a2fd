"""A busy room: lanes, bounds, stop, edit, retry, and personas that address personas."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from support.clock import ahead
from support.room import WAIT, Room, Script, id_of, persona, room
from support.stages import Stage, settle

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.testing import FakeModel, FakeModels

# -- lanes ------------------------------------------------------------------------------------


async def test_one_persons_turns_are_answered_in_order(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = [here.say(f"@Echo {n}") for n in range(4)]
        await script.until_begun("@Echo 0")
        await settle()
        assert script.begun == ["@Echo 0"]
        for n in range(4):
            await script.until_begun(f"@Echo {n}")
            script.end(f"@Echo {n}", "x")
            await here.reply(asked[n])
        assert script.begun == [f"@Echo {n}" for n in range(4)]
        replies = [m.reply_to for m in here.messages if m.by_persona]
        assert replies == asked


async def test_another_persons_turn_starts_at_once(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        for n in range(3):
            here.say(f"@Echo ada {n}", by="Ada")
        await script.until_begun("@Echo ada 0")
        bobs = here.say("@Echo bob", by="Bob")
        await script.until_begun("@Echo bob")
        script.end("@Echo bob", "hi Bob")
        assert (await here.reply(bobs)).body == "hi Bob"
        assert script.begun == ["@Echo ada 0", "@Echo bob"]


async def test_one_persons_turns_with_two_personas_do_not_wait_for_each_other() -> None:
    script = Script()
    async with room(persona("One", script), persona("Two", script)) as here:
        here.say("@One a")
        here.say("@Two b")
        await script.until_begun("@One a", "@Two b")


async def test_so_many_turns_run_at_once_and_the_rest_wait_their_turn() -> None:
    script = Script()
    people = ["Ada", "Bob", "Cleo", "Dan", "Eve"]
    async with room(persona("Echo", script), max_concurrent_turns=2) as here:
        asked = {name: here.say(f"@Echo {name}", by=name) for name in people}
        await script.until_begun("@Echo Ada", "@Echo Bob")
        await settle()
        assert len(script.begun) == 2
        for done in range(3):
            script.end(script.begun[done], "x")
            await here.reply(asked[script.begun[done].removeprefix("@Echo ")])
            await script.until_begun(f"@Echo {people[done + 2]}")
            assert len(script.begun) - len(script.ended) == 2


async def test_who_asks_much_does_not_come_first_each_time() -> None:
    script = Script()
    async with room(persona("Echo", script), max_concurrent_turns=1) as here:
        for n in range(3):
            here.say(f"@Echo ada {n}", by="Ada")
        await script.until_begun("@Echo ada 0")
        here.say("@Echo bob", by="Bob")
        await settle()
        script.end("@Echo ada 0", "x")
        await script.until_begun("@Echo bob")
        assert script.begun == ["@Echo ada 0", "@Echo bob"]


async def test_past_the_bound_a_person_is_told_when_to_try_again(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage, max_queued_turns=2) as here:
        running = here.say("@Echo 0")
        await script.until_begun("@Echo 0")
        waiting = [here.say(f"@Echo {n}") for n in (1, 2)]
        await settle()
        refused = await here.reply(here.say("@Echo 3"))
        assert refused.state == "rejected"
        assert "again when `Echo` has answered one" in refused.body
        assert "/stop @Echo" in refused.body
        # Bob's are counted apart.
        bobs = here.say("@Echo bob", by="Bob")
        await script.until_begun("@Echo bob")
        script.end("@Echo 0", "x")
        await here.reply(running)
        await script.until_begun("@Echo 1")
        accepted = here.say("@Echo 4")
        for body in ("@Echo 1", "@Echo 2", "@Echo 4", "@Echo bob"):
            script.end(body, "x")
        for message_id in (*waiting, accepted, bobs):
            assert (await here.reply(message_id)).state == "done"


class Single(FakeModel):
    id = "single"

    @property
    def allows_concurrency(self) -> bool:
        return False


@pytest.mark.parametrize("by", ["persona", "model"])
async def test_who_cannot_run_concurrently_gets_one_turn_at_a_time(by: str) -> None:
    script = Script()
    single = {"allows_concurrency": False} if by == "persona" else {}
    models = FakeModels(Single() if by == "model" else FakeModel())
    async with room(persona("Echo", script, **single), models=models) as here:
        asked = {name: here.say(f"@Echo {name}", by=name) for name in ("Ada", "Bob", "Cleo")}
        for name in ("Ada", "Bob", "Cleo"):
            await script.until_begun(f"@Echo {name}")
            await settle()
            assert len(script.begun) - len(script.ended) == 1
            script.end(f"@Echo {name}", "x")
            await here.reply(asked[name])


async def test_where_nothing_may_wait_one_message_at_a_time_is_answered() -> None:
    script = Script()
    async with room(persona("Echo", script), max_queued_turns=0) as here:
        running = here.say("@Echo 0")
        await script.until_begun("@Echo 0")
        refused = await here.reply(here.say("@Echo 1"))
        assert refused.state == "rejected"
        assert "has a message of yours to answer already" in refused.body
        script.end("@Echo 0", "x")
        assert (await here.reply(running)).state == "done"
        await here.quiet()
        again = here.say("@Echo 2")
        script.end("@Echo 2", "x")
        assert (await here.reply(again)).state == "done"


async def test_a_provider_that_cannot_run_concurrently_answers_one_persona_at_a_time() -> None:
    script = Script()
    people = two_personas(script)
    async with room(*people, models=FakeModels(Single())) as here:
        one, two = here.say("@One hi", by="Ada"), here.say("@Two hi", by="Bob")
        await script.until_begun("@One hi")
        two_id = id_of(people[1])
        await here.until(lambda: here.stage.writing.get(two_id) == "is waiting for an earlier turn")
        [waiting] = [t for t in here.session.turns.values() if t.persona.id == two_id]
        assert waiting._scope is not None
        assert waiting._scope.deadline == math.inf, "the time of a turn runs while it waits"
        assert script.begun == ["@One hi"]
        script.end("@One hi", "x")
        await here.reply(one)
        await script.until_begun("@Two hi")
        await here.until(lambda: here.stage.writing == {two_id: "is thinking"})
        script.end("@Two hi", "y")
        await here.reply(two)
        await here.until(lambda: not here.stage.writing)


# -- stop -------------------------------------------------------------------------------------


class Busy:
    """Ada and Bob have each a turn with two personas, and Ada has one more waiting."""

    def __init__(self, here: Room, script: Script, asked: dict[str, str]) -> None:
        self.here = here
        self.script = script
        self.asked = asked

    def states(self) -> dict[str, list[str | None]]:
        return {name: [r.state for r in self.here.replies(i)] for name, i in self.asked.items()}


One = "One"
Two = "Two"


async def busy(here: Room, script: Script) -> Busy:
    asked = {}
    for who in ("Ada", "Bob"):
        for name in (One, Two):
            asked[f"{who} {name}"] = here.say(f"@{name} {who}", by=who)
    asked["Ada waiting"] = here.say("@One more", by="Ada")
    await script.until_begun("@One Ada", "@Two Ada", "@One Bob", "@Two Bob")
    for who in ("Ada", "Bob"):
        for name in (One, Two):
            script.give(f"@{name} {who}", "so far")
            await here.streaming(asked[f"{who} {name}"], "so far")
    return Busy(here, script, asked)


def two_personas(script: Script) -> list[type]:
    return [persona(One, script), persona(Two, script)]


async def test_stop_ends_all_of_mine_and_none_of_yours(stage: Stage) -> None:
    script = Script()
    async with room(*two_personas(script), stage=stage) as here:
        room_ = await busy(here, script)
        answer = await here.command("/stop", by="Ada")
        assert "One" in answer
        assert "Two" in answer
        assert room_.states() == {
            "Ada One": ["stopped"],
            "Ada Two": ["stopped"],
            "Bob One": ["streaming"],
            "Bob Two": ["streaming"],
            "Ada waiting": ["stopped"],
        }
        stopped = here.replies(room_.asked["Ada One"])[0]
        assert stopped.body == "so far\n\n*Stopped by Ada.*"
        assert stopped.metadata["stopped_by"] == "ada"


async def test_stop_with_a_name_ends_mine_with_that_persona(stage: Stage) -> None:
    script = Script()
    async with room(*two_personas(script), stage=stage) as here:
        room_ = await busy(here, script)
        await here.command("/stop @One", by="Ada")
        states = room_.states()
        assert states["Ada One"] == states["Ada waiting"] == ["stopped"]
        assert states["Ada Two"] == states["Bob One"] == states["Bob Two"] == ["streaming"]


async def test_stop_all_ends_everybodys_and_says_so(stage: Stage) -> None:
    script = Script()
    async with room(*two_personas(script), stage=stage) as here:
        room_ = await busy(here, script)
        assert "everybody" in await here.command("/stop all", by="Cleo")
        assert set(map(tuple, room_.states().values())) == {("stopped",)}
        assert "Stopped by Cleo" in here.replies(room_.asked["Bob One"])[0].body
        assert here.stage.writing == {}


async def test_the_rest_call_stops_a_chat_or_one_persona_in_it() -> None:
    script = Script()
    personas = two_personas(script)
    async with room(*personas) as here:
        room_ = await busy(here, script)
        ended = await here.runtime.cancel("room.chat", id_of(personas[0]), by="bob")
        assert ended == [id_of(personas[0])]
        assert room_.states()["Ada One"] == room_.states()["Bob One"] == ["stopped"]
        assert room_.states()["Ada Two"] == ["streaming"]
        by = {"by": "0815", "name": "Grace"}
        assert await here.runtime.cancel("room.chat", None, **by) == [id_of(personas[1])]
        assert await here.runtime.cancel("room.chat", None, by=None) == []
        for asked in room_.asked.values():
            [stopped] = here.replies(asked)
            # Who is not in the chat is called by the name that the server knows.
            assert ("*Stopped by Bob.*" in stopped.body) != ("*Stopped by Grace.*" in stopped.body)


async def test_deleting_the_request_stops_its_turn(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        waiting = here.say("@Echo b")
        script.give("@Echo a", "so far")
        await here.streaming(asked, "so far")
        stage.delete(waiting)
        assert (await here.reply(waiting)).state == "stopped"
        stage.delete(asked)
        reply = await here.reply(asked)
        assert reply.state == "stopped"
        assert "by deleting the message" in reply.body
        assert script.begun == ["@Echo a"]


async def test_deleting_the_reply_while_it_streams_stops_its_turn(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "so far")
        growing = await here.streaming(asked, "so far")
        stage.delete(growing.id)
        await here.quiet()
        await here.until(lambda: script.ended)
        script.end("@Echo a", "late")
        await settle()
        message = here.message(growing.id)
        assert (message.deleted, message.body) == (True, "")
        assert len(here.replies(asked)) == 1
        assert here.stage.writing == {}


async def test_a_silent_turn_is_stopped_and_says_nothing_later(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        await script.until_begun("@Echo a")
        await here.command("/stop")
        assert (await here.reply(asked)).body == "*Stopped by Ada.*"
        script.end("@Echo a", "late")
        await settle()
        assert [r.body for r in here.replies(asked)] == ["*Stopped by Ada.*"]


async def test_a_silent_model_is_stopped() -> None:
    gate = anyio.Event()
    model = FakeModel([["Hel", gate, "lo"]])
    async with room(persona("Echo"), models=FakeModels(model)) as here:
        asked = here.say("@Echo a")
        await here.streaming(asked, "Hel")
        await here.command("/stop")
        assert (await here.reply(asked)).body == "Hel\n\n*Stopped by Ada.*"


async def test_a_persona_that_will_not_be_cancelled_is_stopped_all_the_same() -> None:
    async def act(self: Any, message: Message) -> None:
        turn = self.turn
        turn.send("one")
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async with room(persona("Echo", act)) as here:
        asked = here.say("@Echo a")
        await here.replied(asked)
        await here.command("/stop")
        await here.quiet()
        assert [r.state for r in here.replies(asked)] == ["done", "stopped"]
        assert here.stage.writing == {}


class Block:
    """Holds the persona's thread until the test ends: longer than anybody waits for anything."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, self_: Any, message: Message) -> None:
        self.reached.set()
        assert self.opened.wait(2 * WAIT)
        self_.send_message("late")


async def spin_until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells of."""
    with anyio.fail_after(WAIT):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def until_stuck(here: Room, cls: type) -> None:
    """Wait until the host of a persona has been asked for a sign of life, and gives none."""

    def stuck() -> float:
        entry = here.runtime.hosts._entries.get(id_of(cls))
        return entry.host.health(anyio.current_time()).stuck_seconds if entry else 0.0

    await spin_until(stuck)


@pytest.mark.parametrize("how", ["command", "delete"])
async def test_a_blocking_persona_is_stopped_at_once_and_blocks_nobody(
    stage: Stage, how: str
) -> None:
    block = Block()
    other = persona("Other", lambda self, message: self.send_message("here"))
    Echo = persona("Echo", block)
    async with room(Echo, other, stage=stage, make_host=ThreadHost) as here:
        asked = here.say("@Echo a")
        await anyio.to_thread.run_sync(block.reached.wait)
        assert (await here.reply(here.say("@Other"))).body == "here"
        if how == "command":
            await here.command("/stop @Echo")
        else:
            stage.delete(asked)
        assert (await here.reply(asked)).state == "stopped"
        assert id_of(Echo) not in here.stage.writing
        block.opened.set()
        second = here.say("@Echo b")
        assert (await here.reply(second)).body == "late"
        assert [r.state for r in here.replies(asked)] == ["stopped"]


async def test_a_persona_that_never_comes_back_is_replaced_and_its_turns_are_told() -> None:
    block = Block()
    Echo = persona("Echo", block)
    with ahead() as forward:
        async with room(Echo, make_host=ThreadHost, block_timeout=100) as here:
            asked = here.say("@Echo a")
            await anyio.to_thread.run_sync(block.reached.wait)
            await until_stuck(here, Echo)
            forward(10)
            await spin_until(lambda: here.runtime.hosts.blocked)
            assert here.replies(asked) == []
            forward(100)
            reply = await here.reply(asked)
            assert reply.state == "failed"
            assert "stopped responding" in reply.body
            block.opened.set()
            assert (await here.reply(here.say("@Echo b"))).body == "late"


async def test_a_turn_that_came_while_the_host_was_stuck_runs_in_the_next_one() -> None:
    block = Block()
    said = persona(
        "Echo",
        lambda self, message: (
            block(self, message) if "block" in message.body else self.send_message("fine")
        ),
    )
    with ahead() as forward:
        async with room(said, make_host=ThreadHost, block_timeout=100) as here:
            here.say("@Echo block", by="Ada")
            await anyio.to_thread.run_sync(block.reached.wait)
            await until_stuck(here, said)
            innocent = here.say("@Echo me", by="Bob")
            stuck = here.runtime.hosts._entries[id_of(said)]
            await spin_until(lambda: len(stuck.sinks) == 2)
            forward(101)
            assert (await here.reply(innocent)).body == "fine"
            assert here.runtime.hosts._entries[id_of(said)] is not stuck
            block.opened.set()


async def test_nothing_of_mine_running_is_said() -> None:
    script = Script()
    async with room(persona("Echo", script)) as here:
        assert "Nothing" in await here.command("/stop")
        here.say("@Echo a", by="Bob")
        await script.until_begun("@Echo a")
        assert "/stop all" in await here.command("/stop")
        assert script.ended == []


# -- edit -------------------------------------------------------------------------------------


async def test_editing_a_running_request_begins_the_reply_anew(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo old")
        script.give("@Echo old", "old answer")
        before = await here.streaming(asked, "old answer")
        stage.edit(asked, "@Echo new")
        await script.until_begun("@Echo new")
        script.give("@Echo old", "late")
        script.end("@Echo new", "new answer")
        reply = await here.reply(asked)
        assert (reply.id, reply.body, reply.state) == (before.id, "new answer", "done")
        await here.quiet()
        assert here.stage.writing == {}


async def test_an_answer_to_what_was_asked_before_the_edit_is_gone_at_once(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo old")
        script.give("@Echo old", "old answer")
        await here.streaming(asked, "old answer")
        stage.edit(asked, "@Echo new")
        await script.until_begun("@Echo new")
        await here.until(lambda: here.replies(asked)[0].body == "")


async def test_editing_a_silent_request_begins_it_anew(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo old")
        await script.until_begun("@Echo old")
        for n in range(3):
            stage.edit(asked, f"@Echo new {n}")
            await script.until_begun(f"@Echo new {n}")
        script.end("@Echo new 2", "new")
        assert (await here.reply(asked)).body == "new"


async def test_editing_a_waiting_request_changes_what_will_be_asked(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        first, second = here.say("@Echo first"), here.say("@Echo old")
        await script.until_begun("@Echo first")
        stage.edit(second, "@Echo new")
        await settle()
        script.end("@Echo first", "1")
        await here.reply(first)
        script.end("@Echo new", "2")
        assert (await here.reply(second)).body == "2"
        assert script.begun == ["@Echo first", "@Echo new"]


async def test_editing_to_another_persona_stops_the_one_and_asks_the_other(stage: Stage) -> None:
    script = Script()
    personas = two_personas(script)
    async with room(*personas, stage=stage) as here:
        asked = here.say("@One hello")
        script.give("@One hello", "so far")
        await here.streaming(asked, "so far")
        stage.edit(asked, "@Two hello")
        await script.until_begun("@Two hello")
        script.end("@Two hello", "two")
        replies = {r.sender: r for r in await here.replied(asked, 2)}
        assert replies[id_of(personas[0])].state == "stopped"
        assert "editing" in replies[id_of(personas[0])].body
        assert replies[id_of(personas[1])].body == "two"


@pytest.mark.parametrize("body", ["never mind", "/status", "`@One`"])
async def test_who_is_edited_out_stops_though_the_front_end_still_lists_it(
    stage: Stage, body: str
) -> None:
    script = Script()
    Bot = persona("One", script)
    async with room(Bot, stage=stage) as here:
        asked = here.say("@One hello", mentions=[id_of(Bot)])
        script.give("@One hello", "so far")
        await here.streaming(asked, "so far")
        stage.edit(asked, body, mentions=[id_of(Bot)])
        reply = await here.reply(asked)
        assert reply.state == "stopped"
        assert "Stopped by Ada, by editing the message." in reply.body
        await here.quiet()
        assert script.begun == ["@One hello"]
        assert len(here.messages) == 2


async def test_who_is_mentioned_without_a_name_in_the_text_stays_so_when_that_is_edited(
    stage: Stage,
) -> None:
    script = Script()
    Bot = persona("One", script)
    async with room(Bot, stage=stage) as here:
        asked = here.say("hello", mentions=[id_of(Bot)])
        await script.until_begun("hello")
        stage.edit(asked, "hello again", mentions=[id_of(Bot)])
        await script.until_begun("hello again")
        script.end("hello again", "x")
        assert (await here.reply(asked)).body == "x"


async def test_editing_in_a_second_persona_leaves_the_first_alone(stage: Stage) -> None:
    script = Script()
    personas = two_personas(script)
    async with room(*personas, stage=stage) as here:
        asked = here.say("@One hello")
        await script.until_begun("@One hello")
        stage.edit(asked, "@One @Two hello")
        for _ in range(2):
            script.end("@One @Two hello", "x")
        replies = await here.replied(asked, 2)
        assert {r.sender for r in replies} == {id_of(p) for p in personas}


async def test_a_message_that_mentioned_nobody_may_be_edited_to(stage: Stage) -> None:
    Bot = persona("Echo", lambda self, message: self.send_message(message.body))
    async with room(Bot, stage=stage) as here:
        asked = here.say("hello")
        await settle()
        stage.edit(asked, "hello @Echo")
        assert (await here.reply(asked)).body == "hello @Echo"


async def test_editing_an_answered_message_does_nothing(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo old")
        script.end("@Echo old", "answer")
        await here.reply(asked)
        stage.edit(asked, "@Echo new")
        await settle()
        await here.quiet()
        assert script.begun == ["@Echo old"]
        assert [r.body for r in here.replies(asked)] == ["answer"]


async def test_an_edit_that_only_touches_up_nothing_restarts_nothing() -> None:
    script = Script()
    async with room(persona("Echo", script)) as here:
        asked = here.say("@Echo same")
        await script.until_begun("@Echo same")
        here.stage.edit(asked, "@Echo same", mentions=["ada"])
        await settle()
        script.end("@Echo same", "x")
        await here.reply(asked)
        assert script.begun == ["@Echo same"]


async def test_what_was_complete_is_written_over_when_a_turn_begins_anew(stage: Stage) -> None:
    script = Script()

    async def act(self: Any, message: Message) -> None:
        self.send_message(f"complete {message.body}")
        await script(self, message)

    async with room(persona("Echo", act), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "growing")
        await here.streaming(asked, "growing")
        before = [r.id for r in here.replies(asked)]
        stage.edit(asked, "@Echo b")
        await script.until_begun("@Echo b")
        script.end("@Echo b", "end")
        await here.quiet()
        replies = here.replies(asked)
        assert [(r.body, r.state) for r in replies] == [
            ("complete @Echo b", "done"),
            ("end", "done"),
        ]
        assert [r.id for r in replies] == before


async def test_what_has_no_place_any_more_when_a_turn_begins_anew_is_deleted(stage: Stage) -> None:
    script = Script()

    async def act(self: Any, message: Message) -> None:
        if message.body == "@Echo a":
            for number in range(3):
                self.send_message(f"complete {number}")
        await script(self, message)

    async with room(persona("Echo", act), stage=stage) as here:
        asked = here.say("@Echo a")
        await here.until(lambda: len(here.replies(asked)) == 3)
        by_hand, *others = [r.id for r in here.replies(asked)]
        stage.delete(by_hand)
        await settle()
        stage.edit(asked, "@Echo b")
        script.end("@Echo b", "the only one")
        await here.quiet()
        shown = {r.id: (r.body, r.state) for r in here.replies(asked) if not r.deleted}
        assert shown == {others[0]: ("the only one", "done")}
        assert all(r.state != "streaming" for r in here.replies(asked))


async def test_a_turn_that_begins_anew_and_says_nothing_leaves_no_empty_reply(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "old text")
        await here.streaming(asked, "old text")
        stage.edit(asked, "@Echo b")
        script.end("@Echo b")
        await here.quiet()
        assert [(r.body, r.state) for r in here.replies(asked)] == [("*Nothing to add.*", "done")]


# -- retry ------------------------------------------------------------------------------------


def failing_once(script: Script) -> type:
    failures = [ValueError("first")]

    async def act(self: Any, message: Message) -> None:
        if failures:
            raise failures.pop()
        await script(self, message)

    return persona("Echo", act)


async def test_a_retry_runs_the_turn_again_in_the_same_reply(stage: Stage) -> None:
    script = Script()
    async with room(failing_once(script), stage=stage) as here:
        asked = here.say("@Echo a")
        failed = await here.reply(asked)
        assert failed.state == "failed"
        here.say("/retry")
        await script.until_begun("@Echo a")
        script.end("@Echo a", "at last")
        reply = await here.until(
            lambda: next((r for r in here.replies(asked) if r.state == "done"), None)
        )
        assert reply is not None
        assert (reply.id, reply.body) == (failed.id, "at last")
        assert "error" not in reply.metadata
        assert len(here.replies(asked)) == 1


async def test_retrying_twice_runs_once(stage: Stage) -> None:
    script = Script()
    async with room(failing_once(script), stage=stage) as here:
        asked = here.say("@Echo a")
        await here.reply(asked)
        here.say("/retry", by="Ada")
        assert "already" in await here.command("/retry", by="Bob")
        await script.until_begun("@Echo a")
        assert "already" in await here.command("/retry", by="Ada")
        script.end("@Echo a", "once")
        await here.quiet()
        assert script.begun == ["@Echo a"]
        assert [(r.body, r.state) for r in here.replies(asked)] == [("once", "done")]


async def test_a_retry_that_never_begins_leaves_the_reply_alone(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "so far")
        await here.streaming(asked, "so far")
        await here.command("/stop")
        [before] = await here.replied(asked)
        here.say("@Echo b")
        await script.until_begun("@Echo b")
        here.say("/retry")
        await here.until_turns(2)
        assert "Stopped your turns" in await here.command("/stop")
        await here.quiet()
        [after] = here.replies(asked)
        assert (after.body, after.state) == (before.body, before.state)
        assert script.begun == ["@Echo a", "@Echo b"]


async def test_retries_work_through_what_failed_from_the_end(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = [here.say(f"@Echo {n}", by=by) for n, by in enumerate(("Ada", "Bob", "Eve"))]
        await script.until_begun("@Echo 0", "@Echo 1", "@Echo 2")
        await here.command("/stop all")
        script.begun.clear()
        for count in (1, 2, 3):
            here.say("/retry")
            await here.until_turns(count)
        assert "already" in await here.command("/retry")
        for n in (2, 1, 0):
            await script.until_begun(f"@Echo {n}")
            script.end(f"@Echo {n}", "at last")
        await here.quiet()
        assert [here.replies(id_)[0].state for id_ in asked] == ["done"] * 3


async def test_a_stopped_reply_is_retried_with_the_text_as_it_is_now(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo old")
        script.give("@Echo old", "so far")
        await here.streaming(asked, "so far")
        await here.command("/stop")
        stage.edit(asked, "@Echo new")
        await settle()
        here.say("/retry @Echo")
        await script.until_begun("@Echo new")
        script.end("@Echo new", "new")
        await here.quiet()
        assert [(r.body, r.state) for r in here.replies(asked)] == [("new", "done")]


async def test_a_retry_that_says_nothing_leaves_no_failure_standing() -> None:
    script = Script()
    async with room(failing_once(script)) as here:
        asked = here.say("@Echo a")
        await here.reply(asked)
        here.say("/retry")
        await script.until_begun("@Echo a")
        script.end("@Echo a")
        await here.quiet()
        assert all(r.state != "failed" for r in here.replies(asked))


async def test_the_latest_reply_that_failed_is_retried_or_the_named_personas() -> None:
    ran: list[str] = []

    def fail(self: Any, message: Message) -> None:
        ran.append(f"{self.name} {message.body}")
        raise ValueError("x")

    async with room(persona("One", fail), persona("Two", fail)) as here:
        await here.reply(here.say("@One a"))
        await here.reply(here.say("@Two b"))
        ran.clear()
        here.say("/retry")
        await here.until(lambda: ran)
        await here.quiet()
        here.say("/retry @One")
        await here.until(lambda: len(ran) == 2)
        await here.quiet()
        assert ran == ["Two @Two b", "One @One a"]


async def test_a_retry_without_anything_to_retry_says_so() -> None:
    Bot = persona("Echo", lambda self, message: self.send_message("x"))
    async with room(Bot) as here:
        await here.reply(here.say("@Echo"))
        assert "no reply here" in await here.command("/retry")
        assert "Did you mean `Echo`" in await here.command("/retry @Ecko")


async def test_a_retry_of_a_deleted_request_says_so() -> None:
    async with room(persona("Echo", lambda self, message: 1 / 0)) as here:
        asked = here.say("@Echo")
        await here.reply(asked)
        here.stage.delete(asked)
        assert "is gone" in await here.command("/retry")


# -- persona to persona -----------------------------------------------------------------------


def passing(name: str, *bodies: str) -> type:
    """A persona that says `bodies`, whoever asks."""

    def act(self: Any, message: Message) -> None:
        for body in bodies:
            self.send_message(body)

    return persona(name, act)


async def test_a_finished_reply_addresses_the_persona_it_mentions(stage: Stage) -> None:
    async with room(passing("A", "ask @B"), passing("B", "done"), stage=stage) as here:
        asked = here.say("@A go")
        first = await here.reply(asked)
        second = await here.reply(first.id)
        assert second.body == "done"
        await here.quiet()
        assert here.notices() == []


async def test_a_persona_does_not_answer_itself_nor_the_system_nor_a_quotation() -> None:
    async with room(
        passing("A", "I am @A", "> @B said", "`@B`"), passing("B", "x"), stage=None
    ) as here:
        await here.replied(here.say("@A go"), 3)
        await here.command("/help")
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 3


async def test_a_reply_that_grows_addresses_nobody_until_it_is_finished() -> None:
    script = Script()
    async with room(persona("A", script), passing("B", "x")) as here:
        asked = here.say("@A go")
        script.give("@A go", "ask @B ")
        await here.streaming(asked, "@B")
        await settle()
        assert len(here.messages) == 2
        script.end("@A go", "please")
        first = await here.reply(asked)
        assert await here.reply(first.id)


@pytest.mark.parametrize("end", ["stop", "fail"])
async def test_a_reply_that_was_stopped_or_failed_addresses_nobody(end: str) -> None:
    script = Script()
    async with room(persona("A", script), passing("B", "x")) as here:
        asked = here.say("@A go")
        script.give("@A go", "ask @B")
        await here.streaming(asked, "@B")
        if end == "stop":
            await here.command("/stop")
        else:
            script.fail("@A go", ValueError("x"))
        await here.reply(asked)
        await here.quiet()
        assert [m.sender for m in here.messages if m.by_persona] == [
            id_of(persona("A")),
        ]


async def test_a_chain_that_goes_round_ends_after_its_hops_and_says_so_once() -> None:
    async with room(passing("A", "@B your turn"), passing("B", "@A yours"), max_hops=3) as here:
        here.say("@A go")
        await here.until(here.notices)
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 4
        assert here.notices() == [
            "The personas have passed this on 3 times; it ends here. Mention one to go on."
        ]


async def test_no_hops_means_that_personas_never_address_each_other() -> None:
    async with room(passing("A", "@B"), passing("B", "x"), max_hops=0) as here:
        await here.reply(here.say("@A go"))
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 1


async def test_a_persona_that_mentions_many_is_damped_by_the_budget() -> None:
    everybody = " ".join(f"@P{n}" for n in range(6))
    personas = [passing(f"P{n}", everybody) for n in range(6)]
    async with room(*personas, max_turns_per_message=9, max_hops=100) as here:
        here.say("@P0 go")
        await here.until(here.notices)
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 9
        assert all("may cause 9 turns" in notice for notice in here.notices())


async def test_the_bound_of_a_message_is_told_once() -> None:
    everybody = " ".join(f"@P{n}" for n in range(6))
    personas = [passing(f"P{n}", everybody) for n in range(6)]
    async with room(*personas, max_turns_per_message=9, max_hops=100) as here:
        here.say("@P0 go")
        await here.until(here.notices)
        await here.quiet()
        assert len(here.notices()) == 1


async def test_the_person_who_asked_owns_the_whole_chain(stage: Stage) -> None:
    script = Script()
    async with room(passing("A", "ask @B"), persona("B", script), stage=stage) as here:
        asked = here.say("@A go", by="Ada")
        first = await here.reply(asked)
        await script.until_begun("ask @B")
        assert "Nothing of yours" in await here.command("/stop", by="Bob")
        await here.command("/stop", by="Ada")
        assert "Stopped by Ada" in (await here.reply(first.id)).body


async def test_deleting_a_personas_reply_stops_whom_it_addressed() -> None:
    script = Script()
    async with room(passing("A", "ask @B"), persona("B", script)) as here:
        first = await here.reply(here.say("@A go", by="Ada"))
        await script.until_begun("ask @B")
        here.stage.delete(first.id)
        reply = await here.reply(first.id)
        assert reply.state == "stopped"
        assert "jupyter-ai-personas" not in reply.body


async def test_chains_of_different_messages_do_not_share_a_budget() -> None:
    async with room(passing("A", "ask @B"), passing("B", "done"), max_turns_per_message=2) as here:
        for _ in range(3):
            first = await here.reply(here.say("@A go"))
            assert await here.reply(first.id)
        await here.quiet()
        assert here.notices() == []


async def test_deleting_a_reply_before_its_retry_writes_stops_the_retry(stage: Stage) -> None:
    script = Script()
    async with room(failing_once(script), stage=stage) as here:
        asked = here.say("@Echo a")
        failed = await here.reply(asked)
        here.say("/retry")
        await script.until_begun("@Echo a")
        stage.delete(failed.id)
        # Noticed when it is written, by a timer of the writer.
        script.give("@Echo a", "one ", "two ")
        await here.until(lambda: script.ended)
        await here.quiet()
        assert here.stage.writing == {}
        assert here.message(failed.id).body == ""
