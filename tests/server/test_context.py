"""What a model gets on a real server: attachments, open notebooks, the notebook beside the chat."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import pytest_asyncio
from pycrdt import Map, Text
from support.images import png
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient
from support.yrooms import Client, Lab, OpenNotebook

from jupyter_ai_personas.testing.openai_server import OpenAIServer

pytestmark = [pytest.mark.server]

loop = pytest.mark.asyncio(loop_scope="module")

# Guide would search the workspace as well.
READER = """
from jupyter_ai_personas import BasePersona, PersonaDefaults


class Reader(BasePersona):
    defaults = PersonaDefaults(name="Reader")
"""


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a persona that gets what goes with a message, and searches nothing."""
    return make_plugin(
        tmp_path_factory.mktemp("package"),
        "readers",
        {"reader.py": READER},
        {"jupyter_ai.personas": {"reader": "readers.reader:Reader"}},
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, model: OpenAIServer, reader: Path
) -> AsyncIterator[JupyterServer]:
    server = JupyterServer(
        tmp_path_factory.mktemp("server"),
        pythonpath=[reader],
        config={
            "AiExtension.default_model": "local:gpt-4o",
            "AiExtension.endpoints": {"local": {"base_url": model.url, "models": ["gpt-4o"]}},
        },
    )
    async with server:
        for name in ("a", "b"):
            write_notebook(server.root_dir / f"{name}.ipynb", name)
        yield server


def write_notebook(path: Path, name: str) -> None:
    error = nbformat.v4.new_output(
        "error", ename="ZeroDivisionError", evalue="division by zero", traceback=["in share()"]
    )
    cells = [nbformat.v4.new_code_cell(f"{name} = {i}", id=f"{name}{i}") for i in range(5)]
    cells[3]["outputs"] = [error]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


async def ask(
    chat: ChatClient, model: OpenAIServer, body: str, *attachments: dict[str, Any]
) -> tuple[str, Any]:
    """Ask Reader; return its reply, and the content that the model got for the question."""
    before = len(model.requests)
    ids = []
    if attachments:
        shared: Map[Any] = chat.doc.get("attachments", type=Map)
        for attachment in attachments:
            ids.append(json.dumps(attachment))
            shared[ids[-1]] = attachment
    asked = chat.post(f"@Reader {body}", **({"attachments": ids} if ids else {}))
    reply = await chat.wait_for_reply(asked, "Reader")
    (request,) = model.requests[before:]
    return reply["body"], request.json["messages"]


def question(messages: Any) -> str:
    content = messages[-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


@loop
async def test_attached_files_and_images_reach_the_model(
    server: JupyterServer, model: OpenAIServer
) -> None:
    (server.root_dir / "bees.csv").write_text("bee,visits\nAda,3\n")
    (server.root_dir / "bee.png").write_bytes(png())
    async with ChatClient(server, "files.chat") as ada:
        reply, messages = await ask(
            ada,
            model,
            "What is this?",
            {"type": "file", "value": "bees.csv", "mimetype": "text/csv"},
            {"type": "file", "value": "bee.png", "mimetype": "image/png"},
            {"type": "file", "value": "gone.txt"},
        )
    assert "`bees.csv` (1 rows × 2 columns)" in question(messages)
    assert messages[-1]["content"][-1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert reply.startswith("> `gone.txt` was not read: there is no such file.\n\n")


@loop
async def test_an_attached_cell_is_read_as_it_is_open_and_not_as_saved(
    server: JupyterServer, model: OpenAIServer
) -> None:
    write_notebook(server.root_dir / "live.ipynb", "live")
    attachment = {
        "type": "notebook",
        "value": "live.ipynb",
        "mimetype": "application/x-ipynb+json",
        "cells": [{"id": "live3", "input_type": "code"}],
    }
    async with ChatClient(server, "live.chat") as ada:
        _, messages = await ask(ada, model, "Explain", attachment)
        assert "(5 cells, python, as saved, only the attached cell is given)" in question(messages)
        async with OpenNotebook(server, "live.ipynb") as tab:
            source = tab.notebook.ycells[3]["source"]
            source += " / unsaved"
            await tab.flush()
            _, messages = await ask(ada, model, "Explain", attachment)
    shown = question(messages)
    assert "as it is open now" in shown
    assert "live = 3 / unsaved" in shown
    assert "error: ZeroDivisionError: division by zero\n```\nin share()\n```" in shown
    assert "live = 2" not in shown


@loop
async def test_a_text_file_is_read_as_it_is_open_in_an_editor(
    server: JupyterServer, model: OpenAIServer
) -> None:
    (server.root_dir / "notes.md").write_text("saved")

    class Editor(OpenNotebook):
        async def _open_session(self) -> str:
            _, session = await self.server.put(
                f"/api/collaboration/session/{self.path}", json={"format": "text", "type": "file"}
            )
            address = self.server.url.replace("http", "ws", 1)
            room = f"text:file:{session['fileId']}?sessionId={session['sessionId']}"
            return f"{address}/api/collaboration/room/{room}"

    async with ChatClient(server, "editor.chat") as ada, Editor(server, "notes.md") as tab:
        text: Text = tab.doc.get("source", type=Text)
        await tab.wait_for(lambda _: str(text) == "saved")
        text += " and more"
        await tab.flush()
        _, messages = await ask(ada, model, "Sum up", {"type": "file", "value": "notes.md"})
    assert "saved and more" in question(messages)


@loop
async def test_a_message_about_the_notebook_gets_the_one_that_is_open_and_the_cell_of_the_cursor(
    server: JupyterServer, model: OpenAIServer
) -> None:
    async with (
        ChatClient(server, "beside.chat") as ada,
        Lab(server) as lab,
        OpenNotebook(server, "a.ipynb") as tab,
    ):
        await lab.announce(current="notebook:a.ipynb", documents=["beside.chat", "a.ipynb"])
        _, messages = await ask(ada, model, "Hello")
        assert question(messages) == "@Reader Hello"
        await tab.go_to(2)
        _, messages = await ask(ada, model, "Why does this cell fail?")
    shown = question(messages)
    assert shown.startswith("The person has this notebook open. `a.ipynb` (5 cells")
    assert "[cell 3, code, id a2, the person's cursor is here]" in shown
    assert "ZeroDivisionError" in shown


@loop
async def test_where_the_chat_is_in_front_the_only_open_notebook_is_meant(
    server: JupyterServer, model: OpenAIServer
) -> None:
    async with ChatClient(server, "front.chat") as ada, Lab(server) as lab:
        await lab.announce(current="chat:front.chat", documents=["front.chat", "b.ipynb"])
        _, messages = await ask(ada, model, "Explain the error")
    assert "`b.ipynb` (5 cells" in question(messages)


@loop
async def test_which_notebook_is_meant_is_asked_where_it_cannot_be_told(
    server: JupyterServer, model: OpenAIServer
) -> None:
    async with ChatClient(server, "two.chat") as ada, Lab(server) as lab:
        await lab.announce(current="chat:two.chat", documents=["a.ipynb", "b.ipynb"])
        reply, messages = await ask(ada, model, "Explain the error")
    assert reply.startswith("> The notebook was not read: several are open (`a.ipynb`, `b.ipynb`).")
    assert "several are open (`a.ipynb`, `b.ipynb`)" in question(messages)
    assert "ZeroDivisionError" not in question(messages)


@loop
async def test_what_our_front_end_announces_in_the_chat_wins(
    server: JupyterServer, model: OpenAIServer
) -> None:
    class Chat(Client, ChatClient):
        pass

    async with Chat(server, "announced.chat") as ada, Lab(server) as lab:
        await lab.announce(current="chat:announced.chat", documents=["a.ipynb", "b.ipynb"])
        await ada.announce(jupyter_ai_personas={"live": 1, "notebook": "b.ipynb", "cell": "b1"})
        _, messages = await ask(ada, model, "Explain this cell")
    assert "[cell 2, code, id b1, the person's cursor is here]" in question(messages)


@loop
async def test_what_somebody_else_has_open_is_not_given(
    server: JupyterServer, model: OpenAIServer
) -> None:
    async with ChatClient(server, "others.chat", "Ada") as ada, Lab(server, "Bea") as lab:
        await lab.announce(current="notebook:a.ipynb", documents=["a.ipynb"])
        _, messages = await ask(ada, model, "Explain this cell")
    assert question(messages) == "@Reader Explain this cell"


@loop
async def test_instructions_from_the_root_to_the_chats_folder_are_followed(
    server: JupyterServer, model: OpenAIServer
) -> None:
    (server.root_dir / "bees" / ".jupyter").mkdir(parents=True)
    (server.root_dir / "AGENTS.md").write_text("Be brief.")
    (server.root_dir / "bees" / ".jupyter" / "instructions.md").write_text("Be kind.")
    (server.root_dir / "other").mkdir()
    (server.root_dir / "other" / "AGENTS.md").write_text("Be rude.")
    try:
        async with ChatClient(server, "bees/team.chat") as ada:
            _, messages = await ask(ada, model, "Hello")
    finally:
        (server.root_dir / "AGENTS.md").unlink()
    system = messages[0]["content"]
    assert system.index("Be brief.") < system.index("`bees/.jupyter/instructions.md`")
    assert system.index("Be brief.") < system.index("Be kind.")
    assert "Be rude." not in system


@loop
async def test_a_setting_turns_the_notebook_beside_the_chat_off(
    tmp_path: Path, model: OpenAIServer, reader: Path
) -> None:
    config = {
        "AiExtension.default_model": "local:gpt-4o",
        "AiExtension.endpoints": {"local": {"base_url": model.url}},
        "AiExtension.notebook_beside_chat": False,
    }
    async with JupyterServer(tmp_path, pythonpath=[reader], config=config) as server:
        write_notebook(server.root_dir / "a.ipynb", "a")
        async with ChatClient(server, "off.chat") as ada, Lab(server) as lab:
            await lab.announce(current="notebook:a.ipynb", documents=["a.ipynb"])
            _, messages = await ask(ada, model, "Explain this cell")
    assert question(messages) == "@Reader Explain this cell"


@loop
async def test_a_chat_is_exported_by_the_servers_contents_manager(
    server: JupyterServer, model: OpenAIServer
) -> None:
    async with ChatClient(server, "bees/export.chat") as ada:
        await ask(ada, model, "Hello")
        for name in ("export.ipynb", "export-2.ipynb"):
            asked = ada.post("/export notebook")
            answer = await ada.wait_for(lambda me, id_=asked: me.replies(id_))
            assert f"`bees/{name}`" in answer[0]["body"]
            status, listed = await server.get(f"/api/contents/bees/{name}")
            assert status == 200
            assert listed["type"] == "notebook"
        asked = ada.post("/export markdown .hidden.md")
        answer = await ada.wait_for(lambda me: me.replies(asked))
        assert "hidden" in answer[0]["body"]
    assert not (server.root_dir / "bees" / ".hidden.md").exists()


@loop
async def test_context_shows_the_notebook_that_is_open_beside_the_chat(
    server: JupyterServer, model: OpenAIServer
) -> None:
    async with ChatClient(server, "shown.chat") as ada, Lab(server) as lab:
        await lab.announce(current="notebook:b.ipynb", documents=["b.ipynb"])
        asked = ada.post("/context")
        answer = await ada.wait_for(lambda me: me.replies(asked))
    body = answer[0]["body"]
    assert "**Guide** with `local:gpt-4o`" in body
    assert "| `b.ipynb`, which is open beside the chat, if the message speaks of" in body
    assert "ZeroDivisionError" in body


@loop
async def test_a_large_notebook_is_given_in_part_saved_or_open(
    server: JupyterServer, model: OpenAIServer
) -> None:
    cells = [
        nbformat.v4.new_code_cell(
            "x", id=f"c{i}", outputs=[nbformat.v4.new_output("stream", text="line of it\n" * 1000)]
        )
        for i in range(500)
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), server.root_dir / "large.ipynb")
    async with ChatClient(server, "large.chat") as ada:
        attachment = {"type": "notebook", "value": "large.ipynb"}
        _, messages = await ask(ada, model, "Sum up", attachment)
        async with OpenNotebook(server, "large.ipynb"):
            _, live = await ask(ada, model, "Sum up", attachment)
    for shown in (question(messages), question(live)):
        assert "`large.ipynb` (500 cells" in shown
        assert "left out, since there is no more room" in shown
        assert len(shown) < 45_000
