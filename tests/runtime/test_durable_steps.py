"""What a crash leaves of a turn that calls tools, and how it continues: no effect twice."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.crashes import crash, restarted
from support.room import LOG, WAIT, FakeStage, Room, persona, room
from support.stages import settle
from toolroom import Box, Desk, approvals, asked, asking, call

from jupyter_ai_personas import BasePersona
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.messages import FINAL_STATES
from jupyter_ai_personas.errors import ApprovalDecidedError, TurnStateError, UnknownTurnError
from jupyter_ai_personas.runtime import Decision, Ledger, open_sessions
from jupyter_ai_personas.runtime.ledger import TurnStep

APPROVED = Decision("approved", "ada", "Ada")
ALLOWED = {"*": "allow"}


class Model:
    """The answers of a model, one after the other, and how often it was asked."""

    def __init__(self, *calls: tuple[str, str]) -> None:
        self.calls = calls
        self.asked = 0

    async def loop(self, me: Any, message: Message) -> None:
        """Do what the loop below the wall does: replay the steps, then ask the model."""
        steps = await me.turn.request("tool.steps")
        results = {step["call"]: step["result"] for step in steps if step["kind"] == "result"}
        answers = sum(step["kind"] == "answer" for step in steps)
        told = []
        for number, (tool, what) in enumerate(self.calls, 1):
            if number > answers:
                self.asked += 1
                await me.turn.request("tool.answer", {"message": {"content": f"I use {tool}"}})
            id_ = f"{number}-1"
            told.append(results[id_] if id_ in results else await call(me, id_, tool, what=what))
        self.asked += 1
        me.send_message(json.dumps(told))


@asynccontextmanager
async def server(
    folder: Path, model: Model, desk: Desk, stage: FakeStage, *, own: bool = False, **options: Any
) -> AsyncIterator[Room]:
    """Run a server whose persona the product's loop runs, or a loop of its ``own``."""
    with pytest.MonkeyPatch.context() as patch:
        if own:
            good = persona("Good", model.loop)
        else:
            patch.setattr(BasePersona, "process_message", model_loop(model))
            good = persona("Good")
        ledger = Ledger(folder / "l", log=LOG)
        options = {"tools": Box(desk), **options}
        async with room(good, stage=stage, ledger=ledger, **options) as here:
            yield here


def model_loop(model: Model) -> Any:
    async def process_message(self: Any, message: Message) -> None:
        await model.loop(self, message)

    return process_message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "before").mkdir()
    return tmp_path / "before"


async def test_a_finished_call_is_not_run_again_and_the_model_is_not_asked_again(
    folder: Path,
) -> None:
    model, desk, stage = Model(("desk.note", "a"), ("desk.run", "b")), Desk(), FakeStage()
    async with server(folder, model, desk, stage, tools=Box(desk, {"desk.note": "allow"})) as here:
        message = here.say("@Good hi")
        await asked(here)  # the first is done, the second waits
        after = await crash(here, folder)
        again = restarted(stage)
    assert model.asked == 2
    model.asked = 0
    second = Desk()
    async with server(after, model, second, again) as here:
        [approval] = await asked(here)
        assert approval.tool == "desk.run"
        assert model.asked == 0
        await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        reply = await here.reply(message)
        assert json.loads(reply.body) == [{"did": "a"}, {"did": "b"}]
    assert [arguments["what"] for _, arguments in desk.ran] == ["a"]
    assert [arguments["what"] for _, arguments in second.ran] == ["b"]
    assert model.asked == 1
    assert len(asking_in(again)) == 1


def asking_in(stage: FakeStage) -> list[Message]:
    return [m for m in stage.memory.messages if m.is_approval]


async def test_a_pending_approval_is_the_same_after_a_crash(folder: Path) -> None:
    model, stage = Model(("desk.note", "a")), FakeStage()
    async with server(folder, model, Desk(), stage) as here:
        here.say("@Good hi")
        [before] = await asked(here)
        after = await crash(here, folder)
        # The message was not saved.
        again = restarted(stage, without=before.id)
    async with server(after, model, Desk(), again) as here:
        [now] = await asked(here)
        assert now == before


async def test_an_approval_can_be_decided_before_the_chat_is_opened(folder: Path) -> None:
    model, desk, stage = Model(("desk.note", "a")), Desk(), FakeStage()
    async with server(folder, model, Desk(), stage) as here:
        message = here.say("@Good hi")
        await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
    # A server that starts; nobody opens the chat.
    async with server(after, model, desk, FakeStage()) as here:
        [approval] = approvals(here)
        await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        with pytest.raises(ApprovalDecidedError):
            await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        after = await crash(here, after)
    async with server(after, model, desk, again) as here:
        assert json.loads((await here.reply(message)).body) == [{"did": "a"}]
        assert "Approved by **Ada**" in asking(here)[0].body
    assert len(desk.ran) == 1


async def test_a_decided_approval_is_not_asked_again_and_runs_once(folder: Path) -> None:
    model, desk, stage = Model(("desk.note", "a"), ("desk.run", "b")), Desk(), FakeStage()
    async with server(folder, model, desk, stage) as here:
        message = here.say("@Good hi")
        [first] = await asked(here)
        await here.runtime.approvals.decide(first.id, APPROVED, proven=True)
        await here.until(lambda: [a for a in approvals(here) if a.id != first.id])
        after = await crash(here, folder)
        again = restarted(stage)
    async with server(after, model, desk, again) as here:
        [second] = await asked(here)
        await here.runtime.approvals.decide(second.id, APPROVED, proven=True)
        await here.reply(message)
    assert [arguments["what"] for _, arguments in desk.ran] == ["a", "b"]


async def test_a_call_that_was_cut_off_is_not_repeated_and_people_are_told(folder: Path) -> None:
    model, desk, stage = Model(("desk.note", "a")), Desk(), FakeStage()
    desk.go_on = anyio.Event()
    async with server(folder, model, desk, stage, tools=Box(desk, ALLOWED)) as here:
        message = here.say("@Good hi")
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
        after = await crash(here, folder)
        again = restarted(stage)
    async with server(after, model, second := Desk(), again, tools=Box(second, ALLOWED)) as here:
        reply = await here.reply(message)
        assert reply.state == "interrupted"
        assert "`desk.note`" in reply.body
        assert "may have happened" in reply.body
        assert second.ran == []
        # A person who has looked runs it again.
        assert await here.runtime.retry_turn(reply.metadata["turn"], by="ada")
        assert (await here.until(lambda: done(here, message))).state == "done"
    assert len(second.ran) == 1


async def left_interrupted(folder: Path, stage: FakeStage) -> tuple[str, Path]:
    """Let a server die in a call; return the turn, and the folder as the dead server left it."""
    desk = Desk()
    desk.go_on = anyio.Event()
    options = {"tools": Box(desk, ALLOWED), "root_dir": str(folder)}
    async with server(folder, Model(("desk.note", "a")), desk, stage, **options) as here:
        here.say("@Good hi")
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
        (turn,) = here.session.turns
        return turn, await crash(here, folder)


async def test_who_asks_for_a_turn_before_its_chat_opens_is_told_which_to_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_sessions, "OPEN_SECONDS", 0.01)
    turn, after = await left_interrupted(folder, FakeStage())
    options = {"root_dir": str(folder)}
    async with server(after, Model(), Desk(), FakeStage(), **options) as here:
        for ask in (here.runtime.cancel_turn, here.runtime.retry_turn):
            with pytest.raises(TurnStateError, match=r"Open `room\.chat` in JupyterLab"):
                await ask(turn, by="ada")
            with pytest.raises(UnknownTurnError):
                await ask("none", by="ada")


async def test_a_retry_waits_for_its_chat_that_opens_again(folder: Path) -> None:
    stage = FakeStage()
    turn, after = await left_interrupted(folder, stage)
    again = restarted(stage)
    async with server(after, Model(), Desk(), FakeStage()) as here, anyio.create_task_group() as g:
        retried: list[str] = []

        async def retry() -> None:
            retried.append(await here.runtime.retry_turn(turn, by="ada"))

        g.start_soon(retry)
        await settle()
        assert retried == []
        session = here.runtime.open_chat(again.chat)
        back = Room(again, here.runtime, session)
        (request,) = [m.id for m in again.memory.messages if m.by_person]
        assert (await back.until(lambda: done(back, request))).state == "done"
    assert retried


def done(here: Room, message_id: str) -> Message | None:
    return next((m for m in here.replies(message_id) if m.state == "done"), None)


async def test_a_retry_continues_from_the_steps_of_a_turn_that_was_cut_off(folder: Path) -> None:
    """What the model has said is not asked again, and what has finished is not run again."""
    model, desk, stage = Model(("desk.note", "a"), ("desk.run", "b")), Desk(), FakeStage()
    async with server(folder, model, desk, stage) as here:
        message = here.say("@Good hi")
        for n in range(2):
            [approval] = await asked(here)
            desk.go_on, desk.begun = anyio.Event() if n else None, anyio.Event()
            await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
            with anyio.fail_after(WAIT):
                await desk.begun.wait()
        after = await crash(here, folder)
        again = restarted(stage)
    assert model.asked == 2
    model.asked, second = 0, Desk()
    async with server(after, model, second, again) as here:
        reply = await here.reply(message)
        assert (reply.state, second.ran) == ("interrupted", [])
        here.runtime.ledger.saved(here.session.chat.id, [reply.metadata["turn"]])
        here.say("/retry")
        ended = await here.until(lambda: done(here, message))
        assert ended is not None
        assert json.loads(ended.body) == [{"did": "a"}, {"did": "b"}]
        assert ended.metadata["turn"] == reply.metadata["turn"]
        assert len(asking(here)) == 2  # nobody is asked twice
    assert [arguments["what"] for _, arguments in second.ran] == ["b"]
    assert model.asked == 1


async def test_a_reading_call_that_was_cut_off_runs_again(folder: Path) -> None:
    model, desk, stage = Model(("desk.look", "a")), Desk(), FakeStage()
    desk.go_on = anyio.Event()
    async with server(folder, model, desk, stage) as here:
        message = here.say("@Good hi")
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
        after = await crash(here, folder)
        again = restarted(stage)
    async with server(after, model, Desk(), again) as here:
        assert json.loads((await here.reply(message)).body) == [{"did": "a"}]


async def test_a_persona_with_a_loop_of_its_own_is_interrupted_and_its_approval_closed(
    folder: Path,
) -> None:
    model, desk, stage = Model(("desk.note", "a")), Desk(), FakeStage()
    async with server(folder, model, desk, stage, own=True) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
    async with server(after, model, desk, again, own=True) as here:
        assert (await here.reply(message)).state == "interrupted"
        [shown] = asking(here)
        assert shown.metadata["decision"] == "denied"
        assert "interrupted" in shown.body
        with pytest.raises(ApprovalDecidedError):
            await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
    assert desk.ran == []


async def test_a_model_answer_that_could_not_be_recorded_makes_a_turn_not_resumable(
    folder: Path,
) -> None:
    class Odd(Model):
        async def loop(self, me: Any, message: Message) -> None:
            await me.turn.request("tool.answer", {"message": None})
            me.send_message(json.dumps(await call(me, "1-1", "desk.note", what="a")))

    desk, stage = Desk(), FakeStage()
    async with server(folder, Odd(), desk, stage) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
        # Without a crash it goes on.
        await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        assert json.loads((await here.reply(message)).body) == {"did": "a"}
    async with server(after, Odd(), desk, again) as here:
        assert (await here.reply(message)).state == "interrupted"
    assert len(desk.ran) == 1


async def test_what_was_approved_is_what_runs(folder: Path) -> None:
    model, desk, stage = Model(("desk.note", "a")), Desk(), FakeStage()
    async with server(folder, model, desk, stage) as here:
        here.say("@Good hi")
        [first] = await asked(here)
        await here.runtime.ledger.add_step(first.turn_id, _decided(first.id))
        after = await crash(here, folder)
        again = restarted(stage)
    # The loop comes back with other arguments under the same id.
    async with server(after, Model(("desk.note", "worse")), desk, again) as here:
        found = await here.until(lambda: [a for a in approvals(here) if a.id != first.id])
        assert found[0].arguments == {"what": "worse"}
    assert desk.ran == []


def _decided(approval_id: str) -> Any:
    return TurnStep("decided", {"id": approval_id, **asdict(APPROVED), "at": time.time()})


async def test_a_server_that_stops_in_order_leaves_what_waits_to_the_next(folder: Path) -> None:
    model, desk, stage = Model(("desk.note", "a")), Desk(), FakeStage()
    async with server(folder, model, desk, stage) as here:
        message = here.say("@Good hi")
        [before] = await asked(here)
        here.runtime.interrupt()
        assert "decision" not in asking(here)[0].metadata
        again = restarted(stage)
    async with server(folder, model, desk, again) as here:
        [now] = await asked(here)
        assert now == before
        await here.runtime.approvals.decide(now.id, APPROVED, proven=True)
        assert json.loads((await here.reply(message)).body) == [{"did": "a"}]
    assert len(desk.ran) == 1


async def test_an_approval_that_ran_out_meanwhile_is_denied(folder: Path) -> None:
    model, desk, stage = Model(("desk.note", "a")), Desk(), FakeStage()
    async with server(folder, model, desk, stage, approval_timeout=1.0) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
        assert "Nobody decided" in (await here.reply(message)).body
    async with server(after, model, desk, again) as here:
        assert "Nobody decided" in (await here.reply(message)).body
        assert asking(here)[0].metadata["decision"] == "denied"
        assert approval.id == asking(here)[0].id
    assert desk.ran == []


async def test_an_old_turn_without_an_approval_is_marked(folder: Path) -> None:
    model, desk, stage = Model(("desk.look", "a"), ("desk.note", "b")), Desk(), FakeStage()
    async with server(folder, model, desk, stage) as here:
        message = here.say("@Good hi")
        await asked(here)
        after = await crash(here, folder)
        again = restarted(stage)
    async with server(after, model, desk, again, recover_within=-1.0) as here:
        # Old, but people have not decided yet: it still waits.
        assert len(await asked(here)) == 1
        assert here.replies(message) == []


async def test_what_was_approved_before_a_crash_is_shown_when_its_call_has_finished(
    folder: Path,
) -> None:
    """Nobody asks about that call again, so nothing but the record brings its message back."""
    model, desk, stage = Model(("desk.note", "a"), ("desk.look", "b")), Desk(), FakeStage()
    async with server(folder, model, desk, stage) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        desk.go_on = anyio.Event()
        await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
            desk.begun = anyio.Event()
            desk.go_on.set()
            desk.go_on = anyio.Event()
            await desk.begun.wait()
        after = await crash(here, folder)
        # Nothing was saved while the turn ran.
        again = restarted(stage, without=approval.id)
    second = Desk()
    async with server(after, model, second, again) as here:
        assert (await here.reply(message)).state == "done"
        [shown] = asking(here)
        assert (shown.id, shown.metadata["decision"]) == (approval.id, "approved")
    assert [arguments["what"] for _, arguments in second.ran] == ["b"]


async def test_a_crash_after_any_step_loses_nothing_that_people_were_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is saved while a turn works: all that is left of it is in the ledger."""
    model, desk = Model(("desk.note", "a"), ("desk.look", "b"), ("desk.run", "c")), Desk()
    crashes: list[tuple[Path, list[Message], list[str]]] = []
    stage = FakeStage()
    async with server(folder, model, desk, stage) as here:
        ledger = here.runtime.ledger
        add_step = ledger.add_step

        async def add_and_crash(turn_id: str, step: TurnStep) -> bool:
            is_added = await add_step(turn_id, step)
            after = await crash(here, folder)
            after = after.rename(folder.with_name(f"{len(crashes)}"))
            crashes.append((after, asking(here), changed(desk)))
            return is_added

        monkeypatch.setattr(ledger, "add_step", add_and_crash)
        message = here.say("@Good hi")
        await decide_all(here, message)
    assert [len(shown) for _, shown, _ in crashes] == [0, 0, *[1] * 7, *[2] * 3]
    for after, seen, ran in crashes:
        again, second = FakeStage(), Desk()
        again.memory.id = stage.chat.id
        async with server(after, model, second, again) as here:
            await decide_all(here, message)
            shown = {m.id: m for m in asking(here)}
            for before in seen:
                assert "decision" in shown[before.id].metadata
                assert before.metadata.items() <= shown[before.id].metadata.items()
            assert set(Counter(ran + changed(second)).values()) <= {1}
            assert len(shown) == len(asking(here))


async def decide_all(here: Room, message: str) -> None:
    """Approve what is asked until there is a final reply."""
    final: list[Message] = []
    while not final:
        await here.until(lambda: approvals(here) or done_or_not(here, message))
        for approval in approvals(here):
            await here.runtime.approvals.decide(approval.id, APPROVED, proven=True)
        final = done_or_not(here, message)


def done_or_not(here: Room, message: str) -> list[Message]:
    return [m for m in here.replies(message) if m.state in FINAL_STATES]


def changed(desk: Desk) -> list[str]:
    """Return what has had an effect."""
    return [arguments["what"] for _, arguments in desk.ran if arguments["what"] != "b"]
