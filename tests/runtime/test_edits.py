"""Edits of messages that wait or are being answered."""

from __future__ import annotations

from typing import Any

import pytest
from support.personas import two_personas
from support.room import Script, id_of, persona, room
from support.stages import Stage, settle

from jupyter_ai_personas.chat import Message


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
