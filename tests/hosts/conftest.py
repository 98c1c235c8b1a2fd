from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from support.bench import WAIT, Bench
from support.engines import HOSTS, at_end, importable_for_workers


@pytest.fixture(params=HOSTS.values(), ids=HOSTS)
async def bench(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    importable_for_workers(monkeypatch)
    async with request.param() as made:
        yield made


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is only slow to close is not given up."""
    for module in ("thread", "runner", "remote", "process"):
        monkeypatch.setattr(f"jupyter_ai_personas.hosts.{module}.SHUTDOWN_SECONDS", WAIT / 4)


@pytest.fixture(scope="session", autouse=True)
def engines_end() -> Iterator[None]:
    """End what the tests of this process share."""
    yield
    at_end.close()
