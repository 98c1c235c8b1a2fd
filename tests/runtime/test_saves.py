"""When the ledger lets go: what the chat's file has, and never that it was saved at some time."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.clock import ahead
from support.room import Room, Script, id_of, persona, room
from support.stages import DocumentStage, Stage, settle

from jupyter_ai_personas.chat import Message, MessagePosted
from jupyter_ai_personas.chat.messages import METADATA_KEY
from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.runtime.unsaved import NO_PERSONA, SETTLING

LOG = logging.getLogger("tests.saves")

File = dict[str, Message | None]


class Desk:
    """A room with one persona, its ledger, and what a save at any moment would have."""

    def __init__(self, here: Room, ledger: Ledger, script: Script) -> None:
        self.here = here
        self.ledger = ledger
        self.script = script

    def file(self) -> File:
        chat = self.here.stage.chat
        return {id_: chat.get(id_) for id_ in self.here.session.unsaved.ids}

    async def save(self, file: File | None = None) -> None:
        await self.here.quiet()
        self.here.session.unsaved.saved(self.file() if file is None else file)

    async def answered(self, text: str = "@Echo hi") -> str:
        question = self.here.say(text)
        self.script.end(text, "answered")
        await self.here.reply(question)
        await self.here.quiet()
        return question

    async def rows(self) -> list[tuple[str, str]]:
        rows = await self.ledger.open_turns(self.here.stage.chat.id)
        return [(row.message_id, row.persona_id) for row in rows]


@asynccontextmanager
async def open_desk(stage: Stage, directory: Path) -> AsyncIterator[Desk]:
    script = Script()
    ledger = Ledger(directory / "ledger", log=LOG)
    async with room(persona("Echo", script), stage=stage, ledger=ledger) as here:
        yield Desk(here, ledger, script)


ECHO = id_of(persona("Echo"))


async def test_a_file_that_has_the_end_lets_the_turn_go(stage: Stage, tmp_path: Path) -> None:
    async with open_desk(stage, tmp_path) as desk:
        question = await desk.answered()
        assert await desk.rows() == [(question, ECHO)]
        await desk.save()
        assert await desk.rows() == []
        assert not desk.here.session.unsaved.ids


async def test_a_save_that_was_read_before_the_answer_does_not(
    stage: Stage, tmp_path: Path
) -> None:
    async with open_desk(stage, tmp_path) as desk:
        question = desk.here.say("@Echo hi")
        desk.script.give("@Echo hi", "So ")
        reply = await desk.here.streaming(question, "So ")
        early = {id_: desk.here.stage.chat.get(id_) for id_ in (question, reply.id)}
        assert early[reply.id] is not None
        desk.script.end("@Echo hi", "far")
        await desk.here.reply(question)
        for file in ({question: early[question], reply.id: None}, early):
            await desk.save(file)
            assert await desk.rows() == [(question, ECHO)]
        await desk.save()
        assert await desk.rows() == []


async def test_one_that_lacks_the_question_does_not(stage: Stage, tmp_path: Path) -> None:
    async with open_desk(stage, tmp_path) as desk:
        question = await desk.answered()
        await desk.save({**desk.file(), question: None})
        assert await desk.rows() == [(question, ECHO)]


async def test_what_was_not_looked_for_is_not_there(stage: Stage, tmp_path: Path) -> None:
    async with open_desk(stage, tmp_path) as desk:
        question = await desk.answered()
        await desk.save({})
        assert await desk.rows() == [(question, ECHO)]


async def test_a_reply_that_a_person_deleted_is_not_waited_for(
    stage: Stage, tmp_path: Path
) -> None:
    async with open_desk(stage, tmp_path) as desk:
        question = await desk.answered()
        [reply] = desk.here.replies(question)
        desk.here.stage.delete(reply.id)
        await settle()
        await desk.save()
        assert await desk.rows() == []


async def test_a_reply_that_says_it_is_of_another_turn_is_not_waited_for(tmp_path: Path) -> None:
    stage = DocumentStage()
    async with open_desk(stage, tmp_path) as desk:
        question = await desk.answered()
        [reply] = desk.here.replies(question)
        forged = {"reply_to": question, "turn": "of somebody else", "state": "done"}
        stage.other.change(reply.id, metadata={METADATA_KEY: forged})
        await desk.save()
        assert await desk.rows() == []
        assert not desk.here.session.unsaved.ids


async def test_the_end_of_the_turn_that_a_retry_replaces_is_not_waited_for(
    stage: Stage, tmp_path: Path
) -> None:
    async with open_desk(stage, tmp_path) as desk:
        question = desk.here.say("@Echo hi")
        desk.script.fail("@Echo hi", ValueError("no"))
        await desk.here.reply(question)
        await desk.here.quiet()
        failed = desk.file()
        desk.here.say("/retry")
        desk.script.end("@Echo hi", "answered")
        await desk.here.until(lambda: [r.body for r in desk.here.replies(question)] == ["answered"])
        await desk.here.quiet()
        # The file with the failure has a final reply under the same id.
        await desk.save({id_: failed.get(id_) for id_ in desk.here.session.unsaved.ids})
        assert (question, ECHO) in await desk.rows()
        await desk.save()
        assert await desk.rows() == []
        assert not desk.here.session.unsaved.ids


async def test_what_people_write_is_kept_until_the_file_has_it_as_it_is(
    stage: Stage, tmp_path: Path
) -> None:
    async with open_desk(stage, tmp_path) as desk:
        said = desk.here.say("To Bob")
        await desk.here.quiet()
        before = desk.file()
        desk.here.stage.edit(said, "To Cleo")
        await desk.save(before)
        assert await desk.rows() == [(said, NO_PERSONA)]
        await desk.save()
        assert await desk.rows() == []


@pytest.mark.parametrize("gone", [True, False])
async def test_a_deletion_is_kept_until_the_file_has_it(
    stage: Stage, tmp_path: Path, gone: bool
) -> None:
    async with open_desk(stage, tmp_path) as desk:
        said = desk.here.say("To Bob")
        await desk.here.quiet()
        before = desk.file()
        desk.here.stage.delete(said)
        await desk.save(before)
        assert await desk.rows() == [(said, NO_PERSONA)]
        there = before[said]
        assert there is not None
        await desk.save({said: None if gone else replace(there, deleted=True)})
        assert await desk.rows() == []


async def test_what_nobody_has_looked_at_stays_though_the_file_has_it(
    stage: Stage, tmp_path: Path
) -> None:
    question = stage.post("To Bob")
    ledger = Ledger(tmp_path / "l", log=LOG)
    async with room(stage=stage, ledger=ledger) as here:
        message = stage.chat.get(question)
        assert message is not None
        event = MessagePosted(message)
        here.session.unsaved.note(event)
        await settle()
        here.session.unsaved.saved({question: message})
        [kept] = await ledger.open_turns(stage.chat.id)
        assert (kept.message_id, kept.state) == (question, "accepted")
        here.session.unsaved.handled(question, recorded=False)
        here.session.unsaved.saved({question: message})
        assert await ledger.open_turns(stage.chat.id) == []
        assert not here.session.unsaved.ids


async def test_what_another_server_overwrites_at_once_is_put_back_and_later_not(
    tmp_path: Path,
) -> None:
    stage = DocumentStage()
    async with open_desk(stage, tmp_path) as desk:
        before = stage.ychat.get()
        answered, said = await desk.answered(), desk.here.say("To Bob")
        [reply] = desk.here.replies(answered)
        await desk.save()
        assert await desk.rows() == []
        # Both servers had found the file unchanged, and wrote it.
        with desk.here.session.replacing():
            stage.ychat.set(before)
        assert {answered, said, reply.id} <= {message.id for message in stage.seen}
        with ahead() as put_forward:
            put_forward(SETTLING)
            with desk.here.session.replacing():
                stage.ychat.set(before)
            assert stage.seen == []
        assert await desk.rows() == []
