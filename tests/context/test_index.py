"""The index on a real disk, with its real process: what it finds, and which faults it survives."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
import pytest

from jupyter_ai_personas.context import Hit, IndexSettings, IndexStatus, WorkspaceIndex
from jupyter_ai_personas.context.index_folder import IndexFolder
from jupyter_ai_personas.context.mounts import remote_file_system
from jupyter_ai_personas.errors import SearchUnavailableError
from jupyter_ai_personas.redaction import remember

# The process that builds the index runs at a low priority: a busy machine gives it little time.
WAIT = 300.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "bees.md").write_text("# Bees\n\nThey make honey.\n")
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@asynccontextmanager
async def running(
    root: Path, data: Path, settings: IndexSettings | None = None
) -> AsyncIterator[WorkspaceIndex]:
    index = WorkspaceIndex(
        root, data, settings or IndexSettings(), log=logging.getLogger("test_index")
    )
    async with anyio.create_task_group() as group:
        group.start_soon(index.run)
        yield index
        group.cancel_scope.cancel()


async def ask(index: WorkspaceIndex, query: str, limit: int = 10) -> list[Hit]:
    return await anyio.to_thread.run_sync(index.search, query, limit)


async def until(
    index: WorkspaceIndex, query: str, wanted: Callable[[list[Hit]], bool]
) -> list[Hit]:
    """Ask again and again until the answer is as wanted."""
    found: list[Hit] | str = "nothing was answered"
    with anyio.move_on_after(WAIT):
        while True:
            try:
                found = await ask(index, query)
                if wanted(found):
                    return found
            except SearchUnavailableError as error:
                found = str(error)
            await anyio.sleep(0.02)
    raise AssertionError(f"{query}: {found}")


async def found(index: WorkspaceIndex, query: str, path: str) -> Hit:
    """Wait until ``path`` alone is found."""
    (hit, *_) = await until(index, query, lambda hits: {hit.path for hit in hits} == {path})
    return hit


async def gone(index: WorkspaceIndex, query: str) -> None:
    await until(index, query, lambda hits: not hits)


def process_of(index: WorkspaceIndex) -> psutil.Process:
    assert index._process is not None
    return psutil.Process(index._process.pid)


async def test_a_passage_is_found_where_it_is(root: Path, data: Path) -> None:
    async with running(root, data) as index:
        hit = await found(index, "who makes honey?", "bees.md")
        assert (hit.line, hit.cell, hit.heading, hit.text) == (
            1,
            None,
            "Bees",
            "# Bees\n\nThey make honey.",
        )
        assert hit.score > 0
        assert index.status() == IndexStatus("ready", files=1)
        assert str(index.status()) == "Workspace search: 1 files indexed."


async def test_changes_are_followed(root: Path, data: Path) -> None:
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")
        (root / "zebra.md").write_text("stripes")
        await found(index, "stripes", "zebra.md")
        (root / "zebra.md").write_text("quagga")
        await found(index, "quagga", "zebra.md")
        await gone(index, "stripes")
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "b" / "c.py").write_text("def giraffe(): ...")
        await found(index, "giraffe", "a/b/c.py")
        (root / "a" / "b" / "c.py").rename(root / "a" / "b" / "d.py")
        await found(index, "giraffe", "a/b/d.py")
        (root / "a").rename(root / "z")
        await found(index, "giraffe", "z/b/d.py")
        shutil.rmtree(root / "z")
        await gone(index, "giraffe")
        (root / ".gitignore").write_text("zebra.md\n")
        await gone(index, "quagga")
        (root / ".gitignore").unlink()
        await found(index, "quagga", "zebra.md")


async def test_files_that_vanish_and_change_while_they_are_indexed(root: Path, data: Path) -> None:
    for number in range(300):
        (root / f"{number}.md").write_text(f"before{number} ostrich\n" * 200)
    async with running(root, data) as index:
        await until(index, "ostrich", bool)
        for number in range(0, 300, 2):
            (root / f"{number}.md").unlink()
            (root / f"{number + 1}.md").write_text(f"after{number}")
        await found(index, "after298", "299.md")
        await gone(index, "ostrich")
        await until(index, "honey", lambda _: index.status() == IndexStatus("ready", files=151))


async def test_what_is_kept_is_used_again(root: Path, data: Path) -> None:
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")
    folder = IndexFolder(root, data).path
    (root / "new.md").write_text("gnu")
    (root / "old.md").write_text("moa")
    (root / "bees.md").unlink()
    async with running(root, data) as index:
        await found(index, "gnu", "new.md")
        await gone(index, "honey")
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0


async def test_secrets_are_neither_found_nor_quoted(root: Path, data: Path) -> None:
    (root / ".env").write_text("TOKEN=platypus1")
    (root / "id_rsa").write_text("platypus2")
    (root / "key.txt").write_text("platypus3\n-----BEGIN RSA PRIVATE KEY-----\nMIIE")
    (root / "vault.txt").write_text("platypus4")
    (root / "notes.md").write_text("platypus and sk-abcdefghijklmnop123456 and hunter2remembered")
    remember(["hunter2remembered"])
    settings = IndexSettings(private=(str(root / "vault.txt"),))
    async with running(root, data, settings) as index:
        hit = await found(index, "platypus", "notes.md")
        assert hit.text == "platypus and [secret] and [secret]"
        assert await ask(index, "RSA MIIE TOKEN") == []


@pytest.mark.parametrize(
    "damage",
    ["rubbish", "empty", "cut", "no sqlite", "no passages", "no folder"],
)
async def test_a_damaged_index_is_built_anew(root: Path, data: Path, damage: str) -> None:
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")
    folder = IndexFolder(root, data).path
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "lock"]
    assert len(files) > 5
    for file in files:
        match damage:
            case "rubbish":
                file.write_bytes(b"rubbish" * 100)
            case "empty":
                file.write_bytes(b"")
            case "cut":
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    match damage:
        case "no sqlite":
            (folder / "files.sqlite").unlink()
        case "no passages":
            shutil.rmtree(folder / "passages")
        case "no folder":
            shutil.rmtree(folder)
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")


async def test_an_index_that_is_damaged_or_removed_while_it_is_used(root: Path, data: Path) -> None:
    folder = IndexFolder(root, data).path
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")
        for file in (folder / "passages").iterdir():
            file.write_bytes(b"rubbish")
        await until(
            index, "honey", lambda hits: len(hits) == 1 and not (folder / "damaged").exists()
        )
        (root / "new.md").write_text("gnu")
        await found(index, "gnu", "new.md")
        shutil.rmtree(folder)
        (root / "new.md").write_text("okapi")
        await found(index, "okapi", "new.md")


async def test_a_process_that_is_killed_starts_again(root: Path, data: Path) -> None:
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")
        process_of(index).kill()
        (root / "new.md").write_text("gnu")
        await found(index, "gnu", "new.md")


async def test_servers_of_one_root_share_the_index(root: Path, data: Path) -> None:
    async with running(root, data) as first, running(root, data) as second:
        await found(first, "honey", "bees.md")
        await found(second, "honey", "bees.md")
        (root / "new.md").write_text("gnu")
        await found(first, "gnu", "new.md")
        await found(second, "gnu", "new.md")
        # Whichever of them builds: the other one goes on when it is gone.
        for index, other in ((first, second), (second, first)):
            process_of(other).kill()
            (root / "new.md").write_text(f"okapi{id(index)}")
            await found(index, f"okapi{id(index)}", "new.md")
            await found(other, f"okapi{id(index)}", "new.md")


async def test_the_process_ends_with_whoever_started_it(root: Path, data: Path) -> None:
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")
        process = process_of(index)
    assert not process.is_running()


async def test_a_folder_that_cannot_be_used_is_told(root: Path, data: Path) -> None:
    (data / "jupyter_ai_personas").mkdir(parents=True)
    (data / "jupyter_ai_personas" / "search").write_text("in the way")
    async with running(root, data) as index:
        with anyio.fail_after(WAIT):
            why = ""
            while "its folder cannot be used" not in why:
                try:
                    await ask(index, "honey")
                except SearchUnavailableError as error:
                    why = str(error)
        assert index.status().state == "failed"
        assert "its folder cannot be used" in str(index.status())
        assert str(data) not in str(index.status())


async def test_an_empty_workspace_is_answered_with_nothing(tmp_path: Path, data: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    async with running(empty, data) as index:
        await gone(index, "honey")


async def test_before_it_runs_it_says_so(root: Path, data: Path) -> None:
    index = WorkspaceIndex(root, data, IndexSettings(), log=logging.getLogger("test_index"))
    assert index.status() == IndexStatus("starting")
    with pytest.raises(SearchUnavailableError, match="it is starting"):
        index.search("honey")


async def test_a_module_in_the_root_is_not_imported(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "json.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(root)
    async with running(root, data) as index:
        await found(index, "honey", "bees.md")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/ada/work", "nfs4"),
        ("/home/ada/notes/local", None),
        ("/home/adam", None),
        ("/mnt/my share/x", "fuse.sshfs"),
        ("/twice", "cifs"),
    ],
)
def test_file_systems_that_others_change_unseen(
    tmp_path: Path, path: str, kind: str | None
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/ada /home/ada nfs4 rw 0 0\n"
        "tmpfs /home/ada/notes/local tmpfs rw 0 0\nhost: /mnt/my\\040share fuse.sshfs rw 0 0\n"
        "/dev/sdb /twice ext4 rw 0 0\n//host/x /twice cifs rw 0 0\n"
    )
    assert remote_file_system(Path(path), mounts) == kind
    assert remote_file_system(Path(path), tmp_path / "none") is None


def test_a_file_that_ends_the_process_twice_is_given_up(tmp_path: Path) -> None:
    from jupyter_ai_personas.context.builder import _Suspect

    file = tmp_path / "reading"
    first = _Suspect(file)
    assert first.crashes("a.py") == 0
    first.begin("a.py")
    left = file.read_bytes()  # what is there when the process ends
    first.end()
    assert file.read_bytes() == b""
    first.close()
    for crashes in (1, 2):
        file.write_bytes(left)
        later = _Suspect(file)
        assert (later.crashes("a.py"), later.crashes("b.py")) == (crashes, 0)
        later.begin("a.py")
        left = file.read_bytes()
        later.close()
