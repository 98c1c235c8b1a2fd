"""The ledger when processes are killed, files are damaged and disks refuse."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_worker import LOG, QUICK, make_row, reply
from ledgers import names, opened, read_words, server, tell

from jupyter_ai_personas.runtime.ledger import Ledger, TurnStep


def make_read_only(folder: Path) -> None:
    folder.chmod(0o555)


async def test_contents_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "ledger.sqlite"
    old_mask = os.umask(0)
    try:
        async with opened(path) as ledger:
            await ledger.accept([make_row("t1")])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old_mask)
    assert set(modes) == {f"ledger.sqlite{suffix}" for suffix in ("", "-wal", "-shm", ".lock")}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_file_that_is_not_sqlite_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite"
    for n in (1, 2):
        path.write_text(f"Dear diary, {n}. " * 1000)
        async with opened(path) as ledger:
            assert await ledger.accept([make_row("t1")]) == [True]
            assert ledger.recorded
        aside = tmp_path / f"ledger.sqlite.corrupt-{n}"
        assert aside.read_text().startswith(f"Dear diary, {n}")
        assert f"was moved to {aside}" in caplog.text


async def test_of_a_finished_turn_only_the_tombstone_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row("t1"), make_row("t2")])
        ledger.checkpoint("t2", [reply("so far")])
        await ledger.flush()
        ledger.finish("t1", "done", [reply("all", "done")])
        ledger.saved("chat", ["t1"])
        ledger.forget("t2")
    db = sqlite3.connect(path)
    counts = {
        table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("turns", "replies", "tombstones")
    }
    db.close()
    assert counts == {"turns": 0, "replies": 0, "tombstones": 1}


async def test_a_damaged_schema_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row("t1")])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"INTEGER PRIMARY KEY", b"INTEGER PRIMARY \x80EY"))
    async with opened(path) as ledger:
        assert ledger.recorded
    assert "ledger.sqlite.corrupt-1" in names(tmp_path)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA user_version = 99", "schema 99"),
        ("PRAGMA application_id = 7", "another application"),
    ],
)
async def test_a_file_of_somebody_else_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str, reason: str
) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row("t1")])
    execute(path, statement)
    before = path.read_bytes()
    async with opened(path) as ledger:
        assert await ledger.accept([make_row("t2")]) == [True]
        assert ledger.recorded
    assert path.read_bytes() == before
    assert reason in caplog.text
    async with opened(path) as ledger:
        assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t2"]


def execute(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


async def test_a_damaged_row_costs_nothing_but_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        for n in range(6):
            await ledger.accept([make_row(f"t{n}")])
            ledger.checkpoint(f"t{n}", [reply("so far")])
    execute(
        path,
        "UPDATE turns SET request = 'not JSON' WHERE turn_id = CAST('t1' AS BLOB)",
        "UPDATE turns SET state = 7 WHERE turn_id = CAST('t2' AS BLOB)",
        "UPDATE turns SET persona_id = x'ff' WHERE turn_id = CAST('t3' AS BLOB)",
        "UPDATE replies SET replies = '[1]' WHERE turn_id = CAST('t4' AS BLOB)",
    )
    async with opened(path) as ledger:
        ids = [f"message of t{n}" for n in range(6)]
        assert len(await ledger.known("chat", ids)) == 5
        rows = await ledger.open_turns("chat")
        assert [row.turn_id for row in rows] == ["t0", "t4", "t5"]
        assert [row.replies for row in rows] == [(reply("so far"),), (), (reply("so far"),)]
        assert caplog.text.count("cannot be read and is dropped") == 3
        # Its message counts as accepted by nobody, so it is answered after all.
        assert await ledger.accept([make_row("new", message_id="message of t1")]) == [True]


def test_damage_anywhere_in_the_file_never_raises(tmp_path: Path) -> None:
    async def populate() -> None:
        async with opened(tmp_path / "whole") as ledger:
            for n in range(30):
                await ledger.accept([make_row(f"t{n}", message_id=f"m{n}")])
                ledger.checkpoint(f"t{n}", [reply("word " * 300)])
            for n in range(15):
                ledger.finish(f"t{n}", "done", [])
                ledger.saved("chat", [f"t{n}"])

    async def use(path: Path) -> None:
        async with opened(path) as ledger:
            assert ledger.recorded
            await ledger.known("chat", [f"m{n}" for n in range(30)])
            await ledger.open_turns("chat")
            for n in range(30):
                await ledger.reopen(make_row(f"again{n}", message_id=f"m{n}"))
                ledger.finish(f"again{n}", "done", [reply("all", "done")])
            ledger.saved("chat", [f"again{n}" for n in range(15)])
            assert await ledger.accept([make_row("new", message_id="new")]) == [True]
        async with opened(path) as ledger:
            assert "new" in {row.turn_id for row in await ledger.open_turns("chat")}

    asyncio.run(populate())
    whole = (tmp_path / "whole").read_bytes()
    positions = st.integers(0, len(whole) - 1) | st.integers(0, 200)

    @given(
        patches=st.lists(st.tuples(positions, st.binary(min_size=1, max_size=64)), max_size=8),
        length=st.just(len(whole)) | positions,
        zeroed=st.none() | st.integers(0, len(whole) // 4096 - 1),
    )
    @settings(max_examples=150, deadline=None)
    def fuzz(patches: list[tuple[int, bytes]], length: int, zeroed: int | None) -> None:
        data = bytearray(whole)
        for position, patch in patches:
            data[position : position + len(patch)] = patch
        if zeroed is not None:
            data[zeroed * 4096 : (zeroed + 1) * 4096] = bytes(4096)
        with tempfile.TemporaryDirectory(dir=QUICK) as folder:
            path = Path(folder) / "ledger"
            path.write_bytes(data[:length])
            asyncio.run(use(path))

    fuzz()


async def test_what_is_readable_of_a_damaged_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row(f"t{n}") for n in range(200)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 3 * 4096)
    async with opened(path) as ledger:
        assert ledger.recorded
        assert len(await ledger.open_turns("chat")) > 100
    assert "ledger.sqlite.corrupt-1" in names(tmp_path)


async def test_damage_while_it_is_used_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        for n in range(100):
            await ledger.accept(
                [replace(make_row(f"t{n}"), path="more than SQLite's cache" * 2000)]
            )
    async with opened(path) as ledger:
        with path.open("r+b") as file:
            for page in range(1, path.stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)
        assert len(await ledger.open_turns("chat")) < 100
        assert await ledger.accept([make_row("new")]) == [True]
        assert ledger.recorded
        ledger.finish("new", "done", [])
    async with opened(path) as ledger:
        row = (await ledger.open_turns("chat"))[-1]
        assert (row.turn_id, row.final_state) == ("new", "done")
    assert "ledger.sqlite.corrupt-1" in names(tmp_path)


async def test_a_folder_in_its_place_is_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as ledger:
        row = make_row("t1")
        assert await ledger.accept([row]) == [True]
        assert await ledger.accept([row]) == [False]
        assert await ledger.open_turns("chat") == [row]
        assert not ledger.recorded
    assert caplog.text.count("cannot be used") == 1, "it says so once"


@pytest.mark.usefixtures("no_pause")
async def test_a_place_that_can_be_used_again_is_used_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.mkdir()
    ledger = Ledger(path, log=LOG)
    await ledger.open()
    await ledger.accept([make_row("t1")])
    assert not ledger.recorded
    path.rmdir()
    with caplog.at_level("INFO"):
        await ledger.accept([make_row("t2")])
    assert ledger.recorded
    assert "can be used again" in caplog.text
    assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t2"]
    assert not await ledger.add_step("t1", TurnStep("begun", {"call": "c"})), "it is not recorded"
    await ledger.aclose()


async def test_a_path_that_cannot_be_is_survived(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "ledger", tmp_path / "nul\0byte"):
        async with opened(path) as ledger:
            assert await ledger.accept([make_row("t1")]) == [True]
            assert not ledger.recorded


async def test_a_read_only_folder_is_survived() -> None:
    # Not below pytest's folder, which another user may not enter.
    with tempfile.TemporaryDirectory() as folder:
        make_read_only(Path(folder))
        async with server("no_rights", Path(folder) / "ledger.sqlite") as process:
            lines = await read_words(process)
            assert lines == [
                ["accepted", "True", "True"],
                ["accepted", "False"],
                ["durable", "False"],
            ]
            assert process.stderr is not None
            errors = (await process.stderr.read()).decode()
            assert errors.count("cannot be used") == 1
            assert errors.count("WARNING") == 1
        assert names(folder) == set()


async def test_a_full_disk_is_survived_and_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with server("full_disk", path) as process:
        lines = await read_words(process)
        assert lines == [
            ["accepted", "True", "True"],
            ["accepted", "False"],
            ["durable", "False"],
            ["accepted", "True"],
            ["durable", "True"],
        ]
        assert process.stderr is not None
        errors = (await process.stderr.read()).decode()
        assert errors.count("WARNING") == 1
        assert "can be used again" in errors
    async with opened(path) as ledger:
        rows = await ledger.open_turns("chat")
        assert {row.turn_id for row in rows} == {"before", "after"}


@pytest.mark.usefixtures("no_pause")
async def test_a_file_that_somebody_keeps_locked_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_ai_personas.runtime.ledger.schema._BUSY_S", 0.1)
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path, log=LOG)
    await ledger.open()
    async with opened(path) as other:
        await other.accept([make_row("other")])
        await ledger.accept([make_row("t1"), make_row("t2")])

        db = sqlite3.connect(path, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        assert await ledger.accept([make_row("t3")]) == [True]
        assert not ledger.recorded
        ledger.finish("t1", "done", [reply("all", "done")])
        assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t3"]
        db.execute("ROLLBACK")
        db.close()

        # What happened meanwhile was not recorded; what was recorded before goes on.
        ledger.finish("t2", "done", [reply("all", "done")])
        rows = {row.turn_id: row.state for row in await ledger.open_turns("chat")}
        assert ledger.recorded
        assert rows == {"t1": "accepted", "t2": "finished"}
        assert [row.turn_id for row in await other.open_turns("chat")] == ["other"]
        await ledger.aclose()


async def test_removing_all_files_of_a_running_server_only_forgets_its_turns(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row("t1")])
        for name in names(tmp_path):
            (tmp_path / name).unlink()
        assert await ledger.accept([make_row("t2")]) == [True]
        assert ledger.recorded
        async with server("claim", path) as process:
            tell(process)
            assert await read_words(process) == [], "it is seen to be alive"
        assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t2"]


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row("t1"), make_row("t2")])
        ledger.checkpoint("t1", [reply("so far")])
        ledger.started("t2")
    async with opened(path) as ledger:
        rows = await ledger.open_turns("chat")
        assert [row.state for row in rows] == ["running", "running"]
        assert rows[0].replies == (reply("so far"),)


async def test_checkpoints_are_written_without_being_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row("t1")])
        ledger.checkpoint("t1", [reply("so far")])
        db = sqlite3.connect(path)
        with anyio.fail_after(10):
            while not db.execute("SELECT 1 FROM replies WHERE length(replies) > 2").fetchone():
                await anyio.lowlevel.checkpoint()
        db.close()
