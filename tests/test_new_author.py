"""A new author's way, in a fresh environment from the built wheel: scaffold, test, mention."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installed import REPOSITORY, Environment, InstalledServer, build_wheel
from support.steps import Steps
from support.yclient import ChatClient

from jupyter_ai_personas.cli.scaffold.names import Kind

pytestmark = pytest.mark.slow

PACKAGES: tuple[Kind, ...] = ("persona", "provider", "toolset")
NOTEBOOK = {
    "cells": [
        {
            "id": "c1",
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": "1 / 0",
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture(scope="module")
def steps() -> Iterator[Steps]:
    steps = Steps()
    yield steps
    print(f"\n{steps}")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, steps: Steps) -> Environment:
    """The built package, and what authors check theirs with."""
    folder = tmp_path_factory.mktemp("author")
    with steps.step("build the wheel"):
        wheel = build_wheel(folder / "wheel")
    with steps.step("install it, with JupyterLab, in a new environment"):
        environment = Environment(folder, uv=True)
        environment.install(f"{wheel}[lab]", "pytest", "mypy", "ruff")
    return environment


async def test_what_is_new_is_tested_and_answers_in_a_chat(
    tmp_path: Path, environment: Environment, steps: Steps
) -> None:
    places = [tmp_path / f"our-{kind}" for kind in PACKAGES]
    with steps.step("new: a persona, a provider, a toolset"):
        for kind in PACKAGES:
            environment.run("jupyter", "ai-personas", "new", kind, f"our-{kind}", cwd=tmp_path)
    with steps.step("pip install -e: all three"):
        environment.pip_install(*(part for place in places for part in ("-e", str(place))))
    with steps.step("pytest: in each of the three"):
        for place in places:
            environment.run("python", "-m", "pytest", "-q", cwd=place)
    with steps.step("ruff and mypy --strict: in each"):
        for place in places:
            environment.run("ruff", "check", ".", cwd=place)
            environment.run("mypy", f"--cache-dir={tmp_path / 'mypy'}", cwd=place)
    config = {"AiExtension.default_model": "our-provider:small"}
    server = InstalledServer(tmp_path / "server", environment, config=config)
    server.root_dir.mkdir(parents=True)
    environment.run("jupyter", "ai-personas", "new", "markdown", "researcher", str(server.root_dir))
    with steps.step("start a server; mention both; read both replies"):
        async with server, ChatClient(server, "first.chat", "Ada") as ada:
            reply = await ada.wait_for_reply(ada.post("@Our-Persona hello"), "Our Persona")
            assert "The model small read:" in reply["body"]
            reply = await ada.wait_for_reply(ada.post("@Researcher hello"), "Researcher")
            assert "The model small read:" in reply["body"]
            listed = await ada.wait_for_reply(ada.post("/tools"), "Personas", None)
            assert "`count_words` (allowed)" in listed["body"]
    configuration = environment.folder / "config"
    configuration.mkdir(exist_ok=True)
    (configuration / "jupyter_server_config.json").write_text(
        json.dumps({"AiExtension": {"default_model": "our-provider:small"}})
    )
    with steps.step("ask, in a terminal"):
        said = environment.run("jupyter", "ai-personas", "ask", "@Our-Persona hello", "--json")
    answer = json.loads(said)
    assert (answer["state"], answer["persona"]) == ("done", "Our Persona")


async def test_each_example_is_installed_from_its_folder_and_answers(
    tmp_path: Path, environment: Environment, steps: Steps
) -> None:
    examples = shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    folders = sorted(file.parent for file in examples.glob("*/tests"))
    with steps.step("install -e: the examples"):
        wanted = [f"{folder}[test]" for folder in folders] + [str(examples / "acme_personas")]
        environment.install(*(part for each in wanted for part in ("-e", each)))
    with steps.step("pytest: in each example"):
        for folder in folders:
            environment.run("python", "-m", "pytest", "-q", "-W", "error", cwd=folder)
    server = InstalledServer(
        tmp_path / "server", environment, config={"AiExtension.default_model": "acme:tortoise"}
    )
    shutil.copytree(examples / "workspace", server.root_dir)
    (server.root_dir / "plot.ipynb").write_text(json.dumps(NOTEBOOK))
    with steps.step("start a server; mention each persona of an example"):
        async with server, ChatClient(server, "all.chat", "Ada") as ada:
            for name, question, told in [
                ("Echo", "hello", "hello"),
                ("Beekeeper", "who visits the lavender?", "Slow and steady"),
                ("Plotter", "plot it", "Slow and steady"),
                ("Simulator", "how much is π?", "3.1"),
                ("Reviewer", "please", "Open a notebook"),
                ("Optimist", "shall we?", "@Sceptic"),
            ]:
                reply = await ada.wait_for_reply(ada.post(f"@{name} {question}"), name)
                assert told in reply["body"]
            status, listed = await server.get("/api/ai/model_providers")
            [gateway] = [one for one in listed["model_providers"] if one["id"] == "gateway"]
            assert (status, gateway["available"]) == (200, False)
            assert "GATEWAY_KEY" in gateway["problem"]
            status, listed = await server.get("/api/ai/toolsets")
            assert {"units", "acme"} <= {one["name"] for one in listed["toolsets"]}
