"""A real notebook room: two people type in their browsers while a persona changes the notebook."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import nbformat
import pytest
import pytest_asyncio
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient
from support.yrooms import OpenNotebook

pytestmark = pytest.mark.server
loop = pytest.mark.asyncio(loop_scope="module")

EDITOR = '''
import json

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Editor(BasePersona):
    """Calls the tools that a message lists, and says what came of it."""

    defaults = PersonaDefaults(name="Editor", system_prompt="", tools=("notebook", "kernel"))

    async def process_message(self, message):
        results = []
        for number, (tool, arguments) in enumerate(json.loads(message.body.split(None, 1)[1]), 1):
            call = {"call": f"1-{number}", "tool": tool, "arguments": arguments}
            results.append((await self.turn.request("tool.call", call))["result"])
        self.send_message("```json\\n" + json.dumps(results) + "\\n```")
'''


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    plugin = make_plugin(
        tmp_path_factory.mktemp("packages"),
        "editor",
        {"editor.py": EDITOR},
        {"jupyter_ai.personas": {"editor": "editor.editor:Editor"}},
    )
    config = {
        "AiExtension.tool_policy": {"*": "allow"},
        "AiExtension.workspace_search": False,
    }
    directory = tmp_path_factory.mktemp("server")
    async with JupyterServer(directory, config=config, pythonpath=[plugin]) as server:
        yield server


def save(server: JupyterServer, path: str, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(s, id=f"c{i}") for i, s in enumerate(sources)]
    file = server.root_dir / path
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
    return file


async def ask(chat: ChatClient, *calls: tuple[str, dict[str, Any]]) -> tuple[list[Any], str]:
    """Let the persona make calls; return their results and the reply."""
    asked = chat.post(f"@Editor {json.dumps(calls)}")
    reply = await chat.wait_for_reply(asked, "Editor")
    body = str(reply["body"])
    return json.loads(body.split("```json\n")[1].split("\n```")[0]), body


def sources(tab: OpenNotebook) -> dict[str, str]:
    return {cell["id"]: str(cell["source"]) for cell in tab.notebook.ycells}


async def type_into(tab: OpenNotebook, cell: str, text: str, *, at_start: bool) -> None:
    """Type letter by letter, each of which is at the server before the next."""
    for place, letter in enumerate(text):
        index = list(sources(tab)).index(cell)
        source = tab.notebook.ycells[index]["source"]
        source.insert(place if at_start else len(str(source).encode()), letter)
        await tab.flush()


@loop
async def test_nothing_that_people_type_is_lost_while_a_persona_edits(
    server: JupyterServer,
) -> None:
    file = save(server, "live.ipynb", "ada: ", " # bob\nold", "move me", "delete me")
    path = {"path": "live.ipynb"}
    async with (
        OpenNotebook(server, "live.ipynb", "Ada") as ada,
        OpenNotebook(server, "live.ipynb", "Bob") as bob,
        ChatClient(server, "live.chat", "Ada") as chat,
    ):
        letters = "".join(chr(ord("a") + i % 26) for i in range(40))
        async with anyio.create_task_group() as typing:
            typing.start_soon(lambda: type_into(ada, "c0", letters, at_start=False))
            typing.start_soon(lambda: type_into(bob, "c1", letters, at_start=True))
            inserts = [("notebook.insert_cell", {**path, "source": f"# {i}"}) for i in range(5)]
            results, _ = await ask(
                chat,
                ("notebook.edit_cell", {**path, "cell": "c1", "old": "old", "new": "new"}),
                *inserts,
                ("notebook.move_cell", {**path, "cell": "c2", "after": "start"}),
                ("notebook.delete_cell", {**path, "cell": "c3", "expected": "delete me"}),
            )
        assert not [result for result in results if "error" in result]
        wanted = {
            "c2": "move me",
            "c0": f"ada: {letters}",
            "c1": f"{letters} # bob\nnew",
            **{results[1 + i]["cell"]: f"# {i}" for i in range(5)},
        }
        for tab in (ada, bob):
            await tab.wait_for(
                lambda _, tab=tab: list(sources(tab).items()) == list(wanted.items())
            )

        # What the persona believes to be there is not what Ada has typed.
        stale = {**path, "cell": "c0", "source": "mine", "expected": "ada: "}
        [refused], _ = await ask(chat, ("notebook.edit_cell", stale))
        assert refused["current"] == f"ada: {letters}"
        assert sources(ada)["c0"] == f"ada: {letters}"

        # Bob types on in what the persona changed.
        await type_into(bob, "c1", "!", at_start=True)
        wanted["c1"] = f"!{wanted['c1']}"
        undo = chat.post("/undo @Editor")
        told = await chat.wait_for_reply(undo, state=None)
        assert "Left as it is:\n- `live.ipynb`, cell 2 (`c1`): somebody changed it since" in str(
            told["body"]
        )
        before = {key: wanted[key] for key in ("c0", "c1", "c2")}
        for tab in (ada, bob):
            await tab.wait_for(
                lambda _, tab=tab: {**before, "c3": "delete me"}.items() <= sources(tab).items()
            )
            assert len(tab.notebook.ycells) == 4
    assert file.exists()


@loop
async def test_both_people_see_a_cell_run_in_the_notebooks_own_kernel(
    server: JupyterServer,
) -> None:
    save(server, "run.ipynb", "x = 6 * 7\nprint('hello')\nx")
    path = {"path": "run.ipynb"}
    async with (
        OpenNotebook(server, "run.ipynb", "Ada") as ada,
        OpenNotebook(server, "run.ipynb", "Bob") as bob,
        ChatClient(server, "run.chat", "Ada") as chat,
    ):
        (ran, variables), body = await ask(
            chat,
            ("notebook.run_cell", {**path, "cell": "c0"}),
            ("kernel.variables", path),
        )
        assert ran["status"] == "ok"
        assert {"name": "x", "type": "int", "value": 42} in variables["variables"]
        assert body.endswith("- [run.ipynb, cell 1](/lab/tree/run.ipynb#cell-id=c0) (run)")
        for tab in (ada, bob):
            cell = tab.notebook.ycells[0]
            await tab.wait_for(lambda _, cell=cell: cell["execution_state"] == "idle")
            await tab.wait_for(lambda _, cell=cell: cell.get("execution_count") == 1)
            stream, result = cell["outputs"].to_py()
            assert stream["text"] == "hello\n"
            assert result["data"] == {"text/plain": "42"}
        _, sessions = await server.get("/api/sessions")
        assert [session["path"] for session in sessions] == ["run.ipynb"]
