"""Retries of replies that failed or were stopped."""

from __future__ import annotations

from typing import Any

from support.room import Script, persona, room
from support.stages import Stage, settle

from jupyter_ai_personas.chat import Message


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
