"""Fixtures of the chat's tests."""

from __future__ import annotations

import pytest
from support.stages import DocumentStage


@pytest.fixture
async def stage() -> DocumentStage:
    """A document with a subscriber."""
    stage = DocumentStage()
    stage.subscribe()
    return stage
