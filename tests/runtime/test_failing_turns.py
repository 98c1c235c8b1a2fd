"""Turns that fail, and what is told of it."""

from __future__ import annotations

from typing import Any

from support.clock import ahead
from support.personas import Data, say
from support.room import Script, persona, room
from support.stages import Stage

from jupyter_ai_personas.chat import Message


async def test_a_persona_that_fails_says_so_and_nothing_of_the_error(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        raise ValueError("sk-secret")

    async with room(persona("Echo", act), Data, stage=stage) as here:
        reply = await here.reply(here.say("@Echo"))
        assert reply.state == "failed"
        assert "ValueError" in reply.body
        assert "/retry" in reply.body
        assert "sk-secret" not in reply.body
        assert reply.metadata["error"]
        assert (await here.reply(here.say("@Data-Analyst"))).state == "done"


async def test_what_was_written_before_a_failure_stays(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        self.send_message("complete")
        await self.stream_message(iter_then_fail())

    async def iter_then_fail() -> Any:
        yield "half"
        raise ValueError("x")

    async with room(persona("Echo", act), stage=stage) as here:
        one, two = await here.replied(here.say("@Echo"), 2)
        assert (one.body, one.state) == ("complete", "done")
        assert two.state == "failed"
        assert two.body.startswith("half\n\n")


async def test_a_failure_after_complete_messages_gets_one_of_its_own(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        self.send_message("complete")
        raise SystemExit(1)

    async with room(persona("Echo", act), stage=stage) as here:
        one, two = await here.replied(here.say("@Echo"), 2)
        assert (one.body, one.state) == ("complete", "done")
        assert (two.state, "SystemExit" in two.body) == ("failed", True)


async def test_a_reply_that_passes_its_bound_is_cut_and_told() -> None:
    async def act(self: Any, message: Message) -> None:
        await self.stream_message("x" * 10 for _ in range(1000))

    async with room(persona("Echo", act), max_reply_chars=100) as here:
        reply = await here.reply(here.say("@Echo"))
        assert reply.state == "failed"
        assert reply.body.startswith("x" * 100 + "\n\n")
        assert "100 characters" in reply.body


async def test_a_persona_that_takes_too_long_is_ended() -> None:
    script = Script()
    with ahead() as forward:
        async with room(persona("Echo", script), turn_timeout=300) as here:
            asked = here.say("@Echo a")
            script.give("@Echo a", "so far")
            await here.streaming(asked, "so far")
            forward(300)
            reply = await here.reply(asked)
            assert reply.state == "failed"
            assert reply.body.startswith("so far\n\n")
            assert "within 300 seconds" in reply.body
            await here.quiet()
            assert here.stage.writing == {}


async def test_a_persona_that_cannot_be_made_fails_each_turn() -> None:
    def broken(self: Any, context: Any) -> None:
        raise RuntimeError("no")

    async with room(persona("Echo", say("x"), __init__=broken)) as here:
        for _ in range(2):
            assert (await here.reply(here.say("@Echo"))).state == "failed"


async def test_a_persona_whose_code_fails_again_and_again_is_paused() -> None:
    calls = []

    async def act(self: Any, message: Message) -> None:
        calls.append(message.body)
        raise ValueError("always")

    async with room(persona("Echo", act), quarantine_failures=2) as here:
        for n in range(2):
            assert (await here.reply(here.say(f"@Echo {n}"))).state == "failed"
        reply = await here.reply(here.say("@Echo 3"))
        assert reply.state == "rejected"
        assert "paused" in reply.body
        assert len(calls) == 2
        here.say("/retry")
        await here.until(lambda: len(calls) == 3)
        await here.quiet()
