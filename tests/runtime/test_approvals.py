"""Approvals: asked in the chat, decided by people, and what a turn does while it waits."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from ledger_worker import make_row
from support.room import LOG, Room, persona, room
from support.stages import Stage
from toolroom import Box, Desk, approvals, asked, asking, call, caller

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import (
    ApprovalDecidedError,
    MayNotDecideError,
    UnknownApprovalError,
)
from jupyter_ai_personas.hosts import InlineHost, ThreadHost
from jupyter_ai_personas.runtime import Approval, Approvals, Decision, Ledger
from jupyter_ai_personas.runtime.approval_text import MAX_SHOWN
from jupyter_ai_personas.runtime.approvals import as_data
from jupyter_ai_personas.runtime.ledger import TurnStep
from jupyter_ai_personas.testing import FakeModel, FakeModels

APPROVED = Decision("approved", "ada", "Ada")
DENIED = Decision("denied", "bob", "Bob", "Too `dangerous` <b>\n# by far")


def result(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.body)
    return found


async def decide(here: Room, decision: Decision = APPROVED, index: int = 0) -> None:
    approval = approvals(here)[index]
    await here.runtime.approvals.decide(approval.id, decision, proven=True)


@pytest.mark.parametrize("make_host", [InlineHost, ThreadHost])
async def test_a_call_waits_for_a_person_and_runs_when_it_is_approved(
    stage: Stage, make_host: Any
) -> None:
    desk = Desk()
    act = caller("desk.note", what="x")
    async with room(
        persona("Good", act), tools=Box(desk), stage=stage, make_host=make_host
    ) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        assert desk.ran == []
        assert (approval.tool, approval.arguments) == ("desk.note", {"what": "x"})
        assert (approval.person, approval.chat_path) == ("ada", stage.chat.path)
        [shown] = asking(here)
        assert shown.sender == approval.persona_id
        assert shown.reply_to is None
        assert shown.metadata == {"approval": approval.id, "turn": approval.turn_id}
        await decide(here)
        assert result(await here.reply(message)) == {"did": "x"}
        [shown] = asking(here)
        assert "*Approved by **Ada** at 2" in shown.body.partition("<details>")[0]
        assert "what: x" in shown.body.partition("<details>")[2] or "```" not in shown.body
        assert "may decide" not in shown.body


async def test_a_denial_goes_to_the_model_with_its_reason(stage: Stage) -> None:
    desk = Desk()
    async with room(persona("Good", caller("desk.note")), tools=Box(desk), stage=stage) as here:
        message = here.say("@Good hi")
        await asked(here)
        await decide(here, DENIED)
        error = result(await here.reply(message))["error"]
        assert error == "Bob denied this. Too `dangerous` <b>\n# by far"
        assert desk.ran == []
        [shown] = asking(here)
        # One line, without markup.
        assert r"*Denied by **Bob** at 2" in shown.body
        assert r"Too \`dangerous\` \<b\> \# by far" in shown.body


async def test_a_tool_in_the_host_waits_as_well() -> None:
    async with room(persona("Good", caller("pack.plot", x=1)), tools=Box(Desk())) as here:
        message = here.say("@Good hi")
        await asked(here)
        await decide(here)
        assert result(await here.reply(message)) == {"drew": {"x": 1}}


async def test_nobody_decides_in_time() -> None:
    desk = Desk()
    good = persona("Good", caller("desk.note"))
    async with room(good, tools=Box(desk), approval_timeout=0.05) as here:
        message = here.say("@Good hi")
        assert "Nobody decided in time" in result(await here.reply(message))["error"]
        assert desk.ran == []
        [shown] = asking(here)
        assert "*Denied at 2" in shown.body
        with pytest.raises(ApprovalDecidedError):
            await here.runtime.approvals.decide(shown.id, APPROVED, proven=True)


async def test_the_first_decision_counts() -> None:
    desk = Desk()
    async with room(persona("Good", caller("desk.note")), tools=Box(desk)) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        outcomes: list[str] = []

        async def one(decision: Decision) -> None:
            try:
                await here.runtime.approvals.decide(approval.id, decision, proven=True)
                outcomes.append(decision.status)
            except ApprovalDecidedError:
                outcomes.append("late")

        async with anyio.create_task_group() as group:
            for decision in (APPROVED, DENIED, APPROVED):
                group.start_soon(one, decision)
        await here.reply(message)
        assert sorted(outcomes, key=lambda o: o == "late")[1:] == ["late", "late"]
        with pytest.raises(UnknownApprovalError):
            await here.runtime.approvals.decide("nothing", APPROVED, proven=True)


# -- what people see ------------------------------------------------------------------------


async def body_of(here: Room) -> str:
    here.say("@Good hi")
    await asked(here)
    return asking(here)[0].body


async def test_the_arguments_are_complete_and_inert() -> None:
    nasty = "```\n</details><script>alert(1)</script> @Good [x](javascript:1)\n````"
    act = caller("desk.note", what="plain", nested={"deep": [1, {"x": "y"}]}, text=nasty)
    async with room(persona("Good", act), tools=Box(Desk())) as here:
        body = await body_of(here)
        assert f"`````\n{nasty}\n`````" in body  # inside a longer fence
        assert "what: plain" in body
        assert '"x": "y"' in body


async def test_the_preview_of_an_executor_shows_code_and_target() -> None:
    act = caller("desk.run", source="print(1)\nprint(2)", what="x")
    async with room(persona("Good", act), tools=Box(Desk())) as here:
        body = await body_of(here)
        assert "**Good** wants to run `desk.run`." in body
        assert "Target: `a.ipynb`" in body
        assert "```python\nprint(1)\nprint(2)\n```" in body
        assert body.count("print(1)") == 1
        assert "what: x" in body


async def test_a_call_that_cannot_work_asks_nobody() -> None:
    good = persona("Good", caller("desk.note", what="nonsense"))
    async with room(good, tools=Box(Desk())) as here:
        assert result(await here.reply(here.say("@Good hi"))) == {"error": "That cannot work."}
        assert asking(here) == []


async def test_a_call_that_asks_nobody_has_the_result_that_its_run_would_have() -> None:
    good = persona("Good", caller("desk.note", what="stale"))
    async with room(good, tools=Box(Desk())) as here:
        reply = await here.reply(here.say("@Good hi"))
        assert result(reply) == {"error": "That is not there now.", "current": "new"}
        assert asking(here) == []


async def test_what_people_cannot_be_shown_whole_is_refused() -> None:
    desk = Desk()
    good = persona("Good", caller("desk.note", what="x" * MAX_SHOWN))
    async with room(good, tools=Box(desk)) as here:
        error = result(await here.reply(here.say("@Good hi")))["error"]
        assert "smaller parts" in error
        assert desk.ran == []


async def test_secrets_are_taken_out_of_what_people_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "geheim-4711-geheim")
    desk = Desk()
    act = caller(
        "desk.note", what="geheim-4711-geheim", more={"geheim-4711-geheim": ["Bearer " + "x" * 20]}
    )
    async with room(persona("Good", act), tools=Box(desk)) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        seen = asking(here)[0].body + json.dumps(approval.as_json())
        assert "4711" not in seen
        assert "xxxxx" not in seen
        await decide(here, Decision("denied", "bob", "Bob", "it has geheim-4711-geheim"))
        assert "4711" not in (await here.reply(message)).body
        assert "4711" not in asking(here)[0].body


async def test_letters_that_turn_the_text_around_are_shown_as_codes() -> None:
    act = caller("desk.note", what="safe\n\u202etxet\u202c")
    async with room(persona("Good", act), tools=Box(Desk())) as here:
        assert "\\u202etxet\\u202c" in await body_of(here)


async def test_the_message_links_to_the_page_where_people_decide() -> None:
    url = "/base/api/ai/approvals/{}".format
    good = persona("Good", caller("desk.note"))
    async with room(good, tools=Box(Desk()), approval_url=url) as here:
        body = await body_of(here)
        id_ = approvals(here)[0].id
        assert f"(/base/api/ai/approvals/{id_})" in body
        assert f"`/approve {id_}`" in body
        assert "Anyone here may decide until 2" in body


async def test_what_was_asked_is_not_given_to_models() -> None:
    def history(me: Any, message: Message) -> None:
        me.send_message(repr([entry.body for entry in me.turn.spec.history]))

    good = persona("Good", caller("desk.note", what="x"))
    async with room(good, persona("Reader", history), tools=Box(Desk())) as here:
        message = here.say("@Good hi")
        await asked(here)
        await decide(here)
        await here.reply(message)
        assert "wants to" not in (await here.reply(here.say("@Reader hi"))).body


# -- who decides ----------------------------------------------------------------------------


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


# -- for the whole chat ---------------------------------------------------------------------


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


# -- waiting --------------------------------------------------------------------------------


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


# -- the chat's file ------------------------------------------------------------------------


async def test_a_deleted_chat_denies_what_is_open_in_it() -> None:
    desk = Desk()
    async with room(persona("Good", caller("desk.note")), tools=Box(desk)) as here:
        message = here.say("@Good hi")
        await asked(here)
        await here.runtime.approvals.chat_deleted("other.chat")
        await here.runtime.approvals.chat_deleted("")
        assert len(approvals(here)) == 1
        await here.runtime.approvals.chat_deleted("/room.chat")
        assert "The chat was deleted" in result(await here.reply(message))["error"]
        assert desk.ran == []


async def test_a_chat_that_is_not_open_keeps_its_approvals_under_its_new_path(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "l", log=LOG)
    await ledger.open()
    turn = make_row("t1")
    await ledger.accept([turn])
    approval = Approval(
        id="a",
        turn_id="t1",
        call_id="1",
        chat_id=turn.chat_id,
        chat_path="folder/a.chat",
        persona_id=turn.persona_id,
        persona_name="A",
        tool="x.y",
        arguments={},
        person="ada",
        approvers=["anyone"],
        asked_at=time.time(),
        expires=time.time() + 3600,
        text="A wants to use x.y.",
    )
    await ledger.add_step("t1", TurnStep("asked", as_data(approval)))
    try:
        open_ = Approvals(ledger)
        await open_.load()
        assert open_.open() == [approval]
        open_.chat_moved("folder", "elsewhere/deep")
        assert [a.chat_path for a in open_.open()] == ["elsewhere/deep/a.chat"]
        await open_.chat_deleted("folder")
        assert len(open_.open()) == 1
        await open_.chat_deleted("elsewhere")
        assert open_.open() == []
        # For the next server, too.
        again = Approvals(ledger)
        await again.load()
        assert again.open() == []
    finally:
        await ledger.aclose()
