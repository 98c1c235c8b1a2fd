"""Who decides about a tool call, and for how long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.room import LOG, persona, room
from toolroom import (
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
    MayNotDecideError,
)
from jupyter_ai_personas.runtime import Decision, Ledger


@pytest.mark.parametrize(
    ("approvers", "user", "proven", "may"),
    [
        (["anyone"], "", False, True),
        (["anyone"], "bob", True, True),
        (["asker"], "ada", True, True),
        (["asker"], "ada", False, False),
        (["asker"], "bob", True, False),
        (["asker"], "asker", True, False),
        (["bob"], "bob", True, True),
        (["bob"], "bob", False, False),
        (["bob"], "ada", True, False),
        (["bob", "asker"], "ada", True, True),
        ([], "ada", True, False),
        ([""], "", True, False),
        (["Anyone"], "ada", True, False),
    ],
)
async def test_only_approvers_decide(
    approvers: list[str], user: str, proven: bool, may: bool
) -> None:
    good = persona("Good", caller("desk.note"))
    async with room(good, tools=Box(Desk()), approvers=approvers) as here:
        here.say("@Good hi", by="Ada")
        [approval] = await asked(here)
        decision = Decision("approved", user, user)
        if may:
            await here.runtime.approvals.decide(approval.id, decision, proven=proven)
            assert approvals(here) == []
        else:
            with pytest.raises(MayNotDecideError):
                await here.runtime.approvals.decide(approval.id, decision, proven=proven)
            assert approvals(here) == [approval]


async def test_people_decide_by_typing() -> None:
    desk = Desk()
    async with room(persona("Good", caller("desk.note", what="x")), tools=Box(desk)) as here:
        one = here.say("@Good hi")
        await asked(here)
        here.say("/approve", by="Bob")
        assert result(await here.reply(one)) == {"did": "x"}
        assert "Approved by **Bob**" in asking(here)[0].body
        two = here.say("@Good hi")
        await asked(here)
        here.say("/deny not now", by="Bob")
        assert result(await here.reply(two))["error"] == "Bob denied this. not now"
        assert "Nothing waits" in await here.command("/approve")


async def test_typing_says_which_of_several() -> None:
    desk = Desk()
    async with room(persona("Good", caller("desk.note")), tools=Box(desk)) as here:
        one, two = here.say("@Good hi", by="Ada"), here.say("@Good hi", by="Bob")
        first, second = await asked(here, 2)
        answer = await here.command("/approve")
        assert first.id in answer
        assert second.id in answer
        assert "no open approval" in await here.command("/approve nonsense")
        here.say(f"/deny {second.id} no")
        here.say(f"/approve {first.id}")
        assert result(await here.reply(two))["error"].endswith("denied this. no")
        assert "did" in result(await here.reply(one))


async def test_typing_proves_nothing_where_not_anyone_may_decide() -> None:
    good = persona("Good", caller("desk.note"))
    async with room(good, tools=Box(Desk()), approvers=["asker"]) as here:
        here.say("@Good hi")
        await asked(here)
        assert "/approve" not in asking(here)[0].body
        assert "does not prove" in await here.command("/approve")
        assert len(approvals(here)) == 1


async def test_a_persona_cannot_approve_itself() -> None:
    async def act(me: Any, message: Message) -> None:
        me.send_message("/approve")
        me.send_message(json.dumps(await call(me, "1", "desk.note")))

    async with room(persona("Good", act), tools=Box(Desk())) as here:
        here.say("@Good hi")
        [approval] = await asked(here)
        await here.command("/status")  # the mailbox is read
        assert approvals(here) == [approval]


async def test_a_tool_can_be_allowed_for_the_chat(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", log=LOG)
    good, other = persona("Good", caller("desk.note")), persona("Other", caller("desk.note"))
    box = Box(Desk())
    async with room(good, other, tools=box, ledger=ledger) as here:
        one = here.say("@Good hi")
        await asked(here)
        await decide(here, Decision("approved", "ada", "Ada", scope="chat"))
        await here.reply(one)
        assert "also for later calls" in asking(here)[0].body
        assert "did" in (await here.reply(here.say("@Good again"))).body
        # Another persona asks.
        here.say("@Other hi")
        await asked(here)


async def test_what_is_denied_is_not_allowed_by_a_chat() -> None:
    policy: dict[str, Any] = {}
    good = persona("Good", caller("desk.note"))
    async with room(good, tools=Box(Desk(), policy)) as here:
        one = here.say("@Good hi")
        await asked(here)
        await decide(here, Decision("approved", "ada", "Ada", scope="chat"))
        await here.reply(one)
        policy["desk.note"] = "deny"
        assert "does not allow" in (await here.reply(here.say("@Good again"))).body
