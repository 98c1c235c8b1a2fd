"""What people saw of the server that is no reply: approvals and notices, after a crash too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.clock import ahead
from support.crashes import crash, restarted
from support.room import LOG, WAIT, FakeStage, Room, persona, room
from support.stages import DocumentStage, Stage, settle
from toolroom import DENIED, Box, Desk, asked, asking, call, caller, decide

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.runtime.unsaved import SETTLING


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "before").mkdir()
    return tmp_path / "before"


@asynccontextmanager
async def server(
    folder: Path, stage: Stage, act: Any, desk: Desk | None = None
) -> AsyncIterator[Room]:
    ledger = Ledger(folder / "l", log=LOG)
    good = persona("Good", act)
    async with room(good, stage=stage, ledger=ledger, tools=Box(desk or Desk())) as here:
        yield here


async def test_what_was_asked_before_an_edit_is_shown_after_a_crash(folder: Path) -> None:
    act, stage = caller("desk.note"), FakeStage()
    async with server(folder, stage, act) as here:
        message = here.say("@Good one")
        [first] = await asked(here)
        here.stage.edit(message, "@Good two")
        await here.until(lambda: len(asking(here)) == 2)
        before = here.message(first.id)
        after = await crash(here, folder)
        again = restarted(stage, without=first.id)
    async with server(after, again, act) as here:
        await here.reply(message)
        assert here.message(first.id) == before
        assert "was edited" in before.body


async def test_what_was_denied_before_a_retry_is_shown_after_a_crash(folder: Path) -> None:
    async def act(me: Any, message: Message) -> None:
        if "error" in await call(me, "1", "desk.note"):
            raise ValueError("on purpose")

    stage = FakeStage()
    async with server(folder, stage, act) as here:
        message = here.say("@Good hi")
        [first] = await asked(here)
        await decide(here, DENIED)
        assert (await here.reply(message)).state == "failed"
        await here.quiet()
        here.say("/retry")
        await asked(here)
        before = here.message(first.id)
        after = await crash(here, folder)
        again = restarted(stage, without=first.id)
    async with server(after, again, act) as here:
        await here.reply(message)
        assert here.message(first.id) == before
        assert before.metadata["decision"] == "denied"


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("said", ["@Goood hi", "/personas"])
async def test_a_notice_is_shown_after_a_crash_unless_somebody_deleted_it(
    folder: Path, said: str, deleted: bool
) -> None:
    act, stage = caller("desk.note"), FakeStage()
    async with server(folder, stage, act) as here:
        await here.command(said)
        await here.quiet()
        [notice] = [m for m in here.messages if m.metadata.get("notice")]
        if deleted:
            stage.delete(notice.id)
            await here.quiet()
        after = await crash(here, folder)
        again = restarted(stage, without=notice.id)
    async with server(after, again, act) as here:
        await here.quiet()
        assert here.notices() == ([] if deleted else [notice.body])


async def test_what_the_file_has_is_kept_no_longer(folder: Path, stage: Stage) -> None:
    async with server(folder, stage, caller("desk.note")) as here:
        message = here.say("@Good hi")
        [approval] = await asked(here)
        opened = here.message(approval.id)
        await decide(here, DENIED)
        await here.reply(message)
        await here.command("/personas")
        await here.quiet()
        file = {id_: here.stage.chat.get(id_) for id_ in here.session.unsaved.ids}
        here.session.unsaved.saved({**file, approval.id: opened})
        assert here.session.unsaved.ids == {approval.id}
        here.session.unsaved.saved(file)
        assert here.session.unsaved.ids == set()
        assert await here.runtime.ledger.open_turns(here.stage.chat.id) == []


async def test_what_is_asked_stays_when_another_program_writes_the_file(folder: Path) -> None:
    stage = DocumentStage()
    async with server(folder, stage, caller("desk.note")) as here:
        before = stage.ychat.get()
        message = here.say("@Good hi")
        [approval] = await asked(here)
        here.session.unsaved.saved({id_: stage.chat.get(id_) for id_ in here.session.unsaved.ids})
        assert approval.id not in here.session.unsaved.ids
        with ahead() as put_forward:
            put_forward(SETTLING)
            with here.session.replacing():
                stage.ychat.set(before)
        assert {message, approval.id} <= {m.id for m in here.messages}


async def test_what_was_approved_is_shown_when_a_chat_is_opened_again_while_its_turn_works(
    folder: Path,
) -> None:
    desk, stage, again = Desk(), FakeStage(), FakeStage()
    again.chat.id = stage.chat.id  # type: ignore[misc]
    desk.go_on = anyio.Event()
    async with server(folder, stage, caller("desk.note"), desk) as here:
        here.say("@Good hi")
        await asked(here)
        await decide(here)
        with anyio.fail_after(WAIT):
            await desk.begun.wait()
        before = asking(here)
        here.session.detach()
        assert here.runtime.open_chat(again.chat) is here.session
        await again.memory.until(lambda: [m for m in again.seen if m.is_approval] == before)
        desk.go_on.set()
        await again.memory.until(lambda: [m for m in again.seen if m.state == "done"])


async def test_nobody_is_asked_for_a_message_that_was_deleted(folder: Path) -> None:
    """The server died after it had recorded the deletion, before it had ended the turn."""
    act, stage = caller("desk.note"), DocumentStage()
    await settle()
    async with server(folder, stage, act) as here:
        message = here.say("@Good hi")
        await asked(here)
        after = await crash(here, folder)
        again = DocumentStage()
        await settle()
        again.ychat.set(json.dumps(json.loads(stage.ychat.get())))
    again.delete(message)
    async with server(after, again, act) as here:
        await here.quiet()
        [shown] = asking(here)
        assert shown.metadata["decision"] == "denied"
        assert here.runtime.approvals.open() == []
