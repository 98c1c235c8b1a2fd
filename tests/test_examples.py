"""What newcomers begin with: the workspace of `make lab`, and a package to learn from."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from jupyterlab_chat.ychat import YChat
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.chat import SYSTEM_ID
from jupyter_ai_personas.cli import main
from jupyter_ai_personas.testing import AnsweringProviderContract

REPOSITORY = Path(__file__).parents[1]
WORKSPACE = REPOSITORY / "examples" / "workspace"
ACME = REPOSITORY / "examples" / "acme_personas"


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built and installed by pip; a directory to import it from."""
    folder = tmp_path_factory.mktemp("acme")
    source = shutil.copytree(ACME, folder / "source")
    target = folder / "installed"
    command = ["install", "--quiet", "--no-deps", "--target", str(target), str(source)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    return target


@pytest.mark.server
async def test_the_example_package_brings_a_persona_and_a_provider(
    tmp_path: Path, acme: Path
) -> None:
    async with JupyterServer(tmp_path, pythonpath=[acme]) as server:
        async with ChatClient(server, "acme.chat", "Ada") as ada:
            reply = await ada.wait_for_reply(ada.post("@Echo are you there?"), "Echo")
            assert reply["body"] == "Echo are you there? "
            assert reply["sender"] == "jupyter-ai-personas::acme_personas::Echo"

            await ada.wait_for_reply(ada.post("/model @Guide acme:tortoise"), state=None)
            for _ in range(2):
                reply = await ada.wait_for_reply(ada.post("@Guide who wins?"), "Guide")
                # The first reply tells that this model takes none of Guide's tools.
                assert reply["body"].endswith("Slow and steady wins the race.")

        await server.wait_for_log("AiExtension] Registered model provider `acme`.")
        status, listed = await server.get("/api/ai/personas")
        echo = next(row for row in listed["personas"] if row["name"] == "Echo")
        assert (status, echo["source"], echo["status"]) == (200, "acme-personas", "ready")
        status, image = await server.get(echo["avatar_url"])
        assert (status, image) == (200, (ACME / "acme_personas" / "echo.svg").read_bytes())


@pytest.mark.parametrize(("name", "lines"), [("echo.py", 12), ("acme.py", 13)])
def test_a_persona_takes_twelve_lines_and_a_provider_one_more(name: str, lines: int) -> None:
    assert len((ACME / "acme_personas" / name).read_text("utf-8").splitlines()) == lines


class TestAcmeProvider(AnsweringProviderContract):
    provider = runpy.run_path(str(ACME / "acme_personas" / "acme.py"))["AcmeProvider"]

    def test_what_it_says_depends_on_the_model_alone(self) -> None:
        for model, line in [
            ("tortoise", "Slow and steady wins the race."),
            ("hare", "Not while I am awake."),
        ]:
            asked = self.provider(model_id=model)
            assert [asked.invoke("who wins?").text for _ in range(2)] == [line, line]


def test_the_welcome_is_a_chat_with_one_message_of_the_system() -> None:
    text = (WORKSPACE / "welcome.chat").read_text("utf-8")
    chat = YChat()
    chat.set(text)
    (message,) = chat.get_messages()
    assert message.sender == SYSTEM_ID
    user = chat.get_user(SYSTEM_ID)
    assert user is not None
    # Marked as a bot, so that nobody is offered to mention it.
    assert (user.display_name, user.bot) == ("Personas", True)
    # Each copy gets an identity of its own, or the ledger would take two copies for one chat.
    assert json.loads(text)["metadata"] == {}


def test_the_notebook_to_talk_about_is_valid_and_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = WORKSPACE.glob("*.ipynb")
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    exec("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"), {})
    assert capsys.readouterr().out.splitlines()[0].split() == ["lavender", "36.5"]


def test_the_notebook_to_ask_about_fails_as_its_output_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notebook = nbformat.read(WORKSPACE / "honey" / "Honey yield.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [[o.output_type for o in cell.outputs] for cell in cells] == [
        ["execute_result"],
        ["error"],
    ]
    monkeypatch.chdir(WORKSPACE / "honey")
    with pytest.raises(KeyError, match=cells[1].outputs[0].evalue):
        exec("\n".join(cell.source for cell in cells), {})


def test_people_work_in_a_copy_that_git_does_not_see(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    shutil.copytree(WORKSPACE, tmp_path / "examples" / "workspace")
    make = ["make", "--silent", "--directory", str(tmp_path), ".workspace"]
    subprocess.run(make, check=True)
    chat = tmp_path / ".workspace" / "welcome.chat"
    assert chat.read_bytes() == (WORKSPACE / "welcome.chat").read_bytes()
    chat.write_text("what people wrote")
    subprocess.run(make, check=True)
    assert chat.read_text() == "what people wrote"
    assert ".workspace/" in (REPOSITORY / ".gitignore").read_text().splitlines()


def packages() -> list[Path]:
    return sorted(folder.parent for folder in (REPOSITORY / "examples").glob("*/tests"))


def test_there_is_an_example_of_each_kind() -> None:
    groups = {
        group
        for folder in packages()
        for group in tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"][
            "entry-points"
        ]
    }
    assert groups == {
        "jupyter_ai.personas",
        "jupyter_ai.model_providers",
        "jupyter_ai_personas.toolsets",
    }
    assert len(packages()) >= 6


def test_the_examples_pass_their_own_tests(tmp_path: Path) -> None:
    """In one process: most of the time goes into the start of pytest and LangChain."""
    report = tmp_path / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", "-W", "error", "--import-mode=importlib"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *packages()],
        cwd=REPOSITORY / "examples",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, packages()))},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    cases = ElementTree.parse(report).getroot().iter("testcase")
    tested = {case.attrib["classname"].split(".")[1] for case in cases}
    assert tested == {folder.name for folder in packages()}


@pytest.mark.parametrize("folder", packages(), ids=lambda folder: folder.name)
def test_an_example_says_where_its_classes_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    for points in project["entry-points"].values():
        for value in points.values():
            module, _, name = value.partition(":")
            assert hasattr(importlib.import_module(module), name)
    assert project["name"] == folder.name


def test_the_example_workspace_has_a_persona_without_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["doctor", "--root", str(WORKSPACE), "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    (told,) = [one for one in findings if "Beekeeper" in one["text"]]
    assert told["state"] == "ok"
