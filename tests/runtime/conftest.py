from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ledger_worker import LOG, PATIENCE
from ledgers import AnyLedger
from support.room import FakeStage
from support.stages import DocumentStage, Stage

from jupyter_ai_personas.hosts import InlineHost, ThreadHost
from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, failover


@pytest.fixture(params=["memory", "document"])
async def stage(request: pytest.FixtureRequest) -> Stage:
    """A chat of either kind, with a person's client beside it."""
    return FakeStage() if request.param == "memory" else DocumentStage()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk or a process that is only slow does not make a ledger give its file up."""
    for name, seconds in PATIENCE.items():
        monkeypatch.setattr(f"jupyter_ai_personas.runtime.ledger.{name}", seconds)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger's file that cannot be used is tried again at the next operation."""
    monkeypatch.setattr(failover, "RETRY_S", 0.0)


@pytest.fixture(params=["file", "memory"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyLedger]:
    ledger = (
        Ledger(tmp_path / "ledger.sqlite", log=LOG) if request.param == "file" else MemoryLedger()
    )
    await ledger.open()
    yield ledger
    await ledger.aclose()


@pytest.fixture(params=[InlineHost, ThreadHost], ids=["inline", "thread"])
def hosts(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each host that runs in this process, as an option of `room`."""
    return {"make_host": request.param}
