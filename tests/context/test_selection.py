"""Which files are indexed, and what is read of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.context.reading import (
    MAX_BYTES,
    MAX_DATA,
    MAX_NOTEBOOK,
    _decode,
    read_text,
)
from jupyter_ai_personas.context.selection import Selection
from jupyter_ai_personas.context.settings import DEFAULT_EXCLUDE


def make(root: Path, files: dict[str, str] | Sequence[str]) -> None:
    for path in files:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(files[path] if isinstance(files, dict) else "text")


def selected(root: Path, exclude: Sequence[str] = DEFAULT_EXCLUDE) -> list[str]:
    selection = Selection(root, exclude)
    found = [path for path, _ in selection.walk()]
    # What one path is told agrees with the walk.
    everything = [file.relative_to(root).as_posix() for file in root.rglob("*")]
    assert sorted(found) == sorted(path for path in everything if selection.state(path))
    return found


def test_files_high_up_come_first(tmp_path: Path) -> None:
    make(tmp_path, ["b/c/d.md", "b/a.md", "z.md"])
    assert selected(tmp_path) == ["z.md", "b/a.md", "b/c/d.md"]


def test_hidden_and_secret_like_files_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, [".hidden", ".git/config", ".env", "id_rsa", "a.pem", "secrets/a.md", "ok.md"])
    make(tmp_path, [".ipynb_checkpoints/a.ipynb", "credentials.json", ".ssh/known_hosts"])
    assert selected(tmp_path) == ["ok.md"]


def test_environments_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, ["venv/pyvenv.cfg", "venv/lib/a.py", "conda/conda-meta/a", "conda/b.py"])
    make(tmp_path, ["node_modules/a.js", "a/__pycache__/b.py", "ok.md"])
    assert selected(tmp_path) == ["ok.md"]


def test_ignore_files_of_all_folders_are_respected(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            ".gitignore": "*.log\n/build/\nsub/private.md\n!keep.log\n",
            "a.log": "",
            "keep.log": "",
            "build/a.md": "",
            "sub/build/a.md": "",
            "sub/private.md": "",
            "sub/.gitignore": "!a.log\n*.tmp\n",
            "sub/a.log": "",
            "sub/b.tmp": "",
            "sub/deep/c.tmp": "",
            "other/b.tmp": "",
            "other/.ignore": "secretive.md\n",
            "other/secretive.md": "",
        },
    )
    assert selected(tmp_path) == [
        "keep.log",
        "other/b.tmp",
        "sub/a.log",
        "sub/build/a.md",
    ]


def test_what_lies_in_an_ignored_folder_cannot_come_back(tmp_path: Path) -> None:
    make(tmp_path, {".gitignore": "out/\n", "out/.gitignore": "!a.md\n", "out/a.md": ""})
    assert selected(tmp_path) == []


def test_an_ignore_file_overrules_git_but_not_the_operator(tmp_path: Path) -> None:
    make(
        tmp_path, {".gitignore": "*.csv\n", ".ignore": "!a.csv\n!a.dat\n", "a.csv": "", "a.dat": ""}
    )
    assert selected(tmp_path, ["*.dat"]) == ["a.csv"]


def test_an_ignore_file_that_makes_no_sense_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xff\xfe\0\n!\n***\n[\n" + b"a" * 200_000)
    make(tmp_path, ["ok.md"])
    assert selected(tmp_path) == ["ok.md"]


def test_no_link_is_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(tmp_path, ["outside/a.md", "root/real.md", "root/sub/b.md"])
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.md").symlink_to(tmp_path / "outside" / "a.md")
    (root / "loop").symlink_to(root)
    (root / "again.md").symlink_to(root / "real.md")
    assert selected(root) == ["real.md", "sub/b.md"]
    with pytest.raises(OSError, match="symbolic links"):
        read_text(root / "out.md")


def test_private_files_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, ["keys.txt", "sub/keys.txt", "index/a.md"])
    selection = Selection(tmp_path, (), [tmp_path / "keys.txt", tmp_path / "index"])
    assert [path for path, _ in selection.walk()] == ["sub/keys.txt"]


def test_what_may_not_be_read_is_passed_over(
    public_folder: Path, unprivileged: Callable[[], None]
) -> None:
    make(public_folder, ["closed/a.md", "ok.md"])
    (public_folder / "closed").chmod(0)
    unprivileged()
    assert selected(public_folder) == ["ok.md"]


def test_names_that_no_browser_can_show_are_left_out(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.md")).write_text("x")
    (tmp_path / "new\nline.md").write_text("x")
    make(tmp_path, ["größe 数据.md"])
    assert [path for path, _ in Selection(tmp_path, ()).walk()] == ["größe 数据.md"]


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.txt", "größe".encode(), "größe"),
        ("a.txt", "größe".encode("latin-1"), "größe"),
        ("a.txt", "größe".encode("utf-16"), "größe"),
        ("a.txt", "größe".encode("utf-8-sig"), "größe"),
        ("a.txt", b"", ""),
        ("a.txt", b"a\0b", None),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0", None),
        ("a.bin", bytes(range(1, 32)) * 9, None),
        ("a.pdf", b"%PDF-1.4 plain", None),
        ("a.txt", b"x\n-----BEGIN RSA PRIVATE KEY-----\nMIIE", None),
        ("a.csv", b"a,b\n" * 50_000, "a,b\n" * (MAX_DATA // 4)),
        ("a.txt", b"a" * (MAX_BYTES + 5), "a" * MAX_BYTES),
        ("a.txt", b"a" + "ä".encode() * MAX_BYTES, "a" + "ä" * ((MAX_BYTES - 1) // 2)),
        ("a.ipynb", b" " * (MAX_NOTEBOOK + 1), None),
    ],
)
def test_what_is_read(tmp_path: Path, name: str, data: bytes, text: str | None) -> None:
    (tmp_path / name).write_bytes(data)
    assert read_text(tmp_path / name) == text


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_decoded_or_binary(data: bytes, is_whole: bool) -> None:
    _decode(data, is_whole=is_whole)


def test_a_pipe_or_a_folder_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert selected(tmp_path) == []
    for path in ("pipe.md", ".", "none"):
        with pytest.raises(OSError, match=r"regular|directory|No such file"):
            read_text(tmp_path / path)
