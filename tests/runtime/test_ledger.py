"""What a ledger promises, over both twins, and that the twins agree."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ledger_worker import LOG, QUICK, make_row, reply

from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, ReplySnapshot, TurnRecord
from jupyter_ai_personas.runtime.ledger.records import (
    as_bytes,
    decode_replies,
    decode_row,
    encode_replies,
    encode_request,
)

AnyLedger = Ledger | MemoryLedger


@pytest.fixture(params=["file", "memory"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyLedger]:
    ledger = (
        Ledger(tmp_path / "ledger.sqlite", log=LOG) if request.param == "file" else MemoryLedger()
    )
    await ledger.open()
    yield ledger
    await ledger.aclose()


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


async def test_only_the_newest_tombstones_are_kept(tmp_path: Path) -> None:
    memory = MemoryLedger(remember_most=3, prune_every=1)
    await memory.open()
    await finish_and_save(memory, 5)
    assert await known(memory, 5) == {"m2", "m3", "m4"}

    file = Ledger(tmp_path / "ledger.sqlite", log=LOG)
    await file.open()
    await finish_and_save(file, 5)
    await file.aclose()
    file = Ledger(tmp_path / "ledger.sqlite", log=LOG, remember_most=3)
    await file.open()
    assert await known(file, 5) == {"m2", "m3", "m4"}
    await finish_and_save(file, 1100)
    assert len(await known(file, 1100)) < 200, "a server that runs for long prunes too"
    await file.aclose()


async def test_old_tombstones_and_old_turns_of_dead_owners_go(tmp_path: Path) -> None:
    memory = MemoryLedger(remember_s=-1, prune_every=1)
    await memory.open()
    await finish_and_save(memory, 1)
    assert await known(memory, 1) == set()

    file = Ledger(tmp_path / "ledger.sqlite", log=LOG)
    await file.open()
    await finish_and_save(file, 1)
    await file.accept([make_row("t1", message_id="m1")])
    await file.aclose()
    file = Ledger(tmp_path / "ledger.sqlite", log=LOG, remember_s=-1)
    await file.open()
    assert await known(file, 2) == set()
    await file.aclose()


class Twins(RuleBasedStateMachine):
    """The file is driven beside its twin; servers end and start, orderly and not."""

    chats = st.sampled_from(["chat", "copy"])
    messages = st.sampled_from(["m0", "m1", "m2", "m3"])
    personas = st.sampled_from(["p::A", "p::B"])
    turn_ids = st.integers(0, 12).map(lambda n: f"t{n}")
    rows = st.builds(
        lambda turn, message, chat, persona: make_row(
            turn, message_id=message, chat=chat, persona=persona
        ),
        turn_ids,
        messages,
        chats,
        personas,
    )
    bodies = st.text(max_size=20)

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(dir=QUICK)
        self.number = 0
        self.path = Path(self.folder.name) / "ledger.sqlite"
        self.file = Ledger(self.path, log=LOG)
        self.memory = MemoryLedger()
        self.answered: set[tuple[str, str, str]] = set()
        self.runner.run(self.file.open())
        self.runner.run(self.memory.open())

    def both(self, method: str, *args: Any) -> Any:
        """Await the method of both; return what they agree on."""

        async def call(ledger: AnyLedger) -> Any:
            try:
                return await getattr(ledger, method)(*args)
            except ValueError as error:
                return str(error)

        file = self.runner.run(call(self.file))
        assert self.runner.run(call(self.memory)) == file
        return file

    @rule(rows=st.lists(rows, max_size=4))
    def accept(self, rows: list[TurnRecord]) -> None:
        answer = self.both("accept", rows)
        if isinstance(answer, list):
            for row, accepted in zip(rows, answer, strict=True):
                assert accepted == (row.key not in self.answered)
                self.answered.add(row.key)

    @rule(row=rows)
    def reopen(self, row: TurnRecord) -> None:
        if self.both("reopen", row) is True:
            self.answered.add(row.key)

    @rule(turn_id=turn_ids)
    def started(self, turn_id: str) -> None:
        for ledger in (self.file, self.memory):
            ledger.started(turn_id)

    @rule(turn_id=turn_ids, body=bodies)
    def checkpoint(self, turn_id: str, body: str) -> None:
        for ledger in (self.file, self.memory):
            ledger.checkpoint(turn_id, [reply(body)])

    @rule(turn_id=turn_ids, body=bodies, state=st.sampled_from(["done", "stopped", "failed"]))
    def finish(self, turn_id: str, body: str, state: Any) -> None:
        for ledger in (self.file, self.memory):
            ledger.finish(turn_id, state, [reply(body, state)])

    @rule(chat=chats, turn_ids=st.lists(turn_ids, max_size=5))
    def saved(self, chat: str, turn_ids: list[str]) -> None:
        for ledger in (self.file, self.memory):
            ledger.saved(chat, turn_ids)

    @rule(turn_id=turn_ids)
    def forget(self, turn_id: str) -> None:
        for chat in ("chat", "copy"):
            for row in self.runner.run(self.memory.open_turns(chat)):
                if row.turn_id == turn_id:
                    self.answered.discard(row.key)
        for ledger in (self.file, self.memory):
            ledger.forget(turn_id)

    @rule(chat=chats, messages=st.lists(messages))
    def known(self, chat: str, messages: list[str]) -> None:
        expected = {(m, p) for c, m, p in self.answered if c == chat and m in messages}
        assert self.both("known", chat, messages) == expected

    @rule()
    def restart(self) -> None:
        """Another server takes over after an orderly end."""
        self.runner.run(self.file.aclose())
        self.file = Ledger(self.path, log=LOG)
        self.runner.run(self.file.open())

    @rule()
    def lose_the_file(self) -> None:
        """Somebody removes the file of a running server."""
        self.runner.run(self.file.flush())
        for path in self.path.parent.glob(f"{self.path.name}*"):
            if not path.name.endswith(".lock"):
                path.unlink()

    @rule()
    def crash(self) -> None:
        """What a killed server leaves is the file and its journal as they are."""
        self.runner.run(self.file.flush())
        self.number += 1
        copy = self.path.parent / f"copy-{self.number}" / "ledger.sqlite"
        copy.parent.mkdir()
        for suffix in ("", "-wal"):
            source = self.path.with_name(self.path.name + suffix)
            copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
        self.runner.run(self.file.aclose())
        self.path = copy
        self.file = Ledger(self.path, log=LOG)
        self.runner.run(self.file.open())

    @invariant()
    def the_twins_agree(self) -> None:
        for chat in ("chat", "copy"):
            self.both("open_turns", chat)

    @invariant()
    def the_file_is_in_use(self) -> None:
        assert self.file.recorded

    def teardown(self) -> None:
        self.runner.run(self.file.aclose())
        self.runner.close()
        self.folder.cleanup()


Twins.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestTwins = Twins.TestCase


# A document holds integers of 64 bits; what is greater comes back as nothing.
INTEGERS = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)


@given(
    body=ANY_TEXT,
    message=st.dictionaries(ANY_TEXT, JSON, max_size=4),
    ids=st.lists(ANY_TEXT, min_size=7, max_size=7),
    metadata=st.dictionaries(ANY_TEXT, JSON, max_size=3),
)
def test_every_row_survives_its_encoding(
    body: str, message: dict[str, Any], ids: list[str], metadata: dict[str, Any]
) -> None:
    row = TurnRecord(
        turn_id=ids[0],
        chat_id=ids[1],
        path=ids[2],
        message={**message, "id": ids[3]},
        persona_id=ids[4],
        person=ids[5],
        accepted_at=1.5,
        root=ids[6],
        replies=(ReplySnapshot("r", body, "streaming", metadata),),
    )
    columns = (row.turn_id, *row.key, row.state)
    assert row == decode_row(
        *map(as_bytes, columns),
        None,
        row.accepted_at,
        encode_request(row),
        replies=decode_replies(encode_replies(row.replies)),
    )


@pytest.mark.parametrize("great", [2**63, -(2**63) - 1, 10**400])
def test_an_integer_that_no_document_holds_is_read_as_nothing(great: int) -> None:
    [reply] = decode_replies(encode_replies([ReplySnapshot("r", "", "done", {"n": great})]))
    assert reply.metadata == {"n": None}


STORED = st.none() | st.integers() | st.floats() | st.text() | st.binary()
JSON_BYTES = st.builds(
    lambda value: json.dumps(value).encode(),
    JSON
    | st.lists(st.lists(JSON, min_size=4, max_size=4), max_size=2)
    | st.fixed_dictionaries(
        {
            "path": JSON,
            "message": st.fixed_dictionaries({"id": JSON}),
            "person": st.text(),
            "root": st.text(),
            "hops": st.integers(),
        }
    ),
)


@given(columns=st.lists(STORED | JSON_BYTES, min_size=8, max_size=8), replies=STORED | JSON_BYTES)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_decoding_anything_gives_a_row_or_a_value_error(columns: list[Any], replies: Any) -> None:
    try:
        decoded = decode_replies(replies)
        assert all(isinstance(reply, ReplySnapshot) for reply in decoded)
        assert isinstance(decode_row(*columns, replies=decoded), TurnRecord)
    except ValueError:
        pass


async def test_what_json_cannot_say_costs_that_part_only(tmp_path: Path) -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]
    ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG)
    await ledger.open()
    row = replace(make_row("t1"), message={"id": "m", "body": "hi", "deep": deep, "set": {1}})
    assert await ledger.accept([row]) == [True]
    (found,) = await ledger.open_turns("chat")
    assert found.message["body"] == "hi"
    assert found.message["set"] is None
    await ledger.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"message": {"body": "no id"}},
        {"message": {"id": 5}},
        {"accepted_at": float("nan")},
        {"state": "asleep"},
        {"state": "finished"},
        {"final_state": "done"},
    ],
)
def test_a_row_that_makes_no_sense_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no id|cannot"):
        replace(make_row("t1"), **wrong)


async def test_who_stops_waiting_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Or else most are answered before they are cancelled.
    monkeypatch.setattr("jupyter_ai_personas.runtime.ledger.sqlite._PATIENCE_S", 0.0)
    ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG)
    await ledger.open()
    for n in range(100):
        waiting = asyncio.ensure_future(ledger.accept([make_row(f"t{n}")]))
        await anyio.lowlevel.checkpoint()
        waiting.cancel()
    with anyio.fail_after(60):
        assert await ledger.accept([make_row("last")]) == [True]
        assert "last" in {row.turn_id for row in await ledger.open_turns("chat")}
    await ledger.aclose()
