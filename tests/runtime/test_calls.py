"""Calls of tools on the server's side: granted, decided by policy, recorded, run, bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.room import LOG, WAIT, persona, room
from toolroom import HOSTED, READ, RUN, WRITE, Box, Desk, asked, asking, call, caller

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import ChatError, RequestRefusedError
from jupyter_ai_personas.hosts import InlineHost, ThreadHost
from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.runtime.calls import MAX_RESULT
from jupyter_ai_personas.runtime.ledger import TurnStep
from jupyter_ai_personas.runtime.steps import unfinished_calls
from jupyter_ai_personas.tools import CallContext, ToolInfo

ALLOWED = {"*": "allow"}


async def result_of(
    act: Any, desk: Desk | None = None, policy: dict[str, Any] | None = None, **options: Any
) -> Any:
    """Let a persona call a tool; return the result that it got, or the text of a refusal."""
    box = Box(desk or Desk(), policy or ALLOWED)
    async with room(persona("Good", act), tools=box, **options) as here:
        body = (await here.reply(here.say("@Good hi"))).body
        return json.loads(body) if body.startswith("{") else body


@pytest.mark.parametrize("make_host", [InlineHost, ThreadHost])
async def test_a_granted_tool_runs_on_the_servers_side_and_is_told_who_calls(
    make_host: Any,
) -> None:
    desk = Desk()
    box = Box(desk)
    async with room(
        persona("Good", caller("desk.look", what="here")), tools=box, make_host=make_host
    ) as here:
        reply = await here.reply(here.say("@Good hi"))
        assert json.loads(reply.body) == {"did": "here"}
        [context] = desk.contexts
        assert (context.persona_id, context.persona_name) == (reply.sender, "Good")
        assert (context.turn_id, context.call_id) == (reply.metadata["turn"], "1")
        assert (context.chat_id, context.chat_path) == (here.session.chat.id, "room.chat")
        assert context.person == "ada"


async def test_the_host_is_given_the_tools_of_its_persona() -> None:
    def tools(me: Any, message: Message) -> None:
        me.send_message(repr([tool.name for tool in me.turn.spec.tools]))

    assert await result_of(tools) == repr([t.name for t in (READ, WRITE, RUN, HOSTED)])


async def test_a_tool_that_was_not_granted_is_none() -> None:
    desk = Desk()
    assert (
        "no tool `desk.lok`. Did you mean `desk.look`"
        in (await result_of(caller("desk.lok"), desk))["error"]
    )
    assert desk.ran == []


@pytest.mark.parametrize("tool", ["desk.look", "desk.note", "pack.plot"])
async def test_what_the_operator_denies_does_not_run(tool: str) -> None:
    desk = Desk()
    result = await result_of(caller(tool), desk, {"*": "allow", tool: "deny"})
    assert "operator does not allow" in result["error"]
    assert desk.ran == []


async def test_a_tool_gets_the_defaults_of_its_schema_and_people_are_shown_them() -> None:
    """Models leave arguments out, or send null for them."""
    properties = {
        "what": {"type": "string"},
        "seconds": {"type": "integer", "default": 60},
        "after": {"type": ["string", "null"], "default": None},
        "count": {"type": "integer", "default": 3},
    }
    tool = ToolInfo("desk.note", "Notes.", "write", {"properties": properties})
    desk = Desk()
    box = Box(desk, tools=[tool])
    act = caller("desk.note", what="x", count=None)
    async with room(persona("Good", act), tools=box) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        full = {"what": "x", "seconds": 60, "after": None, "count": 3}
        assert approval.as_json()["arguments"] == full
        [asking_message] = asking(here)
        assert "what: x\ncount: 3\nseconds: 60\nafter: null" in asking_message.body
        here.say("/approve")
        await here.reply(message)
        assert desk.ran == [("1", full)]


async def test_people_are_shown_what_a_call_waits_for() -> None:
    class Slow(Desk):
        async def run(self, context: CallContext, arguments: Mapping[str, Any]) -> Any:
            context.show("is waiting for the kernel")
            return await super().run(context, arguments)

    desk = Slow()
    desk.go_on = anyio.Event()
    async with room(persona("Good", caller("desk.look")), tools=Box(desk)) as here:
        message = here.say("@Good hi")
        await here.until(lambda: "is waiting for the kernel" in str(here.stage.writing))
        desk.go_on.set()
        await here.reply(message)


async def test_a_tool_of_a_package_runs_in_the_host() -> None:
    assert await result_of(caller("pack.plot", x=1)) == {"drew": {"x": 1}}


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (ChatError("The notebook is closed."), "The notebook is closed."),
        (ValueError("secret"), "`desk.look` failed (error `"),
        ({"x": object()}, "its result cannot be shown"),
        ("text", "no JSON object"),
        ({"x": "x" * MAX_RESULT}, "its result cannot be shown"),
    ],
)
async def test_what_goes_wrong_is_an_error_result(found: Any, error: str) -> None:
    desk = Desk()
    desk.result = found
    result = await result_of(caller("desk.look"), desk)
    assert error in result["error"]
    assert "secret" not in result["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"call": "", "tool": "desk.look", "arguments": {}},
        {"call": "1", "tool": 3, "arguments": {}},
        {"call": "1", "tool": "desk.look", "arguments": []},
        {"call": "x" * 1000, "tool": "desk.look", "arguments": {}},
    ],
)
async def test_a_malformed_call_is_refused(arguments: dict[str, Any]) -> None:
    async def act(me: Any, message: Message) -> None:
        try:
            await me.turn.request("tool.call", arguments)
        except RequestRefusedError as error:
            me.send_message(f"refused: {error}")

    assert "`tool.call` takes" in await result_of(act)


async def test_a_call_has_its_effect_once() -> None:
    async def act(me: Any, message: Message) -> None:
        first = await call(me, "1", "desk.note", what="x")
        again = await call(me, "1", "desk.note", what="x")
        assert first == again
        me.send_message(json.dumps(again))

    desk = Desk()
    assert await result_of(act, desk) == {"did": "x"}
    assert len(desk.ran) == 1


async def test_a_call_that_runs_is_not_begun_again() -> None:
    desk = Desk()
    desk.go_on = anyio.Event()

    async def act(me: Any, message: Message) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(call, me, "1", "desk.note")
            await desk.begun.wait()
            try:
                await call(me, "1", "desk.note")
            except RequestRefusedError as error:
                me.send_message(str(error))
            desk.go_on.set()

    assert "has begun already" in await result_of(act, desk)
    assert len(desk.ran) == 1


async def test_a_turn_makes_so_many_calls_and_no_more() -> None:
    async def act(me: Any, message: Message) -> None:
        for n in range(20):
            await call(me, str(n), "desk.look")
        try:
            await call(me, "more", "desk.look")
        except RequestRefusedError as error:
            me.send_message(str(error))

    desk = Desk()
    assert await result_of(act, desk) == "A turn may make 20 calls of tools."
    assert len(desk.ran) == 20


async def test_a_tool_that_takes_too_long_is_ended() -> None:
    desk = Desk()
    desk.go_on = anyio.Event()
    desk.seconds = 0.05
    result = await result_of(caller("desk.note"), desk)
    assert result == {"error": "`desk.note` took longer than 0.05 s and was ended."}


async def test_a_stop_ends_a_tool_that_runs() -> None:
    desk = Desk()
    desk.go_on = anyio.Event()
    async with room(persona("Good", caller("desk.note")), tools=Box(desk, ALLOWED)) as here:
        message = here.say("@Good hi")
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
        await here.command("/stop")
        assert (await here.reply(message)).state == "stopped"


async def test_a_result_is_only_taken_for_a_call_that_may_run_in_the_host() -> None:
    async def act(me: Any, message: Message) -> None:
        await call(me, "1", "desk.note")
        for id_ in ("1", "2", None):
            try:
                await me.turn.request("tool.result", {"call": id_, "result": {"x": 1}})
            except RequestRefusedError as error:
                me.send_message(str(error))

    box = Box(Desk(), ALLOWED)
    async with room(persona("Good", act), tools=box) as here:
        replies = await here.replied(here.say("@Good hi"), 3)
        assert all("let run" in reply.body for reply in replies)


# -- the persona's own tools ----------------------------------------------------------------


def announcing(*tools: Any, then: str = "Good.plot") -> Any:
    async def act(me: Any, message: Message) -> None:
        try:
            await me.turn.request("tool.announce", {"tools": list(tools)})
            me.send_message(json.dumps(await call(me, "1", then)))
        except RequestRefusedError as error:
            me.send_message(f"refused: {error}")

    return act


async def test_a_personas_own_tool_is_under_the_policy() -> None:
    plot = ToolInfo("Good.plot", effect="read").as_json()
    assert await result_of(announcing(plot), policy={"x.*": "allow"}) == {"drew": {}}
    denied = await result_of(announcing(plot), policy={"Good.plot": "deny"})
    assert "does not allow" in denied["error"]


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "desk.look", "effect": "read"},
        {"name": "notebook.run_cell", "effect": "read"},
        {"name": "Goody.plot"},
        {"name": "plot"},
        {},
        "Good.plot",
    ],
)
async def test_a_persona_announces_tools_under_its_own_name_only(tool: Any) -> None:
    assert "refused" in await result_of(announcing(tool))


async def test_a_granted_tool_cannot_be_declared_harmless() -> None:
    desk = Desk()
    lie = ToolInfo("Good.look", effect="read").as_json()
    box = Box(desk, {}, (ToolInfo("Good.look", effect="run"),))
    async with room(
        persona("Good", announcing(lie, then="Good.look")), tools=box, approval_timeout=0.0
    ) as here:
        body = (await here.reply(here.say("@Good hi"))).body
        assert "Nobody decided in time" in body


# -- the record -----------------------------------------------------------------------------


async def test_steps_are_recorded_before_what_follows(tmp_path: Path) -> None:
    desk = Desk()
    desk.go_on = anyio.Event()
    ledger = Ledger(tmp_path / "l", log=LOG)

    async def act(me: Any, message: Message) -> None:
        await me.turn.request("tool.answer", {"message": {"content": "I note", "tool_calls": []}})
        await call(me, "1", "desk.note", what="x")
        me.send_message(json.dumps(await me.turn.request("tool.steps")))
        me.send_message("end")

    async with room(persona("Good", act), tools=Box(desk, ALLOWED), ledger=ledger) as here:
        message = here.say("@Good hi")
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
        [turn] = here.session.turns
        steps = await ledger.steps(turn) or []
        assert [step.kind for step in steps] == ["answer", "begun"]
        assert unfinished_calls(steps) == ["desk.note"]
        desk.go_on.set()
        first, _ = await here.replied(message, 2)
        assert json.loads(first.body) == [
            {"kind": "answer", "content": "I note", "tool_calls": []},
            {"kind": "result", "call": "1", "tool": "desk.note", "result": {"did": "x"}},
        ]


async def test_without_a_writable_ledger_only_reading_tools_run(tmp_path: Path) -> None:
    desk = Desk()
    (tmp_path / "l").mkdir()  # where the file belongs, so it cannot be used

    async def act(me: Any, message: Message) -> None:
        for n, tool in enumerate(("desk.look", "desk.note", "desk.run", "pack.plot")):
            me.send_message(json.dumps(await call(me, str(n), tool)))

    ledger = Ledger(tmp_path / "l", log=LOG)
    async with room(persona("Good", act), tools=Box(desk, ALLOWED), ledger=ledger) as here:
        replies = await here.replied(here.say("@Good hi"), 4)
        errors = [json.loads(reply.body).get("error", "") for reply in replies]
        assert errors[0] == ""
        assert all("cannot record" in error for error in errors[1:])
        assert [id_ for id_, _ in desk.ran] == ["0"]


@pytest.mark.usefixtures("no_pause")
async def test_a_turn_records_no_more_steps_after_one_that_could_not_be_recorded(
    tmp_path: Path,
) -> None:
    desk = Desk()
    path = tmp_path / "l"
    path.mkdir()

    async def act(me: Any, message: Message) -> None:
        await call(me, "1", "desk.look")
        path.rmdir()
        await ledger.flush()
        assert ledger.recorded
        me.send_message(json.dumps(await call(me, "2", "desk.note")))

    ledger = Ledger(path, log=LOG)
    async with room(persona("Good", act), tools=Box(desk, ALLOWED), ledger=ledger) as here:
        reply = await here.reply(here.say("@Good hi"))
        assert "cannot record" in reply.body
        assert [id_ for id_, _ in desk.ran] == ["1"]


async def test_an_edited_message_begins_without_steps() -> None:
    desk = Desk()
    desk.go_on = anyio.Event()

    async def act(me: Any, message: Message) -> None:
        steps = await me.turn.request("tool.steps")
        await me.turn.request("tool.answer", {"message": {"content": message.body}})
        await call(me, "1", "desk.note", what=message.body)
        me.send_message(json.dumps(steps))

    async with room(persona("Good", act), tools=Box(desk, ALLOWED)) as here:
        message = here.say("@Good one")
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
        desk.go_on.set()
        here.stage.edit(message, "@Good two")
        reply = await here.reply(message)
        assert reply.body == "[]"
        assert [arguments["what"] for _, arguments in desk.ran] == ["@Good one", "@Good two"]


def test_calls_without_a_result_are_unfinished() -> None:
    steps = [
        TurnStep("begun", {"call": "a", "tool": "x.y"}),
        TurnStep("begun", {"call": "b", "tool": "x.z"}),
        TurnStep("result", {"call": "a", "result": {}}),
    ]
    assert unfinished_calls(steps) == ["x.z"]
