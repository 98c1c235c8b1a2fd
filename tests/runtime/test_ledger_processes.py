"""One ledger file shared by several processes, and processes that are killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from ledger_worker import make_row, reply
from ledgers import WAIT, names, opened, read_line, read_words, server, tell

from jupyter_ai_personas.runtime.ledger.liveness import OwnerLock


async def test_what_was_accepted_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    accepted: set[str] = set()
    for round_ in range(6):
        async with server("busy", path) as process:
            for _ in range(random.Random(round_).randrange(1, 400)):
                accepted.add((await read_line(process)).split()[1])
            process.kill()
            accepted |= {words[1] for words in await read_words(process)}
        async with opened(path) as ledger:
            assert ledger.recorded
            rows = await ledger.open_turns("chat")
            assert {row.turn_id for row in rows} >= accepted
            assert {row.final_state for row in rows} <= {None, "done"}
            for row in rows:
                final = (reply("y" * 5000, "done"),)
                assert (row.replies == final) == (row.state == "finished")
            assert await ledger.accept([rows[0]]) == [False]
    assert names(tmp_path) == {"ledger.sqlite", "ledger.sqlite.lock"}


async def test_two_servers_accept_a_message_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with server("race", path) as one, server("race", path) as other:
        tell(one)
        tell(other)
        first, second = await asyncio.gather(read_words(one), read_words(other))
    assert sorted(int(n) for _, n in first + second) == list(range(300))


async def test_turns_of_a_live_server_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with server("hold", path) as process:
        child = int((await read_line(process)).split()[1])
        try:
            async with opened(path) as ledger:
                assert await ledger.open_turns("chat") == []
                assert await ledger.known("chat", ["message of t1"])
                assert await ledger.accept([make_row("t1")]) == [False]
                assert not await ledger.reopen(make_row("t2", message_id="message of t1"))
                ledger.finish("t1", "failed", [])
                ledger.saved("chat", ["t1"])
                ledger.forget("t1")

                process.kill()
                await process.wait()
                # The child that it forked is still there, and does not count.
                os.kill(child, 0)
                (row,) = await ledger.open_turns("chat")
                assert (row.turn_id, row.state) == ("t1", "accepted")
                ledger.finish("t1", "interrupted", [])
                (row,) = await ledger.open_turns("chat")
                assert row.final_state == "interrupted"
        finally:
            os.kill(child, signal.SIGKILL)


async def test_of_two_servers_one_takes_over_from_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row(f"t{n}") for n in range(20)])
    async with server("claim", path) as one, server("claim", path) as other:
        tell(one)
        tell(other)
        first, second = await asyncio.gather(read_words(one), read_words(other))
    assert sorted(map(len, (first, second))) == [0, 20]


async def test_ledgers_of_one_process_count_as_two_servers(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as other:
        async with opened(path) as ledger:
            await ledger.accept([make_row("t1")])
            assert await other.open_turns("chat") == []
        assert [row.turn_id for row in await other.open_turns("chat")] == ["t1"]
        # Closing one has not dropped the locks of the one that stays.
        async with server("claim", path) as process:
            tell(process)
            assert await read_words(process) == []


def test_two_owners_of_one_name_do_not_share_a_file(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path / "lock", b"server")
    with pytest.raises(FileExistsError, match="is open already"):
        OwnerLock(tmp_path / "lock", b"server")
    assert lock.alive(b"server")
    lock.close()


async def test_a_process_that_never_closes_it_still_writes_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with server("neglect", path) as process:
        assert await read_words(process) == [["durable", "True"]]
        with anyio.fail_after(WAIT):
            assert await process.wait() == 0
    async with opened(path) as ledger:
        assert [row.final_state for row in await ledger.open_turns("chat")] == ["done"]


async def test_two_servers_go_on_with_one_file_after_one_moved_it_aside(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with opened(path) as ledger:
        await ledger.accept([make_row("t1")])
    async with opened(path) as first:
        assert len(await first.open_turns("chat")) == 1
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        async with opened(path) as second:
            assert {f"ledger.sqlite.corrupt-1{s}" for s in ("", "-wal", "-shm")} <= names(tmp_path)
            assert await second.accept([make_row("t2")]) == [True]
            first.checkpoint("t1", [reply("so far")])
            assert await first.accept([make_row("t3")]) == [True]
            assert [row.turn_id for row in await first.open_turns("chat")] == ["t1", "t3"]
            assert await first.known("chat", ["message of t2"])
            assert await second.accept([make_row("t4", message_id="message of t3")]) == [False]
            assert first.recorded
            assert second.recorded
