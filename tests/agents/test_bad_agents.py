"""Agents that hang, flood, die and lie: each ends its own turn, with a reason."""

from __future__ import annotations

import signal
import sys
from typing import Any

import anyio
import psutil
import pytest
from support.polling import WAIT
from support.room import LOG, FakeStage, Room
from support.stages import DocumentStage

from agents.talking import asked, decide, said, written
from jupyter_ai_personas import process_guard
from jupyter_ai_personas.acp.process import AgentProcess


async def stopped(here: Room, text: str, until: str) -> None:
    """Ask something, and stop it once the reply has ``until``."""
    message = here.say(f"@Bot {text}")
    await here.streaming(message, until)
    await here.command("/stop")
    assert (await here.reply(message)).state == "stopped"


async def gone(pid: int) -> None:
    """Return once a process has ended, also one that nobody waited for."""
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            process.wait(10)
    except psutil.NoSuchProcess:
        return


async def test_a_stop_cancels_the_turn_and_the_process_goes_on(agents: Any) -> None:
    async with agents.room() as here:
        await stopped(here, "wait", "waiting")
        assert await said(here, "hello") == "heard hello "
    assert agents.noted("cancelled") == ["session-1"]
    assert len(agents.noted("pid")) == 1


async def test_an_agent_that_does_not_listen_is_killed_with_its_children(agents: Any) -> None:
    async with agents.room() as here:
        await stopped(here, "deaf", "deaf")
        # The session goes on in a process of its own.
        assert (await said(here, "where")).startswith("session-1 ")
        first, second = agents.noted("pid")
        await gone(first)
        await gone(agents.noted("child")[0])
        assert first != second
    assert agents.noted("cancelled") == ["session-1"]


async def test_a_stop_while_people_are_asked_cancels_the_permission(agents: Any) -> None:
    async with agents.room() as here:
        message = here.say("@Bot ask ls")
        await asked(here)
        await here.command("/stop")
        await here.reply(message)
        await said(here, "hello")
    assert [outcome["outcome"] for outcome in agents.noted("outcome")] == ["cancelled"]


async def test_the_process_and_its_terminals_end_with_the_chat(agents: Any) -> None:
    async with agents.room(policy={"*": "allow"}) as here:
        message = here.say("@Bot run echo $$ > pid; exec sleep 1000")
        await here.streaming(message, "running")
        pid = await written(agents.root / "pid")
        await here.command("/stop")
        await here.reply(message)
        await said(here, "hello")
        await gone(int(pid))
    for pid in agents.noted("pid"):
        await gone(pid)


async def test_an_agent_that_hears_nothing_ends_with_its_worker(
    agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_guard, "GRACE_SECONDS", 0.0)
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(3600)"
    command, cwd = [sys.executable, "-c", code], str(agents.root)
    process = await AgentProcess.start(command, env={}, cwd=cwd, log=LOG)
    assert int(await anext(process.lines())) == process._process.pid
    # As the system does it for a worker that is killed.
    process._stdin.transport.abort()
    with anyio.fail_after(WAIT):
        assert await process._process.wait() == -signal.SIGKILL
    await process.end()


async def test_an_agent_that_dies_ends_its_turn_with_a_reason_and_is_restarted(agents: Any) -> None:
    async with agents.room() as here:
        body = await said(here, "die", "failed")
        assert body.startswith("about to die")
        assert "`Bot` ended with exit code 3. Ask again: it is started anew." in body
        assert (await said(here, "where")).startswith("session-1 ")
    assert len(agents.noted("pid")) == 2


async def test_an_agent_that_lies_is_not_believed(agents: Any) -> None:
    async with agents.room() as here:
        assert await said(here, "lie") == "honest"
        assert await said(here, "hello") == "heard hello "
    assert len(agents.noted("pid")) == 1


async def test_an_error_of_the_agent_is_told_and_the_session_goes_on(agents: Any) -> None:
    async with agents.room() as here:
        body = await said(here, "fail", "failed")
        assert "`Bot` could not answer: Internal error: out of order" in body
        assert await said(here, "hello") == "heard hello "
    assert len(agents.noted("pid")) == 1


async def test_an_agent_that_floods_ends_at_the_bound_of_replies(agents: Any) -> None:
    async with agents.room(max_reply_chars=100_000) as here:
        body = await said(here, "flood", "failed")
        assert "passed 100,000 characters" in body
        assert await said(here, "hello") == "heard hello "
    assert len(agents.noted("pid")) == 2


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("huge", "`Bot` sent a message of more than 10 MB and was ended."),
        ("noise", "`Bot` does not speak the Agent Client Protocol and was ended."),
    ],
)
async def test_what_is_no_protocol_ends_the_agent(agents: Any, act: str, reason: str) -> None:
    async with agents.room() as here:
        assert reason in await said(here, act, "failed")
        assert await said(here, "hello") == "heard hello "
    assert len(agents.noted("pid")) == 2


@pytest.mark.parametrize(
    ("arg", "reason"),
    [
        ("exits", "`Bot` cannot begin: it ended with exit code 4."),
        ("dies-first", "`Bot` cannot begin: it ended with exit code 5."),
        ("dies-second", "it ended with exit code 6. It wrote: no model configured `jupyter ai"),
        ("refuses", "`Bot` cannot begin: it begins no session: Internal error."),
        ("modern", "it speaks version 7 of the Agent Client Protocol"),
        ("login", "`Bot` wants a login first: Authentication required."),
    ],
)
async def test_an_agent_that_cannot_begin_says_why(agents: Any, arg: str, reason: str) -> None:
    async with agents.room(arg) as here:
        assert reason in await said(here, "hello", "failed")


async def test_an_agent_that_does_not_begin_is_given_up(
    agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_ai_personas.acp.agent.START_SECONDS", 0.2)
    async with agents.room("hang") as here:
        assert "`Bot` did not start in time." in await said(here, "hello", "failed")
    for pid in agents.noted("pid"):
        await gone(pid)


async def test_a_command_that_is_not_there_is_told(agents: Any) -> None:
    async with agents.room(more={"Ghost": {"command": "no-such-agent"}}) as here:
        reply = await here.reply(here.say("@Ghost hello"))
        assert reply.state == "failed"
        assert "`Ghost` cannot be started here." in reply.body
        assert await said(here, "hello") == "heard hello "


async def test_why_the_agent_stops_is_told(agents: Any) -> None:
    async with agents.room() as here:
        replies = await here.replied(here.say("@Bot refuse"), 2)
    assert [reply.body for reply in replies] == ["No.", "*The agent refuses to go on.*"]


async def test_half_a_character_reaches_no_document(agents: Any) -> None:
    async with agents.room(stage=DocumentStage()) as here:
        message = here.say("@Bot half")
        approval = await asked(here)
        assert approval.arguments["title"] == "do \ufffd"
        await here.command("/stop")
        [reply] = await here.replied(message)
        assert reply.body.startswith("half\ufffd!")


async def test_a_call_with_much_nesting_ends_at_most_its_own_turn(agents: Any) -> None:
    async with agents.room() as here:
        await here.replied(here.say("@Bot deep"))
        assert await said(here, "hello") == "heard hello "


# -- what an agent asks for -----------------------------------------------------------------------


@pytest.mark.parametrize("options", ["x=allow_once x=reject_once", "x=allow_always", ""])
async def test_options_that_cannot_be_answered_ask_nobody(agents: Any, options: str) -> None:
    async with agents.room() as here:
        assert await said(here, f"options {options}") == "asked"
        assert not any(message.is_approval for message in here.messages)


async def test_a_call_that_is_asked_about_twice_is_decided_twice(agents: Any) -> None:
    async with agents.room() as here:
        message = here.say("@Bot twice ls")
        await decide(here, "approved")
        await here.until(lambda: len(here.runtime.approvals.open()) == 1)
        await decide(here, "denied")
        reply = await here.reply(message)
    assert reply.body.count("True") == reply.body.count("False") == 1


async def test_an_agent_that_dies_while_people_are_asked_closes_what_it_asked(
    agents: Any,
) -> None:
    async with agents.room() as here:
        message = here.say("@Bot mortal ls")
        reply = await here.reply(message)
        assert "`Bot` ended with exit code 8. Ask again" in reply.body
        [shown] = [message for message in here.messages if message.is_approval]
        assert shown.metadata["decision"] == "denied"
        assert here.runtime.approvals.open() == []
        assert await said(here, "hello") == "heard hello "


@pytest.mark.parametrize("path", ["/etc", "../..", "link"])
async def test_commands_and_writes_are_confined(agents: Any, path: str) -> None:
    outside = agents.root.parent / "outside"
    outside.mkdir()
    (agents.root / "link").symlink_to(outside)
    async with agents.room(policy={"*": "allow"}) as here:
        assert "refused" in await said(here, f"outside {path}")
        assert "refused" in await said(here, f"write {path}/made")
    assert not list(outside.iterdir())


# -- what an agent tells --------------------------------------------------------------------------


async def test_thoughts_plans_and_calls_without_end_can_be_stopped(agents: Any) -> None:
    async with agents.room() as here:
        await stopped(here, "mull", "mulling")
        assert await said(here, "hello") == "heard hello "
        assert len(agents.noted("pid")) == 2


async def test_what_an_agent_says_after_a_stop_is_in_no_reply(agents: Any) -> None:
    async with agents.room() as here:
        await stopped(here, "late", "waiting")
        assert await said(here, "hello") == "heard hello "
        assert "after" not in "".join(m.body for m in here.messages if m.reply_to)
    assert len(agents.noted("pid")) == 1


async def test_an_answer_of_the_wrong_type_ends_the_agent(agents: Any) -> None:
    async with agents.room() as here:
        body = await said(here, "odd", "failed")
        assert "`Bot` does not keep to the Agent Client Protocol. Ask again" in body
        assert await said(here, "hello") == "heard hello "


async def test_a_session_of_the_wrong_type_ends_the_agent(agents: Any) -> None:
    async with agents.room("odd-id") as here:
        body = await said(here, "hello", "failed")
    assert "`Bot` cannot begin: it does not keep to the Agent Client Protocol." in body


async def test_an_agent_that_dies_as_its_session_is_loaded_says_so(agents: Any) -> None:
    stage = FakeStage()
    async with agents.room(stage=stage) as here:
        await said(here, "hello")
    async with agents.room("dies-loading", stage=stage) as here:
        body = await said(here, "hello", "failed")
    assert "`Bot` cannot begin: it ended with exit code 7." in body
