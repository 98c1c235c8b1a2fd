"""What is left of a room whose server is killed: the ledger, and the chat as its file has it."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio

from jupyter_ai_personas.chat import Restore, encode_message
from support.room import FakeChat, FakeStage, Room


async def crash(here: Room, folder: Path) -> Path:
    """Return a folder with the ledger as a ``kill -9`` would leave it now."""
    await here.runtime.ledger.flush()
    after = folder.with_name(f"{folder.name}-after")
    await anyio.to_thread.run_sync(shutil.copytree, folder, after)
    return after


def restarted(stage: FakeStage, *, without: str = "") -> FakeStage:
    """Return the chat as its file has it: as it is now, ``without`` a message."""
    again = FakeStage()
    again.memory = again.chat = FakeChat("room.chat", id=stage.chat.id)
    again.post, again.edit = again.memory.post, again.memory.edit
    again.memory.users.update(stage.memory.users)
    kept = [message for message in stage.memory.messages if message.id != without]
    again.memory.apply([Restore(encode_message(message)) for message in kept])
    return again
