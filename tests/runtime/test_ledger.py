"""The promises of a ledger, for the file and for its twin in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from ledger_worker import LOG, make_row, reply
from ledgers import AnyLedger, opened

from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, turn_queries


async def test_an_accepted_row_comes_back_as_it_was(ledger: AnyLedger) -> None:
    row = replace(
        make_row("t1"),
        message={"id": "m", "body": "é\u0000数据 \ud800", "attachments": [{"deep": [None, 1.5]}]},
        path="not utf-8 \udcff.chat",
        state="running",
        replies=(reply("so far"),),
    )
    assert await ledger.accept([row]) == [True]
    assert await ledger.open_turns("chat") == [row]
    assert await ledger.open_turns("another chat") == []


async def test_a_message_and_persona_are_accepted_once(ledger: AnyLedger) -> None:
    first, again = make_row("t1", message_id="m"), make_row("t2", message_id="m")
    other_persona = make_row("t3", message_id="m", persona="p::B")
    other_chat = make_row("t4", message_id="m", chat="copy")
    assert await ledger.accept([first, again]) == [True, False]
    assert await ledger.accept([again, other_persona, other_chat]) == [False, True, True]
    assert await ledger.open_turns("chat") == [first, other_persona]
    assert await ledger.known("chat", ["m", "n"]) == {("m", "p::A"), ("m", "p::B")}


async def test_a_refused_message_is_not_accepted_later_unless_it_is_reopened(
    ledger: AnyLedger,
) -> None:
    ledger.refuse("chat", "m", ["p::A", "p::B"])
    assert await ledger.known("chat", ["m"]) == {("m", "p::A"), ("m", "p::B")}
    assert await ledger.accept([make_row("t1", message_id="m")]) == [False]
    assert await ledger.reopen(make_row("t1", message_id="m"))
    ledger.refuse("chat", "m", ["p::A"])  # what has a turn keeps it
    assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t1"]


async def test_of_many_accepts_at_once_of_one_message_one_succeeds(ledger: AnyLedger) -> None:
    answers = await asyncio.gather(
        *(ledger.accept([make_row(f"t{n}", message_id="m")]) for n in range(50))
    )
    assert sum(accepted for (accepted,) in answers) == 1


async def test_the_newest_checkpoint_counts(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1")])
    for n in range(100):
        ledger.checkpoint("t1", [reply("x" * n)])
    (row,) = await ledger.open_turns("chat")
    assert (row.state, row.final_state, row.replies) == ("running", None, (reply("x" * 99),))


async def test_a_started_turn_runs(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1"), make_row("t2")])
    ledger.started("t2")
    assert [row.state for row in await ledger.open_turns("chat")] == ["accepted", "running"]


async def test_after_the_end_nothing_changes_a_turn(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1")])
    ledger.checkpoint("t1", [reply("so")])
    ledger.finish("t1", "stopped", [reply("so far", "stopped")])
    ledger.checkpoint("t1", [reply("late")])
    ledger.started("t1")
    ledger.finish("t1", "done", [])
    (row,) = await ledger.open_turns("chat")
    assert (row.state, row.final_state) == ("finished", "stopped")
    assert row.replies == (reply("so far", "stopped"),)


async def test_a_saved_turn_goes_and_its_message_stays_known(ledger: AnyLedger) -> None:
    row = make_row("t1", message_id="m")
    await ledger.accept([row])
    ledger.finish("t1", "done", [reply("all", "done")])
    ledger.saved("another chat", ["t1"])
    assert len(await ledger.open_turns("chat")) == 1
    ledger.saved("chat", ["t1", "unheard of"])
    assert await ledger.open_turns("chat") == []
    assert await ledger.known("chat", ["m"]) == {("m", "p::A")}
    assert await ledger.accept([make_row("t2", message_id="m")]) == [False]


async def test_saving_the_document_leaves_a_turn_that_still_runs(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1")])
    ledger.checkpoint("t1", [reply("so")])
    ledger.saved("chat", ["t1"])
    assert [row.state for row in await ledger.open_turns("chat")] == ["running"]


async def test_a_chat_that_gets_another_id_keeps_what_it_has(ledger: AnyLedger) -> None:
    turn, taken = make_row("t1", message_id="m1"), make_row("t2", message_id="m2")
    theirs = make_row("t3", message_id="m2", chat="of the file")
    await ledger.accept([turn, taken, theirs, make_row("t4", message_id="m3")])
    ledger.finish("t4", "done", [])
    ledger.saved("chat", ["t4"])
    ledger.carry_over("chat", "of the file")
    assert await ledger.open_turns("of the file") == [replace(turn, chat_id="of the file"), theirs]
    again = [make_row(f"u{n}", message_id=f"m{n}", chat="of the file") for n in (1, 2, 3)]
    assert await ledger.accept(again) == [False, False, False]
    ledger.finish("t1", "done", [])
    ledger.saved("of the file", ["t1"])
    assert await ledger.open_turns("of the file") == [theirs]


async def test_a_copy_of_a_chat_gets_none_of_the_turns_of_the_original(ledger: AnyLedger) -> None:
    original, copied = make_row("t1"), replace(make_row("t2"), path="folder/copy.chat")
    await ledger.accept([original, copied])
    assert await ledger.open_turns("chat", lambda path: path == original.path) == [copied]
    assert await ledger.open_turns("chat") == [original, copied]


async def test_a_forgotten_turn_may_be_accepted_again(ledger: AnyLedger) -> None:
    await ledger.accept([make_row("t1", message_id="m")])
    ledger.checkpoint("t1", [reply("so")])
    ledger.forget("t1")
    assert await ledger.known("chat", ["m"]) == set()
    again = make_row("t2", message_id="m")
    assert await ledger.accept([again]) == [True]
    assert await ledger.open_turns("chat") == [again]


@pytest.mark.parametrize("until", ["accepted", "finished", "saved"])
async def test_a_turn_is_reopened_in_place_of_the_old_one(ledger: AnyLedger, until: str) -> None:
    await ledger.accept([make_row("t1", message_id="m"), make_row("t2")])
    if until != "accepted":
        ledger.finish("t1", "failed", [reply("sorry", "failed")])
    if until == "saved":
        ledger.saved("chat", ["t1"])
    again = make_row("t3", message_id="m")
    assert await ledger.reopen(again)
    ledger.checkpoint("t1", [reply("a late word of the old run")])
    assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t2", "t3"]
    assert (await ledger.open_turns("chat"))[1] == again
    assert await ledger.accept([make_row("t4", message_id="m")]) == [False]


async def test_a_turn_reopened_under_its_own_id_starts_afresh(ledger: AnyLedger) -> None:
    row = make_row("t1")
    await ledger.accept([row])
    ledger.checkpoint("t1", [reply("old")])
    assert await ledger.reopen(row)
    assert await ledger.open_turns("chat") == [row]


async def test_a_turn_id_of_another_message_is_refused_and_changes_nothing(
    ledger: AnyLedger,
) -> None:
    await ledger.accept([make_row("t1", message_id="m"), make_row("t2", message_id="n")])
    with pytest.raises(ValueError, match="another message"):
        await ledger.accept([make_row("t3"), make_row("t1", message_id="new")])
    with pytest.raises(ValueError, match="another message"):
        await ledger.reopen(make_row("t1", message_id="n"))
    assert [row.turn_id for row in await ledger.open_turns("chat")] == ["t1", "t2"]


async def test_many_messages_can_be_asked_for_at_once(ledger: AnyLedger) -> None:
    await ledger.accept([make_row(f"t{n}", message_id=f"m{n}") for n in range(0, 3000, 3)])
    known = await ledger.known("chat", [f"m{n}" for n in range(3000)])
    assert known == {(f"m{n}", "p::A") for n in range(0, 3000, 3)}


async def test_it_must_be_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for ledger in (Ledger(tmp_path / "ledger.sqlite", log=LOG), MemoryLedger()):
        await ledger.aclose()
        with pytest.raises(RuntimeError, match="not open"):
            await ledger.accept([])
        with pytest.raises(RuntimeError, match="not open"):
            ledger.started("t1")
        await ledger.open()
        with pytest.raises(RuntimeError, match="opened before"):
            await ledger.open()
        await ledger.aclose()
        await ledger.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await ledger.flush()
        ledger.finish("t1", "done", [])
    assert "late change" in caplog.text


async def finish_and_save(ledger: AnyLedger, count: int) -> None:
    for n in range(count):
        await ledger.accept([make_row(f"t{n}", message_id=f"m{n}")])
        ledger.finish(f"t{n}", "done", [])
        ledger.saved("chat", [f"t{n}"])


async def known(ledger: AnyLedger, count: int) -> set[str]:
    pairs = await ledger.known("chat", [f"m{n}" for n in range(count)])
    return {message_id for message_id, _ in pairs}


async def test_only_the_newest_tombstones_are_kept(
    ledger: AnyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_queries, "REMEMBER_MOST", 3)
    monkeypatch.setattr(turn_queries, "PRUNE_EVERY", 1)
    await finish_and_save(ledger, 5)
    assert await known(ledger, 5) == {"m2", "m3", "m4"}


async def test_tombstones_are_pruned_at_times_and_when_the_file_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "ledger.sqlite") as file:
        await finish_and_save(file, 5)
    monkeypatch.setattr(turn_queries, "REMEMBER_MOST", 3)
    async with opened(tmp_path / "ledger.sqlite") as file:
        assert await known(file, 5) == {"m2", "m3", "m4"}
        await finish_and_save(file, 1100)
        assert len(await known(file, 1100)) < 200, "a server that runs for long prunes too"


async def test_old_tombstones_go(ledger: AnyLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_queries, "REMEMBER_S", -1.0)
    monkeypatch.setattr(turn_queries, "PRUNE_EVERY", 1)
    await finish_and_save(ledger, 1)
    assert await known(ledger, 1) == set()


async def test_old_turns_of_dead_owners_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path / "ledger.sqlite") as file:
        await finish_and_save(file, 1)
        await file.accept([make_row("t1", message_id="m1")])
    monkeypatch.setattr(turn_queries, "REMEMBER_S", -1.0)
    async with opened(tmp_path / "ledger.sqlite") as file:
        assert await known(file, 2) == set()


async def test_cancelled_waits_do_no_harm(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG)
    await ledger.open()
    for n in range(100):
        waiting = asyncio.ensure_future(ledger.accept([make_row(f"t{n}")]))
        await anyio.lowlevel.checkpoint()
        waiting.cancel()
    with anyio.fail_after(10):
        assert await ledger.accept([make_row("last")]) == [True]
        assert "last" in {row.turn_id for row in await ledger.open_turns("chat")}
    await ledger.aclose()
