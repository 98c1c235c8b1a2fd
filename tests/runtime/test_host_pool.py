"""What the hosts of a server share."""

from __future__ import annotations

from typing import Any

import anyio
from support.room import WAIT, Script, persona, room
from support.stages import settle

from jupyter_ai_personas.hosts import InlineHost


class Slow(InlineHost):
    """Opens when a test lets it, or fails if it is told to."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.opening = anyio.Event()
        self.go_on = anyio.Event()
        self.problem: Exception | None = None

    async def open(self) -> None:
        self.opening.set()
        await self.go_on.wait()
        if self.problem is not None:
            raise self.problem
        await super().open()


async def until_made(made: list[Slow], count: int) -> None:
    with anyio.fail_after(WAIT):
        while len(made) < count:
            await anyio.lowlevel.checkpoint()


async def test_a_host_that_nobody_wants_when_it_has_opened_is_closed() -> None:
    script, made = Script(), list[Slow]()

    def make_host(*arguments: Any) -> Slow:
        made.append(Slow(*arguments))
        return made[-1]

    async with room(persona("Echo", script), make_host=make_host, actor_idle=0.0) as here:
        here.say("@Echo a")
        await until_made(made, 1)
        await made[0].opening.wait()
        await here.command("/stop")
        with anyio.fail_after(WAIT):
            while here.session.scheduler._actors:
                await anyio.lowlevel.checkpoint()
        made[0].go_on.set()
        await settle()
        assert here.runtime.hosts._entries == {}
        here.say("@Echo b")
        await until_made(made, 2)
        made[1].go_on.set()
        await script.until_begun("@Echo b")


async def test_who_is_stopped_while_the_host_opens_ends_at_once_and_leaves_it_to_others() -> None:
    script, made = Script(), list[Slow]()

    def make_host(*arguments: Any) -> Slow:
        made.append(Slow(*arguments))
        return made[-1]

    async with room(persona("Echo", script), make_host=make_host) as here:
        stopped = here.say("@Echo a", by="Ada")
        await here.until(lambda: list(here.stage.writing.values()) == ["is thinking"])
        await until_made(made, 1)
        await made[0].opening.wait()
        here.say("/stop", by="Ada")
        assert (await here.reply(stopped)).state == "stopped"
        asked = here.say("@Echo b", by="Bob")
        made[0].go_on.set()
        await script.until_begun("@Echo b")
        script.end("@Echo b", "x")
        assert (await here.reply(asked)).state == "done"
        assert len(made) == 1
        assert script.begun == ["@Echo b"]


async def test_a_host_that_cannot_be_opened_is_told_and_made_anew() -> None:
    script, made = Script(), list[Slow]()

    def make_host(*arguments: Any) -> Slow:
        host = Slow(*arguments)
        host.go_on.set()
        host.problem = None if made else OSError("no more threads")
        made.append(host)
        return host

    async with room(persona("Echo", script), make_host=make_host) as here:
        failed = await here.reply(here.say("@Echo a"))
        assert (failed.state, "Try again" in failed.body) == ("failed", True)
        asked = here.say("@Echo b")
        await script.until_begun("@Echo b")
        script.end("@Echo b", "x")
        assert (await here.reply(asked)).state == "done"
