"""What comes before a chat is observed, and while personas are loaded."""

from __future__ import annotations

import logging
from pathlib import Path

from support.room import persona, room
from support.stages import Stage

from jupyter_ai_personas.chat import ChatEvent
from jupyter_ai_personas.runtime import Ledger
from jupyter_ai_personas.runtime.unsaved import NO_PERSONA

LOG = logging.getLogger("tests.early")

Echo = persona("Echo", lambda self, message: self.send_message("answered"))


async def test_what_came_before_the_chat_was_observed_is_kept(stage: Stage, tmp_path: Path) -> None:
    saved, brought = stage.post("saved"), stage.post("brought back")
    ledger = Ledger(tmp_path / "l", log=LOG)
    async with room(Echo, stage=stage, ledger=ledger) as here:
        here.session.unsaved.note_missing({saved})
        rows = await ledger.open_turns(stage.chat.id)
        assert [(r.message_id, r.persona_id) for r in rows] == [(brought, NO_PERSONA)]


async def test_what_came_between_the_opening_and_the_session_is_handled_once(stage: Stage) -> None:
    stage.post("/personas")
    events: list[ChatEvent] = []
    stage.chat.subscribe(events.append)
    came, asked = stage.post("/personas"), stage.post("@Echo hi")
    async with room(Echo, stage=stage) as here:
        here.session.replay(events)
        await here.reply(asked)
        await here.quiet()
        replies = [m.reply_to for m in stage.chat.before(None, 10) if m.reply_to]
        assert sorted(replies) == sorted([came, asked])


async def test_what_is_typed_while_personas_load_is_handled_once(stage: Stage) -> None:
    async with room(Echo, stage=stage, ready=False, max_messages_per_minute=3) as here:
        asked = [here.say("@Echo hi") for _ in range(2)]
        mistyped = here.say("@Ecko hi")
        await here.session.ready.wait()
        for message_id in asked:
            await here.replied(message_id)
        await here.until(lambda: here.answer(mistyped))
        await here.quiet()
        assert len(here.notices()) == 1
        assert "Did you mean" in here.notices()[0]


async def test_what_is_deleted_while_personas_load_asks_nobody(stage: Stage) -> None:
    async with room(Echo, stage=stage, ready=False) as here:
        asked = here.say("@Echo hi")
        here.stage.delete(asked)
        await here.session.ready.wait()
        await here.quiet()
        assert here.replies(asked) == []
