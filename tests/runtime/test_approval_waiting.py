"""What a turn does while it waits for a decision."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import anyio
import pytest
from support.room import persona, room
from support.stages import Stage
from toolroom import (
    APPROVED,
    DENIED,
    Box,
    Desk,
    approvals,
    asked,
    asking,
    call,
    caller,
    decide,
    result,
)

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import (
    ApprovalDecidedError,
)
from jupyter_ai_personas.testing import FakeModel, FakeModels


async def test_a_waiting_turn_holds_no_place_and_keeps_its_persons_order() -> None:
    desk = Desk()
    order: list[str] = []

    async def act(me: Any, message: Message) -> None:
        order.append(message.body)
        await call(me, "1", "desk.note")
        me.send_message(message.body)

    async with room(persona("Good", act), tools=Box(desk), max_concurrent_turns=1) as here:
        one = here.say("@Good one", by="Ada")
        await asked(here, 1)
        two = here.say("@Good two", by="Ada")
        three = here.say("@Good three", by="Bob")
        await asked(here, 2)
        # Ada's second message keeps its place behind her first; Bob's goes on.
        assert order == ["@Good one", "@Good three"]
        await decide(here, index=1)
        await here.reply(three)
        await decide(here)
        await here.reply(one)
        await asked(here, 1)
        await decide(here)
        await here.reply(two)


async def test_a_turn_that_waited_gets_its_place_before_those_that_have_not_begun() -> None:
    desk = Desk()
    desk.go_on = anyio.Event()
    begun: list[str] = []
    busy, go_on = anyio.Event(), anyio.Event()

    async def act(me: Any, message: Message) -> None:
        begun.append(message.body)
        if "ask" in message.body:
            await call(me, "1", "desk.note")
        else:
            busy.set()
            await go_on.wait()
        me.send_message(message.body)

    desk.go_on.set()
    async with room(persona("Good", act), tools=Box(desk), max_concurrent_turns=1) as here:
        one = here.say("@Good ask", by="Ada")
        await asked(here)
        here.say("@Good busy", by="Bob")
        await busy.wait()
        last = here.say("@Good last", by="Cleo")
        await here.until_turns(3)
        await decide(here)
        go_on.set()
        await here.reply(last)
        await here.reply(one)
        replies = [m.body for m in here.messages if m.by_persona and m.reply_to]
        assert replies == ["@Good busy", "@Good ask", "@Good last"]


async def test_a_turn_that_is_edited_while_it_waits_works_again_in_its_place() -> None:
    order: list[str] = []
    again, go_on = anyio.Event(), anyio.Event()

    async def act(me: Any, message: Message) -> None:
        async def text() -> AsyncIterator[str]:
            yield "some "
            if "ask" in message.body:
                await call(me, "1", "desk.note")
            elif "again" in message.body:
                again.set()
                await go_on.wait()
            order.append(message.sender)
            yield "text"

        await me.stream_message(text())

    async with room(persona("Good", act), tools=Box(Desk()), max_concurrent_turns=1) as here:
        one = here.say("@Good ask", by="Ada")
        await asked(here)
        here.stage.edit(one, "@Good again")
        await again.wait()
        state = "streaming"
        await here.until(
            lambda: [m for m in here.messages if (m.reply_to, m.state) == (one, state)]
        )
        two = here.say("@Good hi", by="Bob")
        await here.until_turns(2)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        go_on.set()
        await here.reply(one)
        await here.reply(two)
        assert order == ["ada", "bob"]


@pytest.mark.parametrize("exclusive", ["persona", "model"])
async def test_what_must_not_run_at_once_is_free_while_a_turn_waits(exclusive: str) -> None:
    class Exclusive(FakeModel):
        allows_concurrency: ClassVar[bool] = False

    async def act(me: Any, message: Message) -> None:
        if "ask" in message.body:
            await call(me, "1", "desk.note")
        me.send_message(message.body)

    models = FakeModels(Exclusive()) if exclusive == "model" else None
    good = persona("Good", act, allows_concurrency=exclusive != "persona")
    async with room(good, tools=Box(Desk()), models=models) as here:
        one = here.say("@Good ask", by="Ada")
        await asked(here)
        assert (await here.reply(here.say("@Good hi", by="Bob"))).state == "done"
        await decide(here)
        assert (await here.reply(one)).state == "done"


async def test_the_time_limit_stops_while_a_turn_waits_and_goes_on_after() -> None:
    desk = Desk()
    desk.go_on = anyio.Event()
    good = persona("Good", caller("desk.note"))
    hangs = persona("Hangs", lambda me, message: anyio.sleep_forever())
    async with room(good, hangs, tools=Box(desk), turn_timeout=0.5) as here:
        one = here.say("@Good hi")
        await asked(here)
        # One that began later has had its time.
        assert (await here.reply(here.say("@Hangs hi", by="Bob"))).state == "failed"
        assert len(approvals(here)) == 1
        await decide(here)
        # Now it works for too long.
        assert (await here.reply(one)).state == "failed"
        assert len(desk.ran) == 1


async def test_a_stop_ends_a_turn_that_waits_and_closes_what_it_asked() -> None:
    desk = Desk()
    async with room(persona("Good", caller("desk.note")), tools=Box(desk)) as here:
        one = here.say("@Good hi")
        [approval] = await asked(here)
        assert "waits for an approval" in await here.command("/status")
        await here.command("/stop")
        assert (await here.reply(one)).state == "stopped"
        assert approvals(here) == []
        assert "The turn has ended: stopped" in asking(here)[0].body.replace("\\", "")
        with pytest.raises(ApprovalDecidedError):
            await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        assert desk.ran == []


async def test_a_persona_that_gives_up_closes_what_it_asked_and_goes_on() -> None:
    desk = Desk()

    async def act(me: Any, message: Message) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(call, me, "1", "desk.note")
            await me.turn.request("test.wait")
            group.cancel_scope.cancel()
        await me.turn.request("test.closed")
        me.send_message("went on")

    async def wait(context: Any, arguments: Any) -> None:
        await asked(here)

    async def closed(context: Any, arguments: Any) -> None:
        await here.until(lambda: "decision" in asking(here)[0].metadata)

    handlers = {"test.wait": wait, "test.closed": closed}
    async with room(
        persona("Good", act), tools=Box(desk), request_handlers=handlers, turn_timeout=30
    ) as here:
        assert (await here.reply(here.say("@Good hi"))).body == "went on"
        assert "does not wait" in asking(here)[0].body
        assert desk.ran == []


async def test_a_growing_reply_says_that_it_waits(stage: Stage) -> None:
    async def act(me: Any, message: Message) -> None:
        async def chunks() -> Any:
            yield "First. "
            await call(me, "1", "desk.note")
            yield "Then."

        await me.stream_message(chunks())

    async with room(persona("Good", act), tools=Box(Desk()), stage=stage) as here:
        one = here.say("@Good hi")
        await asked(here)
        reply = await here.until(
            lambda: next((m for m in here.replies(one) if m.state == "waiting"), None)
        )
        assert reply.body == "First. "
        await decide(here)
        done = await here.reply(one)
        assert (done.body, done.state) == ("First. Then.", "done")


async def test_an_edit_asks_anew() -> None:
    desk = Desk()

    async def act(me: Any, message: Message) -> None:
        me.send_message(json.dumps(await call(me, "1", "desk.note", what=message.body)))

    async with room(persona("Good", act), tools=Box(desk)) as here:
        one = here.say("@Good one")
        [first] = await asked(here)
        here.stage.edit(one, "@Good two")
        await here.until(lambda: [a for a in approvals(here) if a.id != first.id])
        [second] = approvals(here)
        assert second.arguments == {"what": "@Good two"}
        await decide(here)
        assert result(await here.reply(one)) == {"did": "@Good two"}


async def test_several_calls_of_a_turn_can_wait_at_once() -> None:
    desk = Desk()

    async def act(me: Any, message: Message) -> None:
        results: dict[str, Any] = {}

        async def one(id_: str) -> None:
            results[id_] = await call(me, id_, "desk.note", what=id_)

        async with anyio.create_task_group() as group:
            for id_ in "abc":
                group.start_soon(one, id_)
        me.send_message(json.dumps(results, sort_keys=True))

    good, free = persona("Good", act), persona("Free", lambda me, _: me.send_message("."))
    async with room(good, free, tools=Box(desk), max_concurrent_turns=1) as here:
        one = here.say("@Good hi")
        await asked(here, 3)
        await decide(here)
        await decide(here, DENIED)
        await decide(here)
        answers = result(await here.reply(one))
        assert [("error" in answers[id_]) for id_ in "abc"].count(True) == 1
        assert (await here.reply(here.say("@Free hi"))).state == "done"


async def test_a_chat_of_its_own_has_nobody_to_ask() -> None:
    from jupyter_ai_personas.chat import User

    desk = Desk()
    async with room(persona("Good", caller("desk.note")), tools=Box(desk)) as here:
        answer = await here.runtime.one_shot("Good", "hi", sender=User("ada", "Ada"))
        assert "only people in a chat" in answer.text
        assert desk.ran == []
