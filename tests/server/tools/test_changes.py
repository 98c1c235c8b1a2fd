"""What turns changed, kept in the ledger, over restarts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, TurnLedger
from jupyter_ai_personas.server.tools.executor import Recorder
from jupyter_ai_personas.tools import CallContext
from jupyter_ai_personas.tools.changes import Change

LOG = logging.getLogger("test")


@asynccontextmanager
async def opened(ledger: TurnLedger) -> AsyncIterator[Recorder]:
    await ledger.open()
    try:
        yield Recorder(ledger)
    finally:
        await ledger.aclose()


@pytest.fixture(params=["memory", "file"])
async def changes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Recorder]:
    is_file = request.param == "file"
    ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG) if is_file else MemoryLedger()
    async with opened(ledger) as log:
        yield log


def edit(cell: str) -> Change:
    before, after = {"source": "ä\ud800"}, {"source": "b"}
    return Change(kind="edit", path="a.ipynb", cell=cell, before=before, after=after)


async def note(log: Recorder, change: Change, turn: str, persona: str = "p") -> None:
    context = CallContext(
        turn_id=turn,
        call_id="1-1",
        persona_id=persona,
        persona_name=persona,
        chat_id="chat",
        chat_path="a.chat",
        person="ada",
    )
    await log.note(context, change)


async def test_changes_of_a_turn_are_kept_in_order(changes: Recorder) -> None:
    for cell in "abc":
        await note(changes, edit(cell), "t1")
    assert list(await changes.of_turn("t1")) == [edit("a"), edit("b"), edit("c")]
    assert list(await changes.of_turn("t2")) == []


async def test_the_latest_turn_of_a_persona_is_found(changes: Recorder) -> None:
    await note(changes, edit("a"), "t1", "p")
    await note(changes, edit("b"), "t2", "q")
    await note(changes, Change(kind="run", path="a.ipynb", cell="a"), "t3", "q")
    latest = await changes.latest_turn("chat")
    assert latest is not None
    assert (latest.turn_id, latest.persona_id, latest.changes) == ("t2", "q", (edit("b"),))
    other = await changes.latest_turn("chat", "p")
    assert other is not None
    assert other.turn_id == "t1"
    assert await changes.latest_turn("another") is None
    await changes.forget("t2")
    assert await changes.latest_turn("chat", "q") is None


async def test_changes_outlive_the_server(tmp_path: Path) -> None:
    async with opened(Ledger(tmp_path / "ledger.sqlite", log=LOG)) as log:
        await note(log, edit("a"), "t1")
    async with opened(Ledger(tmp_path / "ledger.sqlite", log=LOG)) as log:
        latest = await log.latest_turn("chat")
        assert latest is not None
        assert latest.changes == (edit("a"),)
