from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.foreign import is_installed
from support.plugin import make_plugin

from jupyter_ai_personas.providers import (
    Endpoint,
    ModelCache,
    ModelChunk,
    ModelRegistry,
    ProviderSettings,
)
from jupyter_ai_personas.testing.openai_server import OpenAIServer

KEY = "loopback-secret-0123456789"
GROUP = "jupyter_ai.model_providers"

# The published providers of Jupyter AI v2 need an old LangChain, in an environment of their own,
# where the vendors' newer packages cannot be.
OLDEST = is_installed("jupyter_ai_magics")
_NEWER = (
    "capabilities",
    "contract",
    "defaults",
    "docs",
    "documented",
    "environment",
    "event_loops",
    "limits",
    "registry",
    "servers",
    "tools",
    "vendors",
)
collect_ignore = (
    ["test_langchain_standard_tests.py", *(f"test_provider_{name}.py" for name in _NEWER)]
    if OLDEST
    else ["oldest"]
)

Install = Callable[..., None]
MakeRegistry = Callable[..., ModelRegistry]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An old LangChain uses what newer packages below it deprecate."""
    if OLDEST:
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees a key of whoever runs it."""
    for variable in list(os.environ):
        if re.search(r"_KEY|TOKEN|^(AWS|AZURE|OPENAI|ANTHROPIC|HF|OLLAMA)_", variable):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def make_registry() -> MakeRegistry:
    """Builds and loads a registry; keywords are those of `ProviderSettings`."""

    def make(**settings: Any) -> ModelRegistry:
        registry = ModelRegistry(ProviderSettings(**settings), log=logging.getLogger("providers"))
        registry.load()
        return registry

    return make


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one module and entry points of the providers' group."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    installed: list[str] = []

    def install(name: str, source: str, entry_points: Mapping[str, str]) -> None:
        make_plugin(site, name, {"__init__.py": source}, {GROUP: entry_points})
        installed.append(name)
        importlib.invalidate_caches()

    yield install
    for name in installed:
        sys.modules.pop(name, None)


@pytest.fixture
def loopback() -> Iterator[OpenAIServer]:
    """A server that wants `KEY`."""
    with OpenAIServer(key=KEY) as server:
        yield server


@pytest.fixture
async def cache(loopback: OpenAIServer, make_registry: MakeRegistry) -> AsyncIterator[ModelCache]:
    """Models of the loopback server, as the endpoint `loop`."""
    endpoint = Endpoint(base_url=loopback.url, key_variable="LOOP_KEY", models=("small", "large"))
    cache = ModelCache(make_registry(endpoints={"loop": endpoint}, credentials={"LOOP_KEY": KEY}))
    yield cache
    await cache.aclose()


@pytest.fixture
def vendor_server() -> Iterator[OpenAIServer]:
    """A server of a vendor: without a key of its own."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def vendor_cache(
    vendor_id: str,
    vendor_server: OpenAIServer,
    make_registry: MakeRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> ModelCache:
    """Models of the vendor ``vendor_id``, whose server is `vendor_server`."""
    # An environment with an old LangChain cannot import it.
    from test_provider_vendors import SECRET, VENDORS

    vendor = VENDORS[vendor_id]
    for variable, value in {vendor.variable: SECRET, **vendor.variables}.items():
        if variable:
            monkeypatch.setenv(variable, value)
    root = vendor_server.url.removesuffix("/v1")
    return ModelCache(make_registry(model_parameters={vendor_id: vendor.parameters(root)}))


@pytest.fixture
def text_of() -> Callable[[AsyncGenerator[ModelChunk, None]], Any]:
    """Collects the text of a stream."""

    async def collect(chunks: AsyncGenerator[ModelChunk, None]) -> str:
        return "".join([chunk.text async for chunk in chunks])

    return collect
