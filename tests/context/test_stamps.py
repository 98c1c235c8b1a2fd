from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_ai_personas.context import stamps as module
from jupyter_ai_personas.context.local import LocalWorkspace
from jupyter_ai_personas.context.stamps import Stamps

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/mounts").exists(), reason="local file systems are known on Linux only"
)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests write counts as old."""
    monkeypatch.setattr(module, "SETTLED_SECONDS", -60.0)


def _write(file: Path) -> None:
    file.write_text("other text")


def _write_same_size_and_time(file: Path) -> None:
    before = file.stat()
    file.write_text("news")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(file: Path) -> None:
    other = file.with_name("other")
    shutil.copy2(file, other)
    other.replace(file)


CHANGES: list[Callable[[Path], None]] = [_write, _write_same_size_and_time, _replace, Path.unlink]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_file_shows(tmp_path: Path, change: Callable[[Path], None]) -> None:
    file = tmp_path / "a.md"
    file.write_text("text")
    stamps = Stamps([file])
    assert stamps.hold()
    change(file)
    assert not stamps.hold()


@pytest.mark.usefixtures("settled")
def test_a_file_that_appears_shows(tmp_path: Path) -> None:
    stamps = Stamps([tmp_path / "folder/a.md", tmp_path / "null\0byte"])
    assert stamps.hold()
    (tmp_path / "folder").mkdir()
    assert stamps.hold()
    (tmp_path / "folder/a.md").touch()
    assert not stamps.hold()


@pytest.mark.usefixtures("settled")
def test_a_file_that_comes_or_goes_shows_in_its_folder(tmp_path: Path) -> None:
    stamps = Stamps([tmp_path])
    assert stamps.hold()
    (tmp_path / "a.md").touch()
    assert not stamps.hold()


def test_a_file_that_has_just_changed_is_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("text")
    assert not Stamps([file]).hold()


@pytest.mark.usefixtures("settled")
def test_a_remote_file_system_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.md"
    file.write_text("text")
    monkeypatch.setattr(module, "are_local", lambda folders: False)
    assert not Stamps([file]).hold()


@pytest.mark.usefixtures("settled")
async def test_instructions_are_read_again_only_when_they_have_changed(tmp_path: Path) -> None:
    workspace, paths = LocalWorkspace(tmp_path), ["AGENTS.md", "a/AGENTS.md"]
    assert await workspace.texts(paths) == []
    (tmp_path / "AGENTS.md").write_text("Be brief.")
    first = await workspace.texts(paths)
    assert first == [("AGENTS.md", "Be brief.")]
    assert await workspace.texts(paths) is first
    (tmp_path / "a").mkdir()
    (tmp_path / "a/AGENTS.md").write_text("Be kind.")
    assert await workspace.texts(paths) == [*first, ("a/AGENTS.md", "Be kind.")]
    (tmp_path / "AGENTS.md").unlink()
    assert await workspace.texts(paths) == [("a/AGENTS.md", "Be kind.")]
