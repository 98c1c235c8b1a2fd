"""The chats that are opened before the runtime is there to serve them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from support.stages import LOG, DocumentStage

from jupyter_ai_personas.chat import ChatEvent
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.chat.opened_file import OpenedFile
from jupyter_ai_personas.server.open_documents import OpenDocuments


class Manager:
    """The part of the chat manager that is observed."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._observer: Callable[..., Any] | None = None

    def observe_chats(self, observer: Callable[..., Any]) -> None:
        self._observer = observer

    def get(self, chat_id: str) -> Any:
        return self._document

    async def opens(self) -> None:
        assert self._observer is not None
        await self._observer(None, "", {"action": "opened", "chat_id": self._document.get_id()})


class Service:
    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.chat: DocumentChat | None = None

    async def opened(
        self, chat: DocumentChat, events: list[ChatEvent], file: asyncio.Future[OpenedFile]
    ) -> None:
        self.chat, self.file = chat, file
        chat.subscribe(lambda event: self.seen.append(event.message.body))
        self.seen += ["opened", *(event.message.body for event in events)]

    async def saved(self, document: Any) -> None:
        self.seen.append("saved")

    def closed(self, document: Any) -> None:
        self.seen.append("closed")

    async def file_deleted(self, path: str) -> None:
        self.seen.append(f"deleted {path}")

    def file_moved(self, source: str, path: str) -> None:
        self.seen.append(f"moved {source} {path}")


@pytest_asyncio.fixture
async def stage() -> DocumentStage:
    return DocumentStage()


def documents(wanted: Callable[[], None] = lambda: None, root: Path | None = None) -> OpenDocuments:
    return OpenDocuments(root=None if root is None else str(root), wanted=wanted, log=LOG)


async def test_no_event_is_lost_before_a_chat_is_served(stage: DocumentStage) -> None:
    manager, service, wanted = Manager(stage.ychat), Service(), list[str]()
    chats = documents(lambda: wanted.append("now"))
    await chats.observe({"chat_manager": manager})
    assert wanted == []
    stage.post("old")
    await manager.opens()
    assert wanted == ["now"]
    stage.post("new")
    await manager.opens()  # a second client
    await chats.serve(service)
    stage.post("newer")
    await manager.opens()
    assert service.seen == ["opened", "new", "newer"]


async def test_what_comes_before_a_chat_is_served_is_put_in_its_place(stage: DocumentStage) -> None:
    """A client that reconnects brings messages that its clock has stamped."""
    chats = documents()
    await chats.observe({"chat_manager": Manager(stage.ychat), "chats_by_id": {"": stage.ychat}})
    for number in range(300):
        stage.post(f"old {number}")
    stage.post("brought")
    await asyncio.sleep(0)
    service = Service()
    await chats.serve(service)
    assert service.chat is not None
    last = service.chat.before(None, 1)[0]
    assert (last.body, stage.ychat.get_messages()[-1].raw_time) == ("brought", False)


@pytest.mark.parametrize("served", [False, True], ids=["served later", "served at once"])
async def test_the_file_is_that_of_the_opening(
    stage: DocumentStage, tmp_path: Path, served: bool
) -> None:
    """A save overwrites it in a second, also if the runtime is still being imported."""
    file, service = tmp_path / stage.ychat.get_path(), Service()
    file.write_text("no chat")
    os.utime(file, (1000, 1000))
    manager, chats = Manager(stage.ychat), documents(root=tmp_path)
    await chats.observe({"chat_manager": manager})
    if served:
        await chats.serve(service)
    await manager.opens()
    if reading := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(reading)
    file.write_text('{"metadata": {"id": "saved"}}')
    if not served:
        await chats.serve(service)
    opened = await service.file
    assert opened == OpenedFile("no chat", None, 1000.0)


async def test_a_chat_that_is_closed_before_it_is_served_is_forgotten(stage: DocumentStage) -> None:
    manager, service = Manager(stage.ychat), Service()
    listeners: dict[str, Any] = {}
    logger = SimpleNamespace(
        add_listener=lambda *, schema_id, listener: listeners.update({schema_id: listener})
    )
    chats = documents()
    settings = {"chat_manager": manager, "chats_by_id": {"": stage.ychat}, "event_logger": logger}
    await chats.observe(settings)
    session, contents = listeners.values()
    await contents(None, "", {"action": "rename", "path": "b.chat", "source_path": "a.chat"})
    await contents(None, "", {"action": "delete", "path": "c.chat"})
    room = {"room": stage.ychat.room_id}
    await session(None, "", {"action": "clean", **room})
    await chats.serve(service)
    assert service.seen == ["deleted c.chat", "moved a.chat b.chat"]
    await manager.opens()
    for action in ("save", "clean", "save"):
        await session(None, "", {"action": action, **room})
    assert service.seen[2:] == ["opened", "saved", "closed"]


async def test_a_save_at_the_end_has_what_nothing_served(stage: DocumentStage) -> None:
    saved: list[dict[str, Any]] = []

    class Contents:
        async def save(self, model: dict[str, Any], path: str) -> None:
            saved.append({"path": path, **model})

    chats = documents()
    settings = {
        "chat_manager": Manager(stage.ychat),
        "chats_by_id": {"": stage.ychat},
        "contents_manager": Contents(),
    }
    await chats.observe(settings)
    await chats.save()
    assert saved == []
    stage.post("a last word")
    await chats.save()
    assert [("a last word" in each["content"], each["path"]) for each in saved] == [
        (True, stage.ychat.get_path())
    ]
