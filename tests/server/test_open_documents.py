"""What is noted of the chats that are opened before the runtime is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from types import SimpleNamespace
from typing import Any

import pytest_asyncio
from support.stages import LOG, DocumentStage

from jupyter_ai_personas.server.open_documents import OpenDocuments


class Manager:
    """The part of the chat manager that is observed."""

    def __init__(self, *documents: Any) -> None:
        self._documents = {document.get_id(): document for document in documents}
        self.observer: Callable[..., Any] | None = None

    def observe_chats(self, observer: Callable[..., Any]) -> None:
        self.observer = observer

    def get(self, chat_id: str) -> Any:
        return self._documents.get(chat_id)

    async def opens(self, document: Any) -> None:
        assert self.observer is not None
        await self.observer(None, "", {"action": "opened", "chat_id": document.get_id()})


class Service:
    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    async def opened(self, document: Any, held: AbstractSet[str] | None) -> None:
        self.seen.append(("opened", held))

    async def session_event(self, room: Any, action: Any) -> None:
        self.seen.append(("session", action))

    async def contents_event(self, data: Mapping[str, Any]) -> None:
        self.seen.append(("contents", data["action"]))


@pytest_asyncio.fixture
async def stage() -> DocumentStage:
    return DocumentStage()


async def test_what_a_chat_held_when_it_was_opened_is_known_later(stage: DocumentStage) -> None:
    manager, service, wanted = Manager(stage.ychat), Service(), SimpleNamespace(times=0)

    def want() -> None:
        wanted.times += 1

    documents = OpenDocuments(wanted=want, log=LOG)
    await documents.observe({"chat_manager": manager})
    assert wanted.times == 0
    old = stage.post("an old one")
    await manager.opens(stage.ychat)
    assert wanted.times == 1
    stage.post("a new one")
    await manager.opens(stage.ychat)  # a second client
    await documents.serve(service)
    assert service.seen == [("opened", {old})]
    await manager.opens(stage.ychat)
    assert service.seen[1:] == [("opened", None)]


async def test_a_client_that_joins_while_chats_are_taken_over_hides_nothing(
    stage: DocumentStage,
) -> None:
    manager = Manager(stage.ychat)

    class Joined(Service):
        async def opened(self, document: Any, held: AbstractSet[str] | None) -> None:
            await super().opened(document, held)
            if held is not None:
                await manager.opens(stage.ychat)

    service = Joined()
    documents = OpenDocuments(wanted=lambda: None, log=LOG)
    await documents.observe({"chat_manager": manager})
    await manager.opens(stage.ychat)
    await documents.serve(service)
    assert service.seen == [("opened", set())]


async def test_a_chat_that_is_closed_before_it_is_served_is_forgotten(stage: DocumentStage) -> None:
    manager, service = Manager(stage.ychat), Service()
    listeners: dict[str, Any] = {}
    logger = SimpleNamespace(
        add_listener=lambda *, schema_id, listener: listeners.update({schema_id: listener})
    )
    documents = OpenDocuments(wanted=lambda: None, log=LOG)
    settings = {
        "chat_manager": manager,
        "chats_by_id": {"1": stage.ychat},
        "event_logger": logger,
    }
    await documents.observe(settings)
    session, contents = listeners.values()
    await contents(None, "", {"action": "rename", "path": "b.chat", "source_path": "a.chat"})
    await session(None, "", {"action": "clean", "room": stage.ychat.room_id})
    await documents.serve(service)
    assert service.seen == [("contents", "rename")]
    await session(None, "", {"action": "save", "room": "any"})
    assert service.seen[1:] == [("session", "save")]
