from __future__ import annotations

from pathlib import Path

import pytest
from support.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return await Desk(tmp_path).begin()
