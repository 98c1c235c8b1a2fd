"""Provider packages of Jupyter AI v2 do what the table of the page "What works here" says."""

from __future__ import annotations

import asyncio
import csv
import importlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from compat.v2_packages import PACKAGES, Package
from langchain_core.messages import HumanMessage
from support.plugin import make_plugin

from jupyter_ai_personas.errors import ModelFailedError
from jupyter_ai_personas.providers import ModelCache, ModelRegistry, ProviderSettings
from jupyter_ai_personas.testing.openai_server import OpenAIServer

ROWS = Path(__file__).parents[2] / "docs" / "packages" / "providers.csv"
GROUP = "jupyter_ai.model_providers"
KEY = "loopback-secret-0123456789"
NAME = "v2_package"
HELLO = "Hello from the loopback model."


def rows() -> dict[str, dict[str, str]]:
    """The table, by package without its version."""
    with ROWS.open(encoding="utf-8", newline="") as file:
        return {re.sub(r" \d[\d.]*$", "", row["Package"]): row for row in csv.DictReader(file)}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(key=KEY) as server:
        yield server


@pytest.fixture(params=PACKAGES)
def installed(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: OpenAIServer,
) -> Iterator[tuple[str, Package, ModelRegistry]]:
    """One package, installed, and the registry that has loaded it."""
    package = PACKAGES[request.param]
    for variable in list(os.environ):
        if re.search(r"_KEY|TOKEN|^(AWS|OPENAI)_", variable):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for variable, value in package.variables.items():
        monkeypatch.setenv(variable, value.replace("KEY", KEY).replace("URL", server.url))
    points = {
        group: {name: value.replace("NAME", NAME) for name, value in some.items()}
        for group, some in {GROUP: package.entry_points, **package.other_groups}.items()
    }
    monkeypatch.syspath_prepend(str(make_plugin(tmp_path, NAME, package.files, points)))
    importlib.invalidate_caches()
    parameters = json.loads(json.dumps(package.parameters).replace("URL", server.url))
    settings = ProviderSettings(model_parameters=parameters)
    registry = ModelRegistry(settings, log=logging.getLogger("v2"))
    registry.load()
    yield request.param, package, registry
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


async def ask(registry: ModelRegistry, reference: str) -> str:
    cache = ModelCache(registry)
    async with aclosing(cache.stream(reference, [HumanMessage("hi")])) as chunks:
        text = "".join([chunk.text async for chunk in chunks])
    await cache.aclose()
    return text


def test_the_table_has_a_row_for_each_package() -> None:
    assert rows().keys() == PACKAGES.keys()


@pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset")
async def test_a_package_does_what_its_row_says(
    installed: tuple[str, Package, ModelRegistry],
) -> None:
    name, package, registry = installed
    row = rows()[name]
    said = {one.name: str(one) for one in registry.broken}
    assert said.keys() == package.broken.keys()
    for entry_point, reason in package.broken.items():
        assert reason.replace("NAME", NAME) in said[entry_point]
    answering = [await ask(registry, reference) for reference in package.references]
    assert all(answering)
    assert bool(answering) == (row["Notebooks"] == "yes")
    chat = [info for info in registry.infos() if info.source == NAME and info.chat]
    references = {reference.partition(":")[0] for reference in package.references}
    assert bool(references & {info.id for info in chat}) == (row["Chat"] == "yes")
    for reference, reason in package.fails.items():
        with pytest.raises(ModelFailedError) as caught:
            await asyncio.to_thread(registry.build, registry.resolve(reference))
        assert reason in str(caught.value)


def test_only_what_works_becomes_the_default(
    installed: tuple[str, Package, ModelRegistry],
) -> None:
    _, package, registry = installed
    assert registry.default()[0].provider_id == (package.default or "workspace")


def test_the_methods_of_v2_that_providers_override_work(
    installed: tuple[str, Package, ModelRegistry],
) -> None:
    _, package, registry = installed
    for reference in package.references:
        model = registry.build(registry.resolve(reference))
        prompt = model.get_chat_prompt_template()
        values = {"input": "How warm?", "history": [] if model.is_chat_provider else ""}
        assert "How warm?" in prompt.invoke({**values, "context": ""}).to_string()
        assert "How warm?" in model.get_prompt_template("code").format(prompt="How warm?")


def test_a_key_that_only_a_keyword_takes_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    """The other variable, of the class below, must not be sent to that server."""
    package = PACKAGES["jupyter_ai_cborg"]
    files = make_plugin(
        tmp_path, "cborg_key", package.files, {GROUP: {"c": "cborg_key.cborg:CBorgProvider"}}
    )
    monkeypatch.syspath_prepend(str(files))
    importlib.invalidate_caches()
    monkeypatch.setenv("CBORG_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-another-vendor")
    settings = ProviderSettings(model_parameters={"cborg": {"openai_api_base": server.url}})
    registry = ModelRegistry(settings, log=logging.getLogger("v2"))
    registry.load()
    assert asyncio.run(ask(registry, "cborg:lbl/cborg-chat:latest")) == HELLO
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    for name in [name for name in sys.modules if name.partition(".")[0] == "cborg_key"]:
        del sys.modules[name]
