"""The toolset ``workspace`` on files, and on texts that are open in an editor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.desk import Desk

from jupyter_ai_personas.errors import PersonasError, ToolCallError


@pytest.fixture(params=["open", "saved"])
def make(request: pytest.FixtureRequest, desk: Desk) -> Any:
    def write(path: str, text: str) -> None:
        (desk.root / path).write_bytes(text.encode())
        if request.param == "open":
            desk.rooms.open_text(path, text)

    return write


def text(desk: Desk, path: str) -> str:
    document = desk.rooms.documents.get(f"text:file:{path}")
    return document.get() if document else (desk.root / path).read_bytes().decode()


def everything(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_lines_are_read_and_counted(desk: Desk, make: Any) -> None:
    make("a.txt", "one\ntwo\nthree\nfour")
    assert await desk.call("workspace.read_file", path="a.txt") == {
        "text": "one\ntwo\nthree\nfour",
        "start": 1,
        "lines": 4,
        "total": 4,
    }
    assert await desk.call("workspace.read_file", path="a.txt", start=2, lines=2) == {
        "text": "two\nthree\n",
        "start": 2,
        "lines": 2,
        "total": 4,
    }
    end = await desk.call("workspace.read_file", path="a.txt", start=9)
    assert (end["text"], end["lines"], end["total"]) == ("", 0, 4)


async def test_a_large_file_is_cut_at_a_line(desk: Desk, make: Any) -> None:
    make("a.txt", ("x" * 999 + "\n") * 200)
    found = await desk.call("workspace.read_file", path="a.txt")
    assert (found["lines"], found["total"]) == (60, 200)
    assert len(found["text"]) == 60_000


async def test_secrets_in_files_are_not_read(desk: Desk, make: Any) -> None:
    make("a.txt", "token = 'sk-abcdefghijklmnop1234'\n")
    assert "abcdefghij" not in str(await desk.call("workspace.read_file", path="a.txt"))
    make("b.txt", "-----BEGIN PRIVATE KEY-----\nabc")
    assert "private key" in (await desk.call("workspace.read_file", path="b.txt"))["error"]


async def test_binary_files_and_folders_are_told(desk: Desk) -> None:
    (desk.root / "a.bin").write_bytes(b"\0\1\2")
    (desk.root / "data").mkdir()
    assert "not text" in (await desk.call("workspace.read_file", path="a.bin"))["error"]
    assert "workspace.list" in (await desk.call("workspace.read_file", path="data"))["error"]
    assert "no such file" in (await desk.call("workspace.read_file", path="gone"))["error"]


async def test_a_folder_is_listed(desk: Desk) -> None:
    (desk.root / "data").mkdir()
    for name in ("b.txt", ".hidden", ".env", "secrets.json", "data/x.csv"):
        (desk.root / name).write_text("abc")
    desk.save("a.ipynb", "x")
    found = (await desk.call("workspace.list"))["files"]
    assert [(one["path"], one["type"]) for one in found] == [
        ("a.ipynb", "notebook"),
        ("b.txt", "file"),
        ("data", "directory"),
    ]
    assert found[1]["size"] == 3
    found = (await desk.call("workspace.list", folder="./data/"))["files"]
    assert [one["path"] for one in found] == ["data/x.csv"]
    assert "no such folder" in (await desk.call("workspace.list", folder="gone"))["error"]


async def test_files_are_searched_without_an_index(desk: Desk) -> None:
    (desk.root / "data").mkdir()
    (desk.root / "data" / "bees.md").write_text("# Hives\n\nBees make Honey.\n")
    (desk.root / "wasps.md").write_text("Wasps make no honey, says nobody.")
    (desk.root / ".env").write_text("honey bees")
    found = (await desk.call("workspace.search", query="honey BEES"))["files"]
    assert found == [{"path": "data/bees.md", "line": 3, "text": "Bees make Honey."}]
    assert len((await desk.call("workspace.search", query="honey", limit=1))["files"]) == 1
    assert "error" in await desk.call("workspace.search", query="  ")


async def test_a_new_file_is_written_where_there_is_none(desk: Desk) -> None:
    assert await desk.call("workspace.write_file", path="a.py", content="x\n", expected=None) == {
        "path": "a.py"
    }
    assert text(desk, "a.py") == "x\n"
    again = await desk.call("workspace.write_file", path="a.py", content="y", expected=None)
    assert again["current"] == "x\n"
    assert text(desk, "a.py") == "x\n"


async def test_a_file_is_overwritten_only_if_it_is_as_expected(desk: Desk, make: Any) -> None:
    make("a.py", "x = 1\r\ny = 2\n")
    wrong = await desk.call("workspace.write_file", path="a.py", content="z", expected="x = 1\n")
    assert wrong["current"] == "x = 1\r\ny = 2\n"
    assert text(desk, "a.py") == "x = 1\r\ny = 2\n"
    arguments = {"path": "a.py", "content": "x = 1\r\ny = 3\n", "expected": "x = 1\r\ny = 2\n"}
    assert await desk.call("workspace.write_file", **arguments) == {"path": "a.py"}
    assert text(desk, "a.py") == "x = 1\r\ny = 3\n"


async def test_expected_must_be_given(desk: Desk) -> None:
    result = await desk.call("workspace.write_file", path="a.py", content="z")
    assert "`expected`" in result["error"]
    assert not (desk.root / "a.py").exists()


async def test_a_file_that_should_be_there_and_is_not(desk: Desk) -> None:
    result = await desk.call("workspace.write_file", path="a.py", content="z", expected="y")
    assert "no such file" in result["error"]
    assert result["current"] is None
    assert (
        "write_file"
        in (await desk.call("workspace.edit_file", path="a.py", old="x", new="y"))["error"]
    )


async def test_a_part_of_a_file_is_replaced(desk: Desk, make: Any) -> None:
    make("a.py", "key = 'sk-abcdefghijklmnop1234'\nx = 1\ny = 1\n")
    twice = await desk.call("workspace.edit_file", path="a.py", old="1\n", new="2\n")
    assert "2 times" in twice["error"]
    assert "abcdefghij" not in str(twice)
    await desk.call("workspace.edit_file", path="a.py", old="y = 1", new="y = 2")
    assert text(desk, "a.py") == "key = 'sk-abcdefghijklmnop1234'\nx = 1\ny = 2\n"


async def test_a_file_with_a_secret_is_not_overwritten_by_its_redaction(
    desk: Desk, make: Any
) -> None:
    before = "key = 'sk-abcdefghijklmnop1234'\n"
    make("a.py", before)
    shown = (await desk.call("workspace.read_file", path="a.py"))["text"]
    result = await desk.call("workspace.write_file", path="a.py", content="x", expected=shown)
    assert "secret" in result["error"]
    assert text(desk, "a.py") == before


async def test_typing_of_others_in_an_open_file_is_kept(desk: Desk) -> None:
    (desk.root / "a.md").write_text("one\ntwo\n")
    document = desk.rooms.open_text("a.md", "one\ntwo\n")
    other = type(document)()
    other.ydoc.apply_update(document.ydoc.get_update())
    other.ydoc["source"].insert(0, "zero\n")
    await desk.call("workspace.edit_file", path="a.md", old="two", new="2")
    document.ydoc.apply_update(other.ydoc.get_update())
    assert document.get() == "zero\none\n2\n"


@pytest.mark.parametrize(
    "path",
    [
        "../a.txt",
        "data/../../a.txt",
        "/etc/a.txt",
        "..\\a.txt",
        "C:\\a.txt",
        "a\0b",
        "",
        ".",
        ".hidden",
        ".jupyter/personas/evil.md",
        "data/.jupyter/mcp_settings.json",
        ".env",
        "secrets.json",
        "id_rsa",
        "data/server.pem",
        ".git/config",
        "link/a.txt",
        "toenv.txt",
        "tojupyter/x.md",
        "a.ipynb",
        "a.chat",
        "x" * 5000,
    ],
)
async def test_what_may_not_be_written_is_refused_and_nothing_is_touched(
    desk: Desk, path: str
) -> None:
    outside = desk.root.parent / f"{desk.root.name}-outside"
    outside.mkdir()
    for folder in ("data/.jupyter", ".jupyter/personas", ".git"):
        (desk.root / folder).mkdir(parents=True)
    (outside / "a.txt").write_text("x")
    (desk.root / ".env").write_text("x")
    (desk.root / "a.chat").write_text("x")
    (desk.root / "link").symlink_to(outside)
    (desk.root / "toenv.txt").symlink_to(desk.root / ".env")
    (desk.root / "tojupyter").symlink_to(desk.root / ".jupyter")
    desk.save("a.ipynb", "x")
    before = everything(desk.root.parent)
    for tool, arguments in (
        ("workspace.write_file", {"content": "y", "expected": None}),
        ("workspace.write_file", {"content": "y", "expected": "x"}),
        ("workspace.edit_file", {"old": "x", "new": "y"}),
    ):
        assert "error" in await desk.call(tool, path=path, **arguments)
        with pytest.raises(PersonasError):
            await desk.preview(tool, path=path, **arguments)
    assert everything(desk.root.parent) == before


@pytest.mark.parametrize(
    "path", ["../a.txt", "/etc/passwd", ".env", ".jupyter/x", "link/a.txt", "toenv.txt", "a\0"]
)
async def test_what_may_not_be_read_is_refused(desk: Desk, path: str) -> None:
    outside = desk.root.parent / f"{desk.root.name}-outside"
    outside.mkdir()
    (outside / "a.txt").write_text("hunter2")
    (desk.root / ".env").write_text("hunter2")
    (desk.root / "link").symlink_to(outside)
    (desk.root / "toenv.txt").symlink_to(desk.root / ".env")
    result = await desk.call("workspace.read_file", path=path)
    assert "error" in result
    assert "hunter2" not in str(result)
    assert "error" in await desk.call("workspace.list", folder=path)


async def test_no_private_key_is_written(desk: Desk) -> None:
    content = "-----BEGIN PRIVATE KEY-----\nabc"
    result = await desk.call("workspace.write_file", path="a.txt", content=content, expected=None)
    assert "private key" in result["error"]
    assert not (desk.root / "a.txt").exists()


async def test_a_folder_that_is_missing_is_told(desk: Desk) -> None:
    result = await desk.call("workspace.write_file", path="x/a.txt", content="", expected=None)
    assert "folder must exist" in result["error"]


async def test_changes_are_shown_as_a_diff_before_they_are_made(desk: Desk, make: Any) -> None:
    make("a.py", "a\nb\nc\n")
    preview = await desk.preview("workspace.edit_file", path="a.py", old="b", new="B")
    assert "\n-b\n+B\n" in preview.diff
    assert text(desk, "a.py") == "a\nb\nc\n"
    new = await desk.preview("workspace.write_file", path="b.py", content="x", expected=None)
    assert "+x" in new.diff
    assert "new" in new.note
    with pytest.raises(ToolCallError) as refused:
        await desk.preview("workspace.write_file", path="a.py", content="x", expected="no")
    assert refused.value.facts == {"current": "a\nb\nc\n"}
