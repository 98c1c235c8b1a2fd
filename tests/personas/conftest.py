from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from support.turns import Desk

from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.context import Hit, IndexSettings
from jupyter_ai_personas.context.builder import Builder
from jupyter_ai_personas.context.index import hits
from jupyter_ai_personas.context.index_folder import IndexFolder
from jupyter_ai_personas.context.local import LocalWorkspace
from jupyter_ai_personas.context.reader import IndexReader
from jupyter_ai_personas.personas.builtin.guide import Guide
from jupyter_ai_personas.providers import ProviderSettings
from jupyter_ai_personas.providers.builtin.workspace import WorkspaceProvider
from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.testing import FakeChat, FakeModel, FakeModels, make_runtime

BASE_URL = "/user/ada/"


class Indexed:
    """The real index of a folder, built once and read here, without its process."""

    def __init__(self, root: Path, data: Path) -> None:
        place = IndexFolder(root, data)
        place.make()
        builder = Builder(place, IndexSettings())
        builder.build(lambda status: None)
        builder.close()
        self._reader = IndexReader(place)
        self._lock = threading.Lock()

    def search(self, query: str, limit: int) -> list[Hit]:
        with self._lock:
            return hits(self._reader.search(query, limit))


class GuidedChat:
    """A chat with Guide, in memory, over the files of a folder."""

    def __init__(self, chat: FakeChat, persona_id: str) -> None:
        self.chat = chat
        self._persona_id = persona_id

    async def ask(self, body: str, attachments: Iterable[Attachment] = ()) -> Message:
        asked = self.chat.post(
            body,
            sender=self.chat.person("Ada"),
            mentions=(self._persona_id,),
            attachments=attachments,
        )
        (reply,) = await self.chat.replied(asked)
        return reply


OpenGuide = Callable[..., AbstractAsyncContextManager[GuidedChat]]


@pytest.fixture
def open_guide(tmp_path: Path) -> OpenGuide:
    @asynccontextmanager
    async def opened(
        root: Path,
        *,
        chat_path: str = "team.chat",
        model: FakeModel | None = None,
        has_search: bool = True,
        fallbacks: Iterable[str] = (),
    ) -> AsyncIterator[GuidedChat]:
        none = WorkspaceProvider(model_id="search", delay=0)
        first = model or none
        reference = f"{first.id}:{first.model_id}"
        models = FakeModels(
            *([model] if model else []),
            none,
            settings=ProviderSettings(default_model=reference, fallbacks=list(fallbacks)),
        )
        search = Indexed(root, tmp_path / "data").search if has_search else None
        async with make_runtime(
            [Guide],
            models=models,
            settings=RuntimeSettings(root_dir=str(root), base_url=BASE_URL),
            workspace=LocalWorkspace(root, search=search),
        ) as runtime:
            chat = FakeChat(chat_path)
            session = runtime.open_chat(chat)
            await session.ready.wait()
            (persona,) = runtime.personas.values()
            yield GuidedChat(chat, persona.id)

    return opened


@pytest.fixture
def desk() -> Desk:
    return Desk()
