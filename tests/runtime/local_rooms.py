"""Chats in memory with the files of a workspace, which define personas."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.runtime import Runtime, RuntimeSettings, Session
from jupyter_ai_personas.testing import (
    FakeChat,
    FakeModel,
    FakeModels,
    make_runtime,
)

LOG = logging.getLogger(__name__)
WAIT = 10


class Echo(BasePersona):
    defaults = PersonaDefaults(name="Echo")

    async def process_message(self, message: Message) -> None:
        self.send_message(f"echo {message.body}")


@dataclass
class Room:
    """A chat with the files of a workspace, below ``root``."""

    root: Path
    chat: FakeChat
    runtime: Runtime
    session: Session
    model: Any

    def write(
        self, name: str = "researcher", /, folder: str = "", *, body: str = "", **keys: Any
    ) -> Path:
        return write(self.root, name, folder, body=body, **keys)

    async def ask(self, body: str, *, by: str = "Ada") -> list[Message]:
        message_id = self.chat.say(body, by=by)
        with anyio.fail_after(WAIT):
            await self.handled()
        return [m for m in self.chat.messages if m.reply_to == message_id]

    async def handled(self) -> None:
        while not self.session.is_idle:
            turn = next(iter(self.session.turns.values()), None)
            if turn is not None:
                await turn.ended.wait()
            await anyio.lowlevel.checkpoint()

    async def one(self, body: str, *, by: str = "Ada") -> Message:
        [reply] = await self.ask(body, by=by)
        return reply

    @property
    def offered(self) -> list[str]:
        return sorted(
            u.name for u in self.chat.users.values() if "::local::" in u.username and u.offered
        )


def write(root: Path, name: str, folder: str = "", /, *, body: str = "", **keys: Any) -> Path:
    place = root / folder / ".jupyter" / "personas"
    place.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}: {value}" for key, value in {"name": name.title(), **keys}.items()]
    file = place / f"{name}.md"
    file.write_text("\n".join(["---", *lines, "---", body or f"You are {name}."]))
    return file


@asynccontextmanager
async def room(
    root: Path,
    *,
    path: str = "notes.chat",
    mode: str = "text",
    packages: Sequence[type] = (Echo,),
    model_replies: Sequence[Any] = (),
    tools: Any = None,
    **settings: Any,
) -> AsyncIterator[Room]:
    model = FakeModel(model_replies)
    settings = {"default_persona": None, **settings}
    ledger = settings.pop("ledger", None)
    async with make_runtime(
        packages,
        models=FakeModels(model),
        settings=RuntimeSettings(root_dir=str(root), local_personas=mode, **settings),
        tools=tools,
        ledger=ledger,
    ) as runtime:
        chat = settings.get("chat") or FakeChat(path)
        session = runtime.open_chat(chat)
        await session.ready.wait()
        yield Room(root, chat, runtime, session, model)


async def problems(root: Path, path: str = "notes.chat") -> list[str]:
    async with make_runtime(settings=RuntimeSettings(root_dir=str(root))) as runtime:
        return [str(problem) for problem in (await runtime.personas_at(path)).problems]
