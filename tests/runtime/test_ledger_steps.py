"""Steps of turns and what a chat allows, over both twins; the schema before they existed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ledger_worker import LOG, make_row, reply

from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, TurnStep

AnyLedger = Ledger | MemoryLedger
ASKED = TurnStep(
    "asked", {"id": "a", "arguments": {"source": "é\u0000 \ud800", "deep": [None, 1.5]}}
)
BEGUN = TurnStep("begun", {"call": "c"})


@pytest.fixture(params=["file", "memory"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyLedger]:
    is_file = request.param == "file"
    ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG) if is_file else MemoryLedger()
    await ledger.open()
    yield ledger
    await ledger.aclose()


def remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def test_steps_come_back_in_order(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1")])
    assert await ledger.add_step("t1", ASKED)
    assert await ledger.add_step("t1", BEGUN)
    assert await ledger.steps("t1") == [ASKED, BEGUN]
    [row] = await ledger.open_turns("chat")
    assert row.state == "running"


async def test_a_turn_that_is_over_or_unknown_gets_no_step(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1")])
    ledger.finish("t1", "done", [reply("all")])
    assert not await ledger.add_step("t1", BEGUN)
    assert not await ledger.add_step("t2", BEGUN)
    assert await ledger.steps("t1") == []


async def test_steps_go_when_the_end_is_saved(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1")])
    await ledger.add_step("t1", BEGUN)
    ledger.finish("t1", "done", [reply("all")])
    assert await ledger.steps("t1") == [BEGUN]
    ledger.saved("chat", ["t1"])
    assert await ledger.steps("t1") == []


@pytest.mark.parametrize("steps", [[BEGUN, ASKED], []])
async def test_a_turn_that_is_opened_again_has_the_steps_that_it_goes_on_from(
    ledger: AnyLedger, steps: list[TurnStep]
) -> None:
    await ledger.accept([make_row("t1")])
    await ledger.add_step("t1", BEGUN)
    assert await ledger.reopen(make_row("t1"), steps=steps)
    assert await ledger.steps("t1") == steps


async def test_a_turn_that_goes_on_keeps_what_was_decided_since_its_steps_were_read(
    ledger: AnyLedger,
) -> None:
    await ledger.accept([make_row("t1")])
    await ledger.add_step("t1", ASKED)
    await ledger.add_step("t1", BEGUN)
    assert await ledger.reopen(make_row("t1"), steps=None)
    assert await ledger.steps("t1") == [ASKED, BEGUN]


async def test_steps_of_an_interrupted_turn_stay_for_a_retry(ledger: AnyLedger) -> None:
    key = make_row("t1").key
    await ledger.accept([make_row("t1")])
    assert await ledger.interrupted(*key) is None
    await ledger.add_step("t1", BEGUN)
    ledger.finish("t1", "interrupted", [reply("all")])
    ledger.saved("chat", ["t1"])
    assert await ledger.interrupted(*key) == ("t1", [BEGUN])
    assert await ledger.reopen(make_row("t1"), steps=[BEGUN])
    ledger.finish("t1", "done", [reply("all")])
    ledger.saved("chat", ["t1"])
    assert await ledger.interrupted(*key) is None
    assert await ledger.steps("t1") == []


async def test_a_turn_that_begins_anew_has_no_steps(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1")])
    await ledger.add_step("t1", BEGUN)
    ledger.clear_steps("t1")
    assert await ledger.steps("t1") == []


async def test_turns_that_have_asked_people_are_found_without_their_chat(
    ledger: AnyLedger,
) -> None:
    await ledger.accept([make_row("t1")])
    await ledger.accept([make_row("t2", message_id="m2")])
    await ledger.add_step("t1", ASKED)
    await ledger.add_step("t2", BEGUN)
    assert await ledger.waiting_turns() == [[ASKED]]


async def test_a_turn_tells_its_chat_until_that_is_saved(ledger: AnyLedger) -> None:
    row = make_row("t1")
    await ledger.accept([row])
    assert await ledger.chat_of("t1") == (row.chat_id, row.path)
    ledger.finish("t1", "failed", [reply("all")])
    assert await ledger.chat_of("t1") == (row.chat_id, row.path)
    ledger.saved("chat", ["t1"])
    assert await ledger.chat_of("t1") is None


async def test_a_chat_allows_tools_until_it_takes_that_back(ledger: AnyLedger) -> None:
    await ledger.allow("chat", "p::A", "notebook.run_cell", by="ada")
    await ledger.allow("chat", "p::A", "notebook.run_cell", by="bob")
    assert await ledger.allowed("chat") == {("p::A", "notebook.run_cell")}
    assert await ledger.allowed("other") == set()
    ledger.carry_over("chat", "new")
    assert await ledger.allowed("new") == {("p::A", "notebook.run_cell")}
    await ledger.disallow("new")
    assert await ledger.allowed("new") == set()


async def test_the_next_server_can_go_on_with_the_steps_of_a_dead_one(tmp_path: Path) -> None:
    dead = Ledger(tmp_path / "l", log=LOG)
    await dead.open()
    await dead.accept([make_row("t1")])
    await dead.add_step("t1", ASKED)
    await dead.aclose()
    ledger = Ledger(tmp_path / "l", log=LOG)
    await ledger.open()
    try:
        assert await ledger.waiting_turns() == [[ASKED]]
        assert await ledger.add_step("t1", BEGUN)  # a decision, before the chat is opened
        assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t1"]
        assert await ledger.steps("t1") == [ASKED, BEGUN]
    finally:
        await ledger.aclose()


async def test_two_servers_do_not_write_steps_of_each_others_turns(tmp_path: Path) -> None:
    one, two = Ledger(tmp_path / "l", log=LOG), Ledger(tmp_path / "l", log=LOG)
    await one.open()
    await two.open()
    try:
        await one.accept([make_row("t1")])
        await one.add_step("t1", ASKED)
        assert not await two.add_step("t1", BEGUN)
        assert await two.waiting_turns() == []
        assert await two.chat_of("t1") is None
    finally:
        await two.aclose()
        await one.aclose()


@pytest.mark.usefixtures("no_pause")
async def test_a_turn_whose_record_was_removed_gets_no_step(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", log=LOG)
    await ledger.open()
    try:
        await ledger.accept([make_row("t1")])
        await ledger.add_step("t1", ASKED)
        await ledger.allow("chat", "p::A", "a.b", by="ada")
        remove(tmp_path)
        assert not await ledger.add_step("t1", BEGUN)
        assert ledger.recorded
        assert await ledger.allowed("chat") == set(), "people are asked again"
    finally:
        await ledger.aclose()


async def test_a_ledger_of_the_first_schema_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "l"
    first = Ledger(path, log=LOG)
    await first.open()
    await first.accept([make_row("t1")])
    await first.aclose()
    db = sqlite3.connect(path)
    for statement in ("DROP TABLE steps", "DROP TABLE grants", "PRAGMA user_version = 1"):
        db.execute(statement)
    db.commit()
    db.close()
    ledger = Ledger(path, log=LOG)
    await ledger.open()
    try:
        assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t1"]
        assert await ledger.add_step("t1", BEGUN)
        assert ledger.recorded
    finally:
        await ledger.aclose()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (2,)
    assert names(tmp_path) <= {"l", "l.lock", "l-wal", "l-shm"}


async def test_a_step_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", log=LOG)
    await ledger.open()
    try:
        await ledger.accept([make_row("t1")])
        await ledger.add_step("t1", BEGUN)
        with sqlite3.connect(tmp_path / "l") as db:
            db.execute("UPDATE steps SET data = ?", (b"[]",))
        assert await ledger.steps("t1") is None
    finally:
        await ledger.aclose()
