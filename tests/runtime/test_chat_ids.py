"""Turns of a chat whose id was not saved before a crash, and of chats with the same id."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from remains import LOG, Echo, left, only_reply, raw, row
from support.room import FakeStage, Script, persona, room
from support.stages import DocumentStage, Stage

from jupyter_ai_personas.chat.opened_file import OpenedFile
from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.runtime.ledger import MemoryLedger, TurnStep
from jupyter_ai_personas.runtime.unsaved import NO_PERSONA


async def test_a_chat_that_lost_its_id_twice_is_answered_once(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / stage.chat.path).write_text("{}")
    about = {"path": str(tmp_path / stage.chat.path), "accepted_at": time.time() + 1}
    lost = [
        row(stage, raw("@Echo hi"), turn_id=f"{n}{kind}", chat_id=f"id {n}", **about, **f)
        for n in (1, 2)
        for kind, f in (("turn", {}), ("kept", {"persona_id": NO_PERSONA}))
    ]
    ledger = await left(tmp_path / "l", *lost)
    async with room(Echo, stage=stage, ledger=ledger, root_dir=str(tmp_path)) as here:
        assert await only_reply(here) == ("answered", "done")
        assert ledger.recorded


@pytest.mark.parametrize(
    ("content", "root", "adopted"),
    [("{}", ".", True), ('{"metadata":{"id":"x"}}', ".", False), ("{}", "other", False)],
)
async def test_a_chat_that_was_never_saved_keeps_its_turns(
    stage: Stage, tmp_path: Path, content: str, root: str, adopted: bool
) -> None:
    """... but has none of those of a chat of that name below another server's root."""
    file = tmp_path / stage.chat.path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    about = {"path": str(tmp_path / root / stage.chat.path), "accepted_at": time.time() + 1}
    lost = row(stage, raw("@Echo hi"), chat_id="another id", **about)
    ledger = await left(tmp_path / "l", lost)
    async with room(Echo, stage=stage, ledger=ledger, root_dir=str(tmp_path)) as here:
        if adopted:
            assert await only_reply(here) == ("answered", "done")
        await here.quiet()
        assert len(here.replies("q")) == adopted


async def test_a_chat_that_was_saved_before_it_is_served_keeps_its_turns(
    stage: Stage, tmp_path: Path
) -> None:
    """It gets an id, and is saved with it, as soon as it is opened; the runtime may come later."""
    file = tmp_path / stage.chat.path
    file.write_text('{"metadata": {"id": "of the first save"}}')
    about = {"path": str(file), "accepted_at": time.time()}
    lost = row(stage, raw("@Echo hi"), chat_id="another id", **about)
    ledger = await left(tmp_path / "l", lost)
    as_opened: asyncio.Future[OpenedFile] = asyncio.get_running_loop().create_future()
    as_opened.set_result(OpenedFile.of("{}", written_at=time.time() - 1))
    options = {"ledger": ledger, "root_dir": str(tmp_path), "file": as_opened}
    async with room(Echo, stage=stage, **options) as here:
        assert await only_reply(here) == ("answered", "done")


async def test_a_turn_that_was_decided_about_before_its_chat_opens_is_kept(
    stage: Stage, tmp_path: Path
) -> None:
    """A decision makes the turn this server's, and its chat has another id since the crash."""
    about = {"path": str(tmp_path / stage.chat.path), "accepted_at": time.time()}
    lost = row(stage, raw("@Echo hi"), chat_id="another id", **about)
    ledger = await left(tmp_path / "l", lost)
    as_opened: asyncio.Future[OpenedFile] = asyncio.get_running_loop().create_future()
    options = {"ledger": ledger, "root_dir": str(tmp_path), "file": as_opened, "ready": False}
    async with room(Echo, stage=stage, **options) as here:
        assert await ledger.add_step("t", TurnStep("answer", {"message": None}))
        ledger.clear_steps("t")
        as_opened.set_result(OpenedFile.of("{}", written_at=time.time() - 1))
        assert (await only_reply(here))[1] == "interrupted"


async def test_records_follow_the_id_of_the_chat() -> None:
    """A tab that reconnects may bring the id that the server gave the chat before a crash."""
    stage, ledger = DocumentStage(), MemoryLedger()
    async with room(Echo, persona("Waits", Script()), stage=stage, ledger=ledger) as here:
        waits = here.say("@Waits")
        await here.replied(here.say("@Echo first"))
        stage.ychat.set_id("of a tab")
        await here.replied(here.say("@Echo second"))
        found = await ledger.open_turns("of a tab")
        assert waits in {record.message_id for record in found}


async def test_a_copy_below_another_root_leaves_the_turns_to_the_original(tmp_path: Path) -> None:
    original, copy = FakeStage(), FakeStage()
    for stage, root in ((original, "a"), (copy, "b")):
        stage.chat.id = "the same"  # type: ignore[misc]
        (tmp_path / root).mkdir()
        (tmp_path / root / stage.chat.path).write_text('{"metadata": {"id": "the same"}}')
    lost = row(original, raw("@Echo hi"), path=str(tmp_path / "a" / original.chat.path))
    ledger = await left(tmp_path / "l", lost)
    async with room(Echo, stage=copy, ledger=ledger, root_dir=str(tmp_path / "b")) as there:
        await there.quiet()
        assert there.messages == []
        ledger = Ledger(tmp_path / "l", log=LOG)
        async with room(Echo, stage=original, ledger=ledger, root_dir=str(tmp_path / "a")) as here:
            assert await only_reply(here) == ("answered", "done")
