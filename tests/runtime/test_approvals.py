"""Approvals: asked in the chat, shown to people, kept in the chat's file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from ledger_worker import make_row
from support.room import LOG, Room, persona, room
from support.stages import Stage
from toolroom import (
    APPROVED,
    DENIED,
    Box,
    Desk,
    approvals,
    asked,
    asking,
    caller,
    decide,
    result,
)

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import (
    ApprovalDecidedError,
    UnknownApprovalError,
)
from jupyter_ai_personas.hosts import InlineHost, ThreadHost
from jupyter_ai_personas.runtime import Approval, Approvals, Decision, Ledger
from jupyter_ai_personas.runtime.approvals import as_data
from jupyter_ai_personas.runtime.board import MAX_SHOWN
from jupyter_ai_personas.runtime.ledger import TurnStep


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
        assert "*Approved by **Ada** after " in shown.body.partition("<details>")[0]
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
        assert r"*Denied by **Bob** after " in shown.body
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
        assert "*Denied after " in shown.body
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
        assert "Anyone here may decide within 1 hour." in body


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


async def test_a_decision_that_comes_as_the_turn_ends_is_not_said_to_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with room(persona("Good", caller("desk.note")), tools=Box(Desk())) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        add_step = here.runtime.ledger.add_step

        async def add_late(turn_id: str, step: TurnStep) -> bool:
            await here.command("/stop")
            await here.reply(message)
            return await add_step(turn_id, step)

        monkeypatch.setattr(here.runtime.ledger, "add_step", add_late)
        with pytest.raises(ApprovalDecidedError):
            await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        assert asking(here)[0].metadata["decision"] == "denied"
