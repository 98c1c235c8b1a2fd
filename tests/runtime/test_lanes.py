"""Lanes: order for one person, concurrency for different people, and bounds."""

from __future__ import annotations

import math

import pytest
from support.personas import two_personas
from support.room import Script, id_of, persona, room
from support.stages import Stage, settle

from jupyter_ai_personas.testing import FakeModel, FakeModels


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


async def test_turns_are_announced_while_they_run_or_wait(stage: Stage) -> None:
    script = Script()
    Echo = persona("Echo", script)
    async with room(Echo, stage=stage) as here:
        asked = [here.say(f"@Echo {n}") for n in range(2)]
        await script.until_begun("@Echo 0")
        await here.until(lambda: [turn["message"] for turn in here.stage.turns] == asked)
        assert {turn["persona"] for turn in here.stage.turns} == {id_of(Echo)}
        assert {turn["person"] for turn in here.stage.turns} == {here.message(asked[0]).sender}
        script.end("@Echo 0", "x")
        reply = await here.reply(asked[0])
        await here.until(lambda: [turn["message"] for turn in here.stage.turns] == asked[1:])
        assert reply.metadata["turn"] not in {turn["turn"] for turn in here.stage.turns}
        script.end("@Echo 1", "x")
        await here.reply(asked[1])
        await here.until(lambda: here.stage.turns == [])


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
