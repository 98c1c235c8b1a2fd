"""The event loop never waits for a slow disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path

import anyio.lowlevel
import pytest
from ledger_worker import LOG, make_row

from jupyter_ai_personas.runtime.ledger import Ledger
from jupyter_ai_personas.runtime.ledger.sqlite import _Entry
from jupyter_ai_personas.runtime.ledger.store import Store

WAIT = 10.0


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG)
    await ledger.open()
    yield ledger
    await ledger.aclose()


def hold(ledger: Ledger) -> tuple[threading.Event, Future[bool]]:
    """Let the disk be slow until the event is set; the future says whether that was in time."""
    is_slow, is_back, was_in_time = threading.Event(), threading.Event(), Future[bool]()

    def step(store: Store) -> bool:
        is_slow.set()
        return is_back.wait(WAIT)

    ledger._put(_Entry(step, was_in_time))
    assert is_slow.wait(WAIT)
    return is_back, was_in_time


async def test_the_event_loop_goes_on_while_the_disk_is_slow(ledger: Ledger) -> None:
    is_back, was_in_time = hold(ledger)
    asyncio.get_running_loop().call_soon(is_back.set)
    assert await ledger.accept([make_row("t1")]) == [True]
    assert was_in_time.result()


async def test_a_wait_that_is_cancelled_while_the_disk_is_slow_writes_nothing(
    ledger: Ledger,
) -> None:
    is_back, was_in_time = hold(ledger)
    waiting = asyncio.ensure_future(ledger.accept([make_row("t1")]))
    await anyio.lowlevel.checkpoint()
    waiting.cancel()
    await asyncio.wait([waiting])
    is_back.set()
    assert await ledger.known("chat", [make_row("t1").message_id]) == set()
    assert was_in_time.result()
