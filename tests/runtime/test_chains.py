"""Personas that address personas."""

from __future__ import annotations

from typing import Any

import pytest
from support.room import Script, id_of, persona, room
from support.stages import Stage, settle

from jupyter_ai_personas.chat import Message


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
