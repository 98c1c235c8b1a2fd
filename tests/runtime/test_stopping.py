"""Stops: commands, REST, deletions, and personas that do not listen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from support.clock import ahead
from support.personas import two_personas
from support.room import WAIT, Room, Script, id_of, persona, room
from support.stages import Stage, settle

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.testing import FakeModel, FakeModels


class Busy:
    """Ada and Bob have each a turn with two personas, and Ada has one more waiting."""

    def __init__(self, here: Room, script: Script, asked: dict[str, str]) -> None:
        self.here = here
        self.script = script
        self.asked = asked

    def states(self) -> dict[str, list[str | None]]:
        return {name: [r.state for r in self.here.replies(i)] for name, i in self.asked.items()}


async def busy(here: Room, script: Script) -> Busy:
    asked = {}
    for who in ("Ada", "Bob"):
        for name in ("One", "Two"):
            asked[f"{who} {name}"] = here.say(f"@{name} {who}", by=who)
    asked["Ada waiting"] = here.say("@One more", by="Ada")
    await script.until_begun("@One Ada", "@Two Ada", "@One Bob", "@Two Bob")
    for who in ("Ada", "Bob"):
        for name in ("One", "Two"):
            script.give(f"@{name} {who}", "so far")
            await here.streaming(asked[f"{who} {name}"], "so far")
    return Busy(here, script, asked)


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
            await spin_until(lambda: len(stuck.turns) == 2)
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
