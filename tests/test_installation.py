"""`pip install` of the built package in a fresh environment, plain and with JupyterLab."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from support.installed import Environment, InstalledServer, build_wheel
from support.yclient import ChatClient

from jupyter_ai_personas.context.answers.product_help import help_pages

pytestmark = pytest.mark.slow

LABEXTENSION = "jupyter_ai_personas-0.1.0.data/data/share/jupyter/labextensions/jupyter-ai-personas"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_package_contains_what_it_needs_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {
        "jupyter_ai_personas",
        "jupyter_ai_personas-0.1.0.data",
        "jupyter_ai_personas-0.1.0.dist-info",
    }
    for name in (
        "jupyter_ai_personas/py.typed",
        "jupyter_ai_personas/personas/builtin/guide.svg",
        *(f"jupyter_ai_personas/docs/{page}.md" for page in help_pages()),
        "jupyter_ai_personas-0.1.0.data/data/etc/jupyter/jupyter_server_config.d/"
        "jupyter_ai_personas.json",
        *(f"{LABEXTENSION}/{name}" for name in ("package.json", "install.json")),
    ):
        assert name in names
    assert [name for name in names if name.startswith(f"{LABEXTENSION}/static/remoteEntry.")]
    # Neither the sources of the front end nor what they are built with, and one bundle only.
    folders = ("jupyter_ai_personas/frontend/", "jupyter_ai_personas/labextension/")
    assert [name for name in names if name.startswith(folders)] == []


async def test_pip_install_is_all_that_it_takes(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path)
    environment.install(str(wheel))
    assert "jupyter_ai_personas enabled" in _plain(
        environment.run("jupyter", "server", "extension", "list")
    )
    report = json.loads(environment.run("jupyter", "ai-personas", "doctor", "--json"))
    notes = [finding["text"] for finding in report["findings"] if finding["state"] == "note"]
    assert "jupyterlab-chat is not installed: no chats for personas to join" in notes
    assert "there are no chats for personas to join" in environment.run(
        "jupyter", "ai-personas", "doctor"
    )

    async with InstalledServer(tmp_path / "plain", environment) as server:
        status, listed = await server.get("/api/ai/personas")
        assert (status, [row["name"] for row in listed["personas"]]) == (200, ["Guide"])
        status, answer = await server.post("/api/ai/message/Guide", json={"message": "Hello"})
        assert (status, bool(answer["response"])) == (200, True)
        await server.wait_for_log("pip install 'jupyter_ai_personas[lab]'")

    environment.install(f"{wheel}[lab]")
    listed = _plain(environment.run("jupyter", "server", "extension", "list"))
    for name in ("jupyter_ai_personas", "jupyterlab_chat", "jupyter_server_ydoc"):
        assert f"{name} enabled" in listed
    labextensions = _plain(environment.run("jupyter", "labextension", "list"))
    assert "jupyter-ai-personas v0.1.0 enabled OK" in labextensions
    assert "All is well." in environment.run("jupyter", "ai-personas", "doctor")
    async with (
        InstalledServer(tmp_path / "lab", environment) as server,
        ChatClient(server, "first.chat", "Ada") as ada,
    ):
        reply = await ada.wait_for_reply(ada.post("@Guide hello"), "Guide")
        assert reply["body"].startswith("I answer with passages of your files")
        reply = await ada.wait_for_reply(ada.post("@Guide how do I set up a model?"), "Guide")
        assert "OPENAI_API_KEY" in reply["body"]


def _plain(text: str) -> str:
    """Without the colours of a terminal."""
    return text.replace("\x1b[32m", "").replace("\x1b[0m", "")
