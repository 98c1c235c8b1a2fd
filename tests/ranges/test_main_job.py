"""The main job, on a real server, with whatever versions are installed.

``make test`` runs this with the newest versions, ``make test-oldest`` with the lowest that
``pyproject.toml`` declares.
"""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from ranges.construct import MODELS
from support.server import JupyterServer
from support.yclient import ChatClient

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.server
async def test_a_mention_is_answered_and_what_operators_look_at_works(tmp_path: Path) -> None:
    config = {"AiExtension.default_model": "keyless:repeat"}
    async with JupyterServer(tmp_path, config=config) as server:
        async with ChatClient(server, "first.chat", "Ada") as ada:
            reply = await ada.wait_for_reply(ada.post("@Guide hello"), "Guide")
            assert "No model is set up" in reply["body"]
            stopped = await ada.wait_for_reply(ada.post("/status"), state=None)
            assert "workspace:search" in stopped["body"]
        status, listed = await server.get("/api/ai/personas")
        assert (status, [row["status"] for row in listed["personas"]]) == (200, ["ready"])
        status, answer = await server.post("/api/ai/message/Guide", json={"message": "Once"})
        assert (status, "No model is set up" in answer["response"]) == (200, True)
        _, metrics = await server.get("/metrics")
        assert b'jupyter_ai_personas_turns_total{state="done"}' in metrics
        assert not server.lines("Traceback")
        assert await server.terminate() == 0


def test_what_is_installed_is_within_the_declared_ranges() -> None:
    for line in metadata.requires("jupyter_ai_personas") or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "lab"}):
            version = metadata.version(requirement.name)
            assert requirement.specifier.contains(version, prereleases=True), line


def test_every_dependency_has_a_lowest_version() -> None:
    for line in metadata.requires("jupyter_ai_personas") or ():
        requirement = Requirement(line)
        is_own = requirement.name.replace("-", "_") == "jupyter_ai_personas"
        assert is_own or re.search(r">=\s*\d", str(requirement.specifier)), line


def test_each_extra_of_a_provider_is_tried_with_its_lowest_versions() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    (everything,) = project["optional-dependencies"]["all-providers"]
    assert set(MODELS) == Requirement(everything).extras
