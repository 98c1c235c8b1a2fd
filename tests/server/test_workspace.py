"""Files of the server's root as models get them: real contents managers, real shared notebooks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import nbformat
import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.contents.manager import AsyncContentsManager, ContentsManager
from jupyter_ydoc import YNotebook
from tornado.web import HTTPError

from jupyter_ai_personas.context.attached import Content
from jupyter_ai_personas.errors import AttachmentError
from jupyter_ai_personas.server.live import read_notebook
from jupyter_ai_personas.server.workspace import Workspace

LOG = logging.getLogger("test")


class _Remote:
    """Contents in memory: what a manager over an object store answers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.files: dict[str, dict[str, Any]] = {}
        self.threads: set[int] = set()

    def _get(self, path: str, content: bool = True, type: str | None = None) -> dict[str, Any]:
        self.threads.add(threading.get_ident())
        if path not in self.files:
            raise HTTPError(404)
        model = {"name": path, "path": path, "type": "file", "size": None, **self.files[path]}
        if not content:
            model.pop("content")
        return model


class Remote(_Remote, ContentsManager):
    def get(self, path: str, content: bool = True, type: str | None = None) -> Any:
        return self._get(path, content, type)

    def is_hidden(self, path: str) -> bool:
        return path.startswith(".")


class AsyncRemote(_Remote, AsyncContentsManager):
    async def get(self, path: str, content: bool = True, type: str | None = None) -> Any:
        return self._get(path, content, type)

    async def is_hidden(self, path: str) -> bool:
        return path.startswith(".")


@pytest.fixture(params=[FileContentsManager, AsyncLargeFileManager])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    manager = request.param(root_dir=str(tmp_path))
    return Workspace({"contents_manager": manager}, root=tmp_path, log=LOG)


def seen(content: Content) -> Any:
    """What there was to read."""
    if content.file is not None:
        return content.file.read()
    return next(
        value for value in (content.notebook, content.text, content.names) if value is not None
    )


def names_in(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


async def reason(workspace: Workspace, path: str) -> str:
    with pytest.raises(AttachmentError) as caught:
        await workspace.read(path, seen)
    return str(caught.value)


async def test_files_are_read_from_below_the_root(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bees.txt").write_text("Bees")
    assert await workspace.read("data/bees.txt", seen) == b"Bees"
    assert await workspace.read("RTC:data/bees.txt", seen) == b"Bees"
    assert await workspace.read("data/bees.txt", lambda c: (c.size, c.live)) == (4, False)


async def test_notebooks_are_read_as_json(workspace: Workspace, tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0", id="a")])
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert await workspace.read("a.ipynb", seen) == json.loads((tmp_path / "a.ipynb").read_text())
    (tmp_path / "empty.ipynb").write_text("")
    assert await workspace.read("empty.ipynb", seen) == {"cells": []}
    (tmp_path / "bad.ipynb").write_text("{nothing")
    assert "no notebook" in await reason(workspace, "bad.ipynb")


async def test_folders_are_listed_without_what_is_hidden_or_secret(
    workspace: Workspace, tmp_path: Path
) -> None:
    for name in ("b.txt", "a.txt", ".hidden", "secrets.json", ".env"):
        (tmp_path / name).write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("")
    assert await workspace.read("data", seen) == ("x",)
    assert await workspace.read("data/", seen) == ("x",)


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt",
        "data/../../outside.txt",
        "/etc/passwd",
        "..\\outside.txt",
        "C:\\outside.txt",
        "a\0b",
        "",
        "x" * 5000,
        "link.txt",
        "folder/outside.txt",
    ],
)
async def test_nothing_outside_of_the_root_is_read(
    workspace: Workspace, tmp_path: Path, path: str
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "outside.txt").write_text("outside")
    (tmp_path / "link.txt").symlink_to(outside / "outside.txt")
    (tmp_path / "folder").symlink_to(outside)
    assert "root directory" in await reason(workspace, path)


@pytest.mark.parametrize(
    "path", [".env", "data/.env.local", "server.pem", "id_rsa", ".git/config", "CREDENTIALS.json"]
)
async def test_secret_like_files_are_not_read(
    workspace: Workspace, tmp_path: Path, path: str
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("KEY=hunter2")
    assert "secrets" in await reason(workspace, path)


async def test_a_link_to_a_secret_like_file_is_not_read(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("KEY=hunter2")
    (tmp_path / "notes.txt").symlink_to(tmp_path / ".env")
    assert "secrets" in await reason(workspace, "notes.txt")


async def test_hidden_files_are_read_only_if_the_server_shows_them(tmp_path: Path) -> None:
    (tmp_path / ".notes").write_text("Bees")
    manager = AsyncLargeFileManager(root_dir=str(tmp_path))
    workspace = Workspace({"contents_manager": manager}, root=tmp_path, log=LOG)
    assert "hidden" in await reason(workspace, ".notes")
    manager.allow_hidden = True
    assert await workspace.read(".notes", seen) == b"Bees"


async def test_what_is_not_there_is_told(workspace: Workspace) -> None:
    assert await reason(workspace, "gone.txt") == "there is no such file."


@pytest.mark.parametrize("kind", [FileContentsManager, AsyncLargeFileManager])
async def test_a_file_that_may_not_be_read_is_told(
    kind: Any, public_folder: Path, unprivileged: Callable[[], None]
) -> None:
    manager = kind(root_dir=str(public_folder))
    workspace = Workspace({"contents_manager": manager}, root=public_folder, log=LOG)
    (public_folder / "a.txt").write_text("x")
    (public_folder / "a.txt").chmod(0)
    unprivileged()
    assert "denied" in (await reason(workspace, "a.txt")).lower()


async def test_a_named_pipe_does_not_hold_anybody_up(workspace: Workspace, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with anyio.fail_after(10):
        assert await reason(workspace, "pipe") == "it is no ordinary file."


async def test_a_file_is_closed_after_it_was_used(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    file = await workspace.read("a.txt", lambda content: content.file)
    assert file is not None
    assert file.closed


@pytest.mark.parametrize("kind", [Remote, AsyncRemote])
async def test_contents_that_are_no_files_are_read_through_their_manager(kind: Any) -> None:
    manager = kind()
    manager.files = {
        "a.txt": {"format": "text", "content": "Bees"},
        "a.bin": {"format": "base64", "content": "AAEC\n"},
        "a.ipynb": {"format": "text", "content": '{"cells": [], "nbformat": 4}'},
        "large.txt": {"format": "text", "content": "", "size": 10**9},
        "data": {"type": "directory", "format": "json", "content": [{"name": "x"}, {"name": ".y"}]},
    }
    workspace = Workspace({"contents_manager": manager}, root=None, log=LOG)
    assert await workspace.read("a.txt", seen) == "Bees"
    assert await workspace.read("a.bin", seen) == b"\0\1\2"
    assert await workspace.read("a.ipynb", seen) == {"cells": [], "nbformat": 4}
    assert await workspace.read("data", seen) == ("x",)
    assert await reason(workspace, "large.txt") == "it has 1 GB; the most is 20 MB."
    assert await reason(workspace, "gone.txt") == "there is no such file."


async def test_a_manager_that_blocks_does_not_run_on_the_event_loop() -> None:
    manager = Remote()
    manager.files = {"a.txt": {"format": "text", "content": "Bees"}}
    workspace = Workspace({"contents_manager": manager}, root=None, log=LOG)
    await workspace.read("a.txt", seen)
    assert threading.get_ident() not in manager.threads


async def test_a_file_is_created_once(workspace: Workspace, tmp_path: Path) -> None:
    await workspace.create("a.md", "Bees\n")
    with pytest.raises(FileExistsError):
        await workspace.create("a.md", "Wasps\n")
    assert (tmp_path / "a.md").read_text() == "Bees\n"
    for path in ("../a.md", ".hidden.md", ".env", "gone/a.md"):
        with pytest.raises(AttachmentError):
            await workspace.create(path, "x")
    assert names_in(tmp_path) == ["a.md"]


async def test_what_the_server_refuses_to_write_leaves_nothing(tmp_path: Path) -> None:
    class Refusing(AsyncLargeFileManager):
        async def save(self, model: Any, path: str = "") -> Any:
            raise HTTPError(403)

    manager = Refusing(root_dir=str(tmp_path))
    workspace = Workspace({"contents_manager": manager}, root=tmp_path, log=LOG)
    with pytest.raises(AttachmentError, match="refuses"):
        await workspace.create("a.md", "Bees")
    assert names_in(tmp_path) == []


# -- shared notebooks ------------------------------------------------------------------------------


def shared(cells: int, output: str = "", minor: int = 5) -> YNotebook:
    notebook = nbformat.v4.new_notebook(nbformat_minor=minor)
    for i in range(cells):
        cell = nbformat.v4.new_code_cell(f"x = {i}", id=f"c{i}", execution_count=i)
        if output:
            cell["outputs"] = [nbformat.v4.new_output("stream", text=output)]
        notebook.cells.append(cell)
    document = YNotebook()
    document.set(dict(notebook))
    return document


async def test_a_shared_notebook_is_read_as_the_library_reads_it() -> None:
    document = shared(20, "hello\n")
    read = await read_notebook(document)
    assert read == document.get()
    assert isinstance(read["cells"][3]["execution_count"], int)


async def test_a_shared_notebook_that_keeps_no_ids_has_those_of_the_editors() -> None:
    document = shared(2, minor=4)
    assert "id" not in document.get()["cells"][0]
    read = await read_notebook(document)
    assert read is not None
    assert [cell["id"] for cell in read["cells"]] == [cell["id"] for cell in document.ycells]


async def test_a_notebook_that_is_not_loaded_yet_is_none() -> None:
    assert await read_notebook(YNotebook()) is None


async def test_others_have_the_loop_while_a_large_notebook_is_read() -> None:
    document = shared(500, "x" * 10_000)
    iterations = 0

    async def count() -> None:
        nonlocal iterations
        while True:
            await asyncio.sleep(0)
            iterations += 1

    counting = asyncio.create_task(count())
    await read_notebook(document)
    counting.cancel()
    assert iterations >= 5


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: cells.insert(0, _new_cell("new")),
        lambda cells: cells.pop(0),
    ],
    ids=["insert", "delete"],
)
async def test_a_notebook_whose_cells_move_while_it_is_read_is_read_anew(
    change: Callable[[Any], Any],
) -> None:
    document = shared(500, "x" * 10_000)

    async def disturb() -> None:
        await asyncio.sleep(0)
        change(document.ycells)

    disturbing = asyncio.create_task(disturb())
    read = await read_notebook(document)
    await disturbing
    assert read == document.get()


def _new_cell(id_: str) -> Any:
    return YNotebook().create_ycell(dict(nbformat.v4.new_code_cell("new", id=id_)))


async def test_a_notebook_that_changes_all_the_time_is_read_nevertheless() -> None:
    document = shared(300, "x" * 10_000)

    async def disturb() -> None:
        while True:
            await asyncio.sleep(0)
            document.ycells.insert(0, _new_cell(str(time.perf_counter_ns())))
            document.ycells.pop(0)

    disturbing = asyncio.create_task(disturb())
    with anyio.fail_after(10):
        read = await read_notebook(document)
    disturbing.cancel()
    assert read is not None
    assert len(read["cells"]) >= 300
