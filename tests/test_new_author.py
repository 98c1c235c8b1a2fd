"""A new author's way, in a fresh environment from the built wheel: scaffold, test, mention."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.installed import Environment, InstalledServer, build_wheel
from support.yclient import ChatClient

from jupyter_ai_personas.cli.scaffold.names import Kind

pytestmark = pytest.mark.slow

PACKAGES: tuple[Kind, ...] = ("persona", "provider", "toolset")


async def test_what_is_new_is_tested_and_answers_in_a_chat(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.install(f"{build_wheel(tmp_path / 'wheel')}[lab]", "pytest", "mypy", "ruff")
    for kind in PACKAGES:
        environment.run("jupyter", "ai-personas", "new", kind, f"our-{kind}")
        place = tmp_path / f"our-{kind}"
        environment.install("-e", str(place))
        environment.run("python", "-m", "pytest", "-q", cwd=place)
        environment.run("ruff", "check", ".", cwd=place)
        environment.run("mypy", cwd=place)
    config = {"AiExtension.default_model": "our-provider:small"}
    server = InstalledServer(tmp_path / "server", environment, config=config)
    server.root_dir.mkdir(parents=True)
    environment.run("jupyter", "ai-personas", "new", "markdown", "researcher", str(server.root_dir))
    async with server, ChatClient(server, "first.chat", "Ada") as ada:
        reply = await ada.wait_for_reply(ada.post("@Our-Persona hello"), "Our Persona")
        assert "The model small read:" in reply["body"]
        reply = await ada.wait_for_reply(ada.post("@Researcher hello"), "Researcher")
        assert "The model small read:" in reply["body"]
        listed = await ada.wait_for_reply(ada.post("/tools"), "Personas", None)
        assert "`count_words` (allowed)" in listed["body"]
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "jupyter_server_config.json").write_text(
        json.dumps({"AiExtension": {"default_model": "our-provider:small"}})
    )
    said = environment.run("jupyter", "ai-personas", "ask", "@Our-Persona hello", "--json")
    answer = json.loads(said)
    assert (answer["state"], answer["persona"]) == ("done", "Our Persona")
