from __future__ import annotations

import pytest
from support.room import FakeStage
from support.stages import DocumentStage, Stage


@pytest.fixture(params=["memory", "document"])
async def stage(request: pytest.FixtureRequest) -> Stage:
    """A chat of either kind, with a person's client beside it."""
    return FakeStage() if request.param == "memory" else DocumentStage()
