"""What a restart leaves of an agent that waits for people: the same question, and one effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.crashes import crash, restarted
from support.room import LOG, FakeStage, Room

from agents.talking import asked, decide, said, written
from jupyter_ai_personas.errors import ApprovalDecidedError
from jupyter_ai_personas.runtime import Decision, Ledger
from jupyter_ai_personas.testing import make_runtime

APPROVED = Decision("approved", "ada", "Ada")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "before").mkdir()
    return tmp_path / "before"


def ledger(folder: Path) -> Ledger:
    return Ledger(folder / "l", log=LOG)


def approval_messages(here: Room) -> list[Any]:
    return [message for message in here.messages if message.is_approval]


@pytest.mark.parametrize("args", [[], ["resumes"]])
async def test_what_an_agent_waits_for_is_asked_once_and_its_turn_goes_on(
    agents: Any, folder: Path, args: list[str]
) -> None:
    stage = FakeStage()
    async with agents.room(*args, stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot do one two three")
        await decide(here, "approved")
        await here.until(lambda: "one: True" in "".join(r.body for r in here.replies(message)))
        before = await asked(here)
        assert before.arguments["title"] == "two"
        after = await crash(here, folder)
        again = restarted(stage)
    async with agents.room(*args, stage=again, ledger=ledger(after)) as here:
        now = await asked(here)
        assert now == before
        await here.runtime.approvals.decide(now.id, APPROVED, proven=True)
        with pytest.raises(ApprovalDecidedError):
            await here.runtime.approvals.decide(now.id, APPROVED, proven=True)
        await here.until(lambda: agents.noted("did") == ["one", "two"])
        third = await asked(here)
        assert third.arguments["title"] == "three"
        await decide(here, "denied")
        reply = await here.reply(message)
    assert reply.state == "done"
    assert reply.body.count("I begin. ") == 1
    parts = [reply.body.index(part) for part in ("I begin", "one: True", "two: True", "three: F")]
    assert parts == sorted(parts)
    assert agents.noted("did") == ["one", "two"]
    assert agents.noted("resumed" if args else "loaded") == ["session-1"]
    assert agents.noted("began") == ["session-1"]
    # Two were asked about before the restart, and one after it.
    assert len(approval_messages(here)) == 3


@pytest.mark.parametrize("outcome", ["approved", "denied"])
async def test_what_is_decided_before_the_chat_is_opened_counts(
    agents: Any, folder: Path, outcome: Any
) -> None:
    stage = FakeStage()
    async with agents.room(stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot do one")
        approval = await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
    async with make_runtime([], ledger=ledger(after), log=LOG) as runtime:
        [waiting] = runtime.approvals.open()
        decision = Decision(outcome, "ada", "Ada")
        await runtime.approvals.decide(waiting.id, decision, proven=True)
        await runtime.ledger.flush()
    async with agents.room(stage=again, ledger=ledger(after)) as here:
        reply = await here.reply(message)
        assert here.runtime.approvals.open() == []
    assert reply.body.endswith(f"one: {outcome == 'approved'}. ")
    assert agents.noted("did") == (["one"] if outcome == "approved" else [])
    [shown] = approval_messages(here)
    assert (shown.id, shown.metadata["decision"]) == (approval.id, outcome)


async def test_an_agent_that_cannot_load_its_session_says_so_and_nothing_runs(
    agents: Any, folder: Path
) -> None:
    stage = FakeStage()
    async with agents.room("forgets", stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot do one")
        approval = await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
    async with agents.room("forgets", stage=again, ledger=ledger(after)) as here:
        reply = await here.reply(message)
        assert reply.state == "failed"
        assert reply.body.startswith("I begin. ")
        assert "`Bot` cannot go on where a restart cut it off: its session is gone." in reply.body
        [shown] = approval_messages(here)
        assert shown.metadata["decision"] == "denied"
        assert "The turn has ended" in shown.body
        with pytest.raises(ApprovalDecidedError):
            await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        assert agents.noted("did") == []
        # People ask again, and it begins anew.
        here.say("/retry")
        await decide(here, "approved")
        assert (await here.reply(message)).body.endswith("one: True. ")
    assert agents.noted("did") == ["one"]


async def test_a_call_of_an_agent_that_was_cut_off_is_not_repeated(
    agents: Any, folder: Path
) -> None:
    stage = FakeStage()
    async with agents.room(stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot run echo ran >> ran; exec sleep 1000")
        await decide(here, "approved")
        await here.streaming(message, "running")
        await written(agents.root / "ran")
        after = await crash(here, folder)
        again = restarted(stage)
        here.say("/stop")
        await here.reply(message)
    async with agents.room(stage=again, ledger=ledger(after)) as here:
        reply = await here.reply(message)
        assert reply.state == "interrupted"
        assert "while `Bot.terminal` ran. It may have happened" in reply.body
        assert await said(here, "hello") == "heard hello "
    assert (agents.root / "ran").read_text() == "ran\n"


async def test_an_agent_that_worked_is_interrupted_since_it_may_have_done_something_unseen(
    agents: Any, folder: Path
) -> None:
    (agents.root / "a.txt").write_text("a")
    stage = FakeStage()
    async with agents.room(stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot readwait a.txt")
        await here.streaming(message, "waiting")
        after = await crash(here, folder)
        again = restarted(stage)
    async with agents.room(stage=again, ledger=ledger(after)) as here:
        assert (await here.reply(message)).state == "interrupted"
    assert len(agents.noted("prompt")) == 1


async def test_what_an_agent_asked_is_closed_once_it_asks_for_something_else(
    agents: Any, folder: Path
) -> None:
    stage = FakeStage()
    async with agents.room(stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot do one")
        before = await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
    async with agents.room("strays", stage=again, ledger=ledger(after)) as here:
        await here.until(lambda: agents.noted("loaded"))

        def other() -> Any:
            found = here.runtime.approvals.open()
            return found[0] if [a.arguments["title"] for a in found] == ["other"] else None

        approval = await here.until(other)
        await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        await here.reply(message)
        closed = next(m for m in approval_messages(here) if m.id == before.id)
        assert closed.metadata["decision"] == "denied"
        assert "asks for something else now" in closed.body
    assert agents.noted("did") == ["other"]


async def test_a_write_that_waits_is_the_same_after_a_restart(agents: Any, folder: Path) -> None:
    stage = FakeStage()
    async with agents.room(stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot write made.txt")
        before = await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
    async with agents.room(stage=again, ledger=ledger(after)) as here:
        assert await asked(here) == before
        assert not (agents.root / "made.txt").exists()
        await decide(here, "approved")
        await here.reply(message)
    assert (agents.root / "made.txt").read_text() == "written\n"


async def test_a_server_that_stops_in_order_leaves_what_an_agent_waits_for(
    agents: Any, folder: Path
) -> None:
    stage = FakeStage()
    async with agents.room(stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot do one")
        before = await asked(here)
        here.runtime.interrupt()
        assert "decision" not in approval_messages(here)[0].metadata
        again = restarted(stage)
    async with agents.room(stage=again, ledger=ledger(folder)) as here:
        assert await asked(here) == before
        await decide(here, "approved")
        assert (await here.reply(message)).state == "done"
    assert agents.noted("did") == ["one"]


async def test_a_turn_goes_on_after_a_second_restart_with_all_of_its_text(
    agents: Any, folder: Path
) -> None:
    stage = FakeStage()
    async with agents.room(stage=stage, ledger=ledger(folder)) as here:
        message = here.say("@Bot do one")
        before = await asked(here)
        once = await crash(here, folder)
        again = restarted(stage)
    async with agents.room(stage=again, ledger=ledger(once)) as here:
        assert await asked(here) == before
        twice = await crash(here, once)
        third = restarted(again)
    async with agents.room(stage=third, ledger=ledger(twice)) as here:
        await decide(here, "approved")
        reply = await here.reply(message)
    assert reply.body.startswith("I begin. ")
    assert agents.noted("did") == ["one"]
    assert len(approval_messages(here)) == 1
