"""What a server left in the ledger when it died, and what becomes of it when the chat opens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pycrdt import Map
from remains import LOG, Echo, Other, answers, left, only_reply, raw, row
from support.room import FakeStage, Room, Script, id_of, persona, room
from support.stages import DocumentStage, Stage, settle

from jupyter_ai_personas.chat import RECENT, Insert, Restore
from jupyter_ai_personas.chat.protocol import Write
from jupyter_ai_personas.runtime import Ledger, execution
from jupyter_ai_personas.runtime.ledger import ReplySnapshot, TurnRecord
from jupyter_ai_personas.runtime.unsaved import NO_PERSONA
from jupyter_ai_personas.runtime.wording import INTERRUPTED

PASSES = "over to @Other"


def reply(body: str, state: str) -> ReplySnapshot:
    about = {"reply_to": "q", "turn": "t", "state": state}
    return ReplySnapshot("t-1", body, state, about)


async def test_a_turn_that_had_not_begun_runs_now(stage: Stage, tmp_path: Path) -> None:
    ledger = await left(tmp_path / "l", row(stage, raw("@Echo hi")))
    async with room(Echo, stage=stage, ledger=ledger) as here:
        assert await only_reply(here) == ("answered", "done")
        assert here.message("q").body == "@Echo hi"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_a_browser_brings_back_is_a_reply_of_the_turn_that_runs_again(
    tmp_path: Path, when: str
) -> None:
    # It had begun just before the crash: the ledger was not told, a browser had the first words.
    stage = DocumentStage()
    await settle()  # the chat gets its id

    def bring_back() -> None:
        about = {"jupyter_ai_personas": {"reply_to": "q", "turn": "t", "state": "streaming"}}
        stage.other.post("So far", sender=id_of(Echo), id="t-1", raw_time=False, metadata=about)

    if when == "before":
        bring_back()
    ledger = await left(tmp_path / "l", row(stage, raw("@Echo hi")))
    async with room(Echo, stage=stage, ledger=ledger) as here:
        await only_reply(here)
        if when == "after":
            bring_back()
            await settle()
        assert await only_reply(here) == ("answered", "done")


async def test_an_old_one_is_marked_instead(stage: Stage, tmp_path: Path) -> None:
    old = row(stage, raw("@Echo hi"), accepted_at=time.time() - 1000)
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", old)) as here:
        body, state = await only_reply(here)
        assert state == "interrupted"
        assert "/retry" in body


async def test_a_reply_that_was_cut_off_keeps_its_text(stage: Stage, tmp_path: Path) -> None:
    cut = row(stage, raw("@Echo hi"), state="running", replies=(reply("So far", "streaming"),))
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", cut)) as here:
        body, state = await only_reply(here)
        assert body.startswith("So far\n\n")
        assert state == "interrupted"


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(
    ("state", "replies"),
    [("accepted", ()), ("running", ()), ("running", (reply("So far", "streaming"),))],
)
async def test_an_end_that_was_saved_but_not_recorded_stays(
    stage: Stage, tmp_path: Path, state: str, replies: tuple[ReplySnapshot, ...], deleted: bool
) -> None:
    """The ledger could not be written when the turn ended, until the server did."""
    about = {"reply_to": "q", "turn": "t", "state": "done"}
    stage.chat.apply([Restore(raw("@Echo hi")), Insert("t-1", id_of(Echo), "So far and on", about)])
    if deleted:
        stage.delete("t-1")
    record = row(stage, raw("@Echo hi"), state=state, replies=replies)
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", record)) as here:
        assert await only_reply(here) == ("" if deleted else "So far and on", "done")
        assert here.message("t-1").deleted == deleted


@pytest.mark.parametrize("odd", [{"time": 10**400}, {"x": 2**70}, {"x": float("inf")}])
async def test_a_row_with_odd_numbers_is_put_back(
    stage: Stage, tmp_path: Path, odd: dict[str, Any]
) -> None:
    bad = row(stage, {**raw("@Echo one", **odd), "id": "bad"}, turn_id="t1", root="bad")
    good = row(stage, {**raw("@Echo two"), "id": "good"}, turn_id="t2", root="good")
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", bad, good)) as here:
        await here.quiet()
        assert here.replies("good")
        assert here.replies("bad")


async def test_a_row_that_cannot_be_put_back_costs_only_itself(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = row(stage, {**raw("@Echo one"), "id": "bad"}, turn_id="t1", root="bad")
    good = row(stage, {**raw("@Echo two"), "id": "good"}, turn_id="t2", root="good")
    apply = stage.chat.apply

    def refuse(writes: Iterable[Write]) -> list[str]:
        writes = list(writes)
        if any(write.id == "bad" for write in writes):
            raise ValueError("on purpose")
        return apply(writes)

    monkeypatch.setattr(stage.chat, "apply", refuse)
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", bad, good)) as here:
        await here.quiet()
        assert here.replies("good")


async def test_what_was_refused_is_not_answered_when_the_chat_is_opened_again(
    tmp_path: Path,
) -> None:
    Bee = persona("Bee", lambda me, message: me.send_message("Buzz"))

    @asynccontextmanager
    async def opened(stage: DocumentStage) -> AsyncIterator[Room]:
        ledger = Ledger(tmp_path / "l", log=LOG)
        async with room(Echo, Bee, stage=stage, ledger=ledger, max_messages_per_minute=2) as here:
            yield here
            await here.quiet()

    stage = DocumentStage()
    await settle()
    async with opened(stage) as here:
        asked = here.say("@Echo hi", by="Bob")
        await here.reply(asked)
        stage.edit(asked, "@Echo hi, like @Bee said")  # answered: changes nothing
        for number in range(10):
            here.say(f"@Echo {number}")
        await here.quiet()
        before = [m.id for m in here.messages]
        # All of it was saved, and the rows go.
        here.session.unsaved.saved({m.id: m for m in here.messages})
    again = DocumentStage()
    await settle()
    again.ychat.set_id(stage.ychat.get_id())
    again.ychat.ymessages.extend([Map(raw) for raw in stage.ychat.ymessages.to_py()])
    async with opened(again) as here:
        await here.quiet()
        assert [m.id for m in here.messages] == before


async def test_it_is_written_anew_if_the_operator_wants(stage: Stage, tmp_path: Path) -> None:
    cut = row(stage, raw("@Echo hi"), state="running", replies=(reply("So far", "streaming"),))
    ledger = await left(tmp_path / "l", cut)
    async with room(Echo, stage=stage, ledger=ledger, resume_interrupted=True) as here:
        assert await only_reply(here) == ("answered", "done")


async def test_a_final_reply_is_put_back_and_passed_on(stage: Stage, tmp_path: Path) -> None:
    done = row(
        stage,
        raw("@Echo hi"),
        state="finished",
        final_state="done",
        replies=(reply(PASSES, "done"),),
    )
    async with room(Echo, Other, stage=stage, ledger=await left(tmp_path / "l", done)) as here:
        assert await only_reply(here) == (PASSES, "done")
        assert (await here.reply("t-1")).body == "so did I"


async def test_what_was_passed_on_is_not_passed_on_again(stage: Stage, tmp_path: Path) -> None:
    done = row(
        stage,
        raw("@Echo hi"),
        state="finished",
        final_state="done",
        replies=(reply(PASSES, "done"),),
    )
    passed = row(
        stage,
        {**raw(PASSES), "id": "t-1", "sender": id_of(Echo)},
        turn_id="u",
        persona_id=id_of(Other),
        state="finished",
        final_state="done",
    )
    ledger = await left(tmp_path / "l", done, passed)
    async with room(Echo, Other, stage=stage, ledger=ledger) as here:
        await here.quiet()
        assert here.replies("t-1") == []


async def test_what_people_wrote_is_put_back(stage: Stage, tmp_path: Path) -> None:
    kept = row(stage, raw("To Bob"), persona_id=NO_PERSONA, state="running")
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", kept)) as here:
        assert [m.body for m in here.messages] == ["To Bob"]


async def test_what_nobody_had_looked_at_is_answered(stage: Stage, tmp_path: Path) -> None:
    kept = row(stage, raw("@Echo hi"), persona_id=NO_PERSONA)
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", kept)) as here:
        assert await only_reply(here) == ("answered", "done")


async def test_if_that_is_long_ago_it_gets_a_reason(stage: Stage, tmp_path: Path) -> None:
    kept = row(stage, raw("@Echo hi"), persona_id=NO_PERSONA, accepted_at=time.time() - 1000)
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", kept)) as here:
        assert (await only_reply(here))[1] == "interrupted"


async def test_a_lost_deletion_is_done_again(stage: Stage, tmp_path: Path) -> None:
    question = stage.post("@Nobody hi")
    deleted = {**raw("", deleted=True), "id": question}
    kept = row(stage, deleted, persona_id=NO_PERSONA, state="running")
    turn = row(stage, {**raw("@Echo hi"), "id": question}, turn_id="u")
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", kept, turn)) as here:
        await here.quiet()
        assert [(m.body, m.deleted) for m in here.messages] == [("", True)]


async def test_what_a_person_deleted_is_not_put_back(stage: Stage, tmp_path: Path) -> None:
    kept = row(stage, raw("", deleted=True), persona_id=NO_PERSONA, state="running")
    turn = row(stage, raw("@Echo hi"), turn_id="u")
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", kept, turn)) as here:
        await here.quiet()
        assert here.messages == []


async def test_a_lost_edit_is_done_again(stage: Stage, tmp_path: Path) -> None:
    question = stage.post("To Bob")
    edited = {**raw("To Cleo", edited=True), "id": question}
    kept = row(stage, edited, persona_id=NO_PERSONA, state="running")
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", kept)) as here:
        assert [m.body for m in here.messages] == ["To Cleo"]


async def test_what_nobody_accepted_is_found_however_much_is_put_back_after_it(
    stage: Stage, tmp_path: Path
) -> None:
    question = stage.post("@Echo hi")
    later = time.time() + 5
    lost = [
        row(
            stage,
            {**raw(f"To Bob {number}"), "id": f"lost {number}", "time": later + number},
            turn_id=f"lost {number}",
            persona_id=NO_PERSONA,
            state="running",
        )
        for number in range(RECENT + 10)
    ]
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", *lost)) as here:
        assert (await here.reply(question)).body == "answered"
        assert len(here.messages) == len(lost) + 2


async def test_a_retry_that_was_cut_off_at_once_leaves_one_reply(
    stage: Stage, tmp_path: Path
) -> None:
    question = stage.post("@Echo hi")
    failed = {"reply_to": question, "turn": "old", "state": "failed"}
    stage.chat.apply([Insert("old-1", id_of(Echo), "It failed.", failed)])
    emptied = {"reply_to": question, "turn": "t", "state": "streaming"}
    retry = row(
        stage,
        {**raw("@Echo hi"), "id": question},
        state="running",
        replies=(ReplySnapshot("old-1", "", "streaming", emptied),),
    )
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", retry)) as here:
        await here.quiet()
        [message] = here.replies(question)
        assert (message.id, message.state, message.body) == ("old-1", "interrupted", INTERRUPTED)


async def test_a_retry_is_recorded_with_the_reply_that_it_replaces(
    stage: Stage, tmp_path: Path
) -> None:
    script = Script()
    ledger = Ledger(tmp_path / "l", log=LOG)
    async with room(persona("Echo", script), stage=stage, ledger=ledger) as here:
        question = here.say("@Echo hi")
        script.fail("@Echo hi", ValueError("no"))
        failed = await here.reply(question)
        here.say("/retry")
        await script.until_begun("@Echo hi", "@Echo hi")
        [again] = [t for t in await ledger.open_turns(stage.chat.id) if t.state != "finished"]
        assert [(r.message_id, r.state) for r in again.replies] == [(failed.id, "streaming")]
        script.end("@Echo hi", "now")
        await here.quiet()


async def test_the_ledger_is_told_of_a_message_once(stage: Stage, tmp_path: Path) -> None:
    kept: list[str] = []

    class Counting(Ledger):
        def keep(self, row: TurnRecord) -> None:
            kept.append(row.message_id)
            super().keep(row)

    ledger = Counting(tmp_path / "l", log=LOG)
    async with room(Echo, stage=stage, ledger=ledger) as here:
        asked, plain = here.say("@Echo hi"), here.say("to whom it may concern")
        await here.reply(asked)
        await here.quiet()
        rows = await ledger.open_turns(stage.chat.id)
        assert {(r.message_id, r.persona_id, r.state) for r in rows} == {
            (asked, id_of(Echo), "finished"),
            (plain, NO_PERSONA, "running"),
        }
    assert kept == [plain]


async def test_an_edit_that_asks_is_kept_as_it_is_now(stage: Stage, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", log=LOG)
    async with room(Echo, stage=stage, ledger=ledger) as here:
        question = here.say("hi")
        await here.quiet()
        stage.edit(question, "@Echo hi")
        await here.reply(question)
        await here.quiet()
        # A row of the text before the edit would put that back after a crash.
        rows = await ledger.open_turns(stage.chat.id)
        kept = {(r.persona_id, r.message["body"], r.state) for r in rows}
        assert kept == {(NO_PERSONA, "@Echo hi", "running"), (id_of(Echo), "@Echo hi", "finished")}


async def test_a_command_is_not_run_later(stage: Stage, tmp_path: Path) -> None:
    kept = row(stage, raw("/help"), persona_id=NO_PERSONA)
    async with room(Echo, stage=stage, ledger=await left(tmp_path / "l", kept)) as here:
        await here.quiet()
        assert here.notices() == []


async def test_what_had_not_begun_when_the_server_stopped_runs_at_the_next_start(
    stage: Stage, tmp_path: Path
) -> None:
    script = Script()
    ledger = Ledger(tmp_path / "l", log=LOG)
    async with room(persona("Echo", script), stage=stage, ledger=ledger) as here:
        begun = here.say("@Echo a")
        script.give("@Echo a", "so far")
        await here.streaming(begun, "so far")
        waiting = here.say("@Echo b")
        await here.until_turns(2)
        here.runtime.interrupt()
        assert here.stage.writing == {}
    assert [r.state for r in here.replies(begun)] == ["interrupted"]
    assert here.replies(waiting) == []
    ledger = Ledger(tmp_path / "l", log=LOG)
    async with room(persona("Echo", script), stage=stage, ledger=ledger) as here:
        script.end("@Echo b", "at last")
        assert (await here.reply(waiting)).body == "at last"
        assert script.begun == ["@Echo a", "@Echo b"]


async def test_a_command_of_a_persona_that_was_not_handled_asks_only_that_persona() -> None:
    dice = persona("Dice", answers("four"), commands={"/roll": "throws a die"})
    stage = FakeStage()
    asked = stage.chat.post("/roll for @Echo", sender="ada")
    async with room(dice, Echo, stage=stage) as here:
        await here.replied(asked, 1)
        await here.quiet()
        assert [reply.sender for reply in here.replies(asked)] == [id_of(dice)]


async def test_a_reply_that_is_complete_is_recorded_as_complete_while_its_turn_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution, "CHECKPOINT_SECONDS", 3600.0)
    go_on, never = anyio.Event(), anyio.Event()

    async def act(self: Any, message: Any) -> None:
        async def chunks() -> AsyncIterator[str]:
            yield "All."
            await go_on.wait()

        await self.stream_message(chunks())
        await never.wait()

    async with room(persona("Echo", act)) as here:
        asked = here.say("@Echo hi")
        await here.streaming(asked, "All.")
        [turn] = here.session.turns.values()
        assert turn.replies.is_stale
        turn.replies.so_far()
        go_on.set()
        await here.reply(asked)
        assert turn.replies.is_stale
        [recorded] = turn.replies.so_far()
        assert recorded.state == "done"
