"""An index whose folders cannot be watched finds changes by a scan, and says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from filelock import FileLock

from jupyter_ai_personas.context import IndexSettings, builder, watching
from jupyter_ai_personas.context.index_folder import IndexFolder
from jupyter_ai_personas.context.reader import IndexReader, NoIndexError


def _is_remote(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(builder, "remote_file_system", lambda root: "nfs4")
    return "the file system (nfs4) does not report all changes"


def _has_no_watches(monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*folders: Path, **options: Any) -> Iterator[Any]:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(watching, "watch", refuse)
    return "the folders cannot be watched (OS file watch limit reached.)"


def _runs_out_of_watches(monkeypatch: pytest.MonkeyPatch) -> str:
    def fail_later(*folders: Path, **options: Any) -> Iterator[Any]:
        yield set()
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(watching, "watch", fail_later)
    return "the folders cannot be watched (OS file watch limit reached.)"


@pytest.mark.parametrize("cause", [_is_remote, _has_no_watches, _runs_out_of_watches])
async def test_changes_are_found_by_a_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: Any
) -> None:
    reason = cause(monkeypatch)
    monkeypatch.setattr(builder, "_RESCAN_S", 0.1)
    root = tmp_path / "root"
    root.mkdir()
    (root / "bees.md").write_text("honey")
    place, stop = IndexFolder(root, tmp_path / "data"), threading.Event()
    place.make()

    def build() -> None:
        with FileLock(place.lock, timeout=0):
            one = builder.Builder(place, IndexSettings())
            try:
                one.run(stop)
            finally:
                one.close()

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, build)
        try:
            with anyio.fail_after(60):
                await _found(place, "honey", ["bees.md"])
                (root / "zebra.md").write_text("stripes")
                await _found(place, "stripes", ["zebra.md"])
                (root / "zebra.md").unlink()
                await _found(place, "stripes", [])
            status = place.read_status()
        finally:
            stop.set()
    assert status.unwatched == reason
    assert str(status).endswith(f"Changes are found once a minute, because {reason}.")


async def _found(place: IndexFolder, query: str, paths: list[str]) -> None:
    reader = IndexReader(place)
    try:
        while True:
            try:
                if [hit["path"] for hit in reader.search(query, 5)] == paths:
                    return
            except NoIndexError:
                pass
            await anyio.sleep(0.02)
    finally:
        reader.close()
