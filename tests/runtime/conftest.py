from __future__ import annotations

import pytest
from ledger_worker import PATIENCE
from support.room import FakeStage
from support.stages import DocumentStage, Stage


@pytest.fixture(params=["memory", "document"])
async def stage(request: pytest.FixtureRequest) -> Stage:
    """A chat of either kind, with a person's client beside it."""
    return FakeStage() if request.param == "memory" else DocumentStage()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk or a process that is only slow does not make a ledger give its file up."""
    for name, seconds in PATIENCE.items():
        monkeypatch.setattr(f"jupyter_ai_personas.runtime.ledger.{name}", seconds)
