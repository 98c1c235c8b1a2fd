"""From a message to its reply: who is addressed, what is written, what is shown meanwhile."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from support.personas import Data, Echo, say
from support.room import Script, id_of, persona, room
from support.stages import DocumentStage, Stage, settle

from jupyter_ai_personas.chat import Message


async def test_who_is_mentioned_answers_in_the_document(stage: Stage) -> None:
    async with room(Echo, Data, stage=stage) as here:
        asked = here.say("hello @Echo")
        reply = await here.reply(asked)
        assert (reply.sender, reply.body, reply.state) == (id_of(Echo), "echo: hello @Echo", "done")
        assert reply.metadata["turn"]
        assert reply.reply_to == asked


async def test_everybody_who_is_mentioned_answers_once(stage: Stage) -> None:
    async with room(Echo, Data, stage=stage) as here:
        asked = here.say("@Echo @data-analyst @echo", mentions=[id_of(Echo)])
        replies = await here.replied(asked, 2)
        await here.quiet()
        assert sorted(r.sender for r in replies) == sorted([id_of(Echo), id_of(Data)])
        assert len(here.replies(asked)) == 2


async def test_a_picked_mention_counts_and_a_person_is_no_persona(stage: Stage) -> None:
    async with room(Echo, stage=stage) as here:
        assert await here.reply(here.say("hi", mentions=[id_of(Echo)]))
        quiet = here.say("@ada hi", by="Bob", mentions=["ada"])
        await settle()
        await here.quiet()
        assert here.replies(quiet) == []


@pytest.mark.parametrize("body", ["hello", "> @Echo said", "`@Echo`", "me@echo.com"])
async def test_who_is_not_mentioned_stays_silent(stage: Stage, body: str) -> None:
    async with room(Echo, stage=stage) as here:
        here.say(body)
        await settle()
        await here.quiet()
        assert len(here.messages) == 1


async def test_history_is_not_answered_and_the_first_moment_is(stage: Stage) -> None:
    if isinstance(stage, DocumentStage):
        stage.other.post("@Echo old", time=1.0, raw_time=False)
    async with room(Echo, stage=stage, ready=False) as here:
        # Posted before the personas are even loaded.
        first = here.say("@Echo first")
        assert (await here.reply(first)).body == "echo: @Echo first"
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 1


async def test_what_a_persona_writes_addresses_no_default(stage: Stage) -> None:
    async with room(Echo, stage=stage, default_persona="Echo") as here:
        asked = here.say("hello")
        assert (await here.reply(asked)).body == "echo: hello"
        await here.quiet()
        assert len(here.messages) == 2


async def test_the_default_persona_is_for_who_is_alone(stage: Stage) -> None:
    async with room(Echo, stage=stage, default_persona="echo") as here:
        assert await here.reply(here.say("hello", by="Ada"))
        second = here.say("hello", by="Bob")
        third = here.say("hello", by="Ada")
        await settle()
        await here.quiet()
        assert here.replies(second) == here.replies(third) == []
        assert await here.reply(here.say("@Echo hello", by="Bob"))


async def test_who_corrects_a_message_to_the_default_persona_goes_on_asking_it(
    stage: Stage,
) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage, default_persona="Echo") as here:
        asked = here.say("helo")
        await script.until_begun("helo")
        here.stage.join("bob", "Bob")
        await settle()
        here.stage.edit(asked, "hello")
        await script.until_begun("hello")
        script.end("hello", "hi")
        assert (await here.reply(asked)).body == "hi"


async def test_a_default_persona_that_is_not_installed_answers_nobody() -> None:
    async with room(Echo, default_persona="Nobody") as here:
        here.say("hello")
        await here.quiet()
        assert len(here.messages) == 1


async def test_several_messages_of_a_turn_all_carry_it(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        self.send_message("one")
        await self.stream_message(["tw", "o"])
        self.send_message("three")

    async with room(persona("Echo", act), stage=stage) as here:
        replies = await here.replied(here.say("@Echo"), 3)
        assert [r.body for r in replies] == ["one", "two", "three"]
        assert {r.state for r in replies} == {"done"}
        assert len({r.metadata["turn"] for r in replies}) == 1


async def test_a_persona_that_says_nothing_leaves_nothing(stage: Stage) -> None:
    async with room(persona("Echo", say()), stage=stage) as here:
        here.say("@Echo")
        await settle()
        await here.quiet()
        assert len(here.messages) == 1
        assert here.stage.writing == {}


async def test_a_reply_streams_while_everybody_watches(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "Hel")
        growing = await here.streaming(asked, "Hel")
        script.give("@Echo a", "lo")
        await here.streaming(asked, "Hello")
        script.end("@Echo a", "!")
        reply = await here.reply(asked)
        assert (reply.id, reply.body) == (growing.id, "Hello!")


async def test_a_message_that_comes_twice_is_answered_once() -> None:
    stage = DocumentStage()
    async with room(Echo, stage=stage) as here:
        asked = here.say("@Echo hi")
        await here.reply(asked)
        stage.other.post("@Echo hi", id=asked, sender="ada")
        await settle()
        stage.ychat.set(stage.ychat.get())
        await settle()
        await here.quiet()
        assert len(here.replies(asked)) == 1


# -- presence ---------------------------------------------------------------------------------


async def test_the_status_shows_what_happens_from_acceptance_to_end(stage: Stage) -> None:
    script = Script()
    Bot = persona("Echo", script)
    async with room(Bot, stage=stage) as here:
        first = here.say("@Echo a")
        await here.until(lambda: here.stage.writing == {id_of(Bot): "is thinking"})
        await script.until_begun("@Echo a")
        script.give("@Echo a", lambda self: self.set_status("is reading the notebook"))
        await here.until(lambda: here.stage.writing == {id_of(Bot): "is reading the notebook"})
        second = here.say("@Echo b")
        reading = "is reading the notebook (1 more waiting)"
        await here.until(lambda: here.stage.writing == {id_of(Bot): reading})
        script.give("@Echo a", lambda self: self.set_status(None))
        thinking = "is thinking (1 more waiting)"
        await here.until(lambda: here.stage.writing == {id_of(Bot): thinking})
        script.end("@Echo a", "x")
        await here.reply(first)
        await here.until(lambda: here.stage.writing == {id_of(Bot): "is thinking"})
        script.end("@Echo b", "y")
        await here.reply(second)
        await here.quiet()
        assert here.stage.writing == {}


async def test_two_personas_have_each_their_status(stage: Stage) -> None:
    script = Script()
    One, Two = persona("One", script), persona("Two", script)
    async with room(One, Two, stage=stage) as here:
        asked = here.say("@One @Two")
        await here.until(lambda: len(here.stage.writing) == 2)
        script.end("@One @Two")
        script.end("@One @Two")
        await here.quiet()
        assert here.stage.writing == {}
        assert here.replies(asked) == []


async def test_people_see_that_a_turn_begins_while_its_tools_are_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = anyio.Event()

    async def start_slowly(*asked: Any) -> None:
        await started.wait()

    async with room(Echo) as here:
        await here.reply(here.say("@Echo hi"))
        await here.quiet()  # the host is open, and no status is shown
        monkeypatch.setattr(here.runtime.tools, "ready", start_slowly)
        asked = here.say("@Echo again")
        await here.until(lambda: here.stage.writing == {id_of(Echo): "is thinking"})
        started.set()
        await here.reply(asked)
