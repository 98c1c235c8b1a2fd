from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.bench import WAIT, Bench, bench_with

from jupyter_ai_personas.hosts import InlineHost, ThreadHost

HOSTS = {"inline": InlineHost, "thread": ThreadHost}
"""Every kind of host: the suite of the protocol runs over all of them."""


@pytest.fixture(params=HOSTS.values(), ids=HOSTS)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with bench_with(request.param) as made:
        yield made


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is only slow to close is not given up."""
    for module in ("thread", "runner"):
        monkeypatch.setattr(f"jupyter_ai_personas.hosts.{module}.SHUTDOWN_SECONDS", WAIT / 3)
