"""`doctor` about clusters: does the scheduler answer, and have the workers the packages?"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.dask_cluster import DaskCluster
from support.plugin import make_plugin

from jupyter_ai_personas.cli import main

SOURCE = """
from jupyter_ai_personas import BasePersona, PersonaDefaults


class Afar(BasePersona):
    defaults = PersonaDefaults(name="Afar")
"""

OF_SERVER = """
from jupyter_ai_persona_manager import BasePersona, PersonaDefaults


def _jupyter_server_extension_points():
    return [{"module": "of_server"}]


class OfServer(BasePersona):
    @property
    def defaults(self):
        return PersonaDefaults(name="OfServer")

    async def process_message(self, message):
        if hasattr(self, "config_manager"):
            self.send_message(self.config_manager.model)
"""

Examine = Callable[[Any], list[dict[str, str]]]


def package(folder: Path, version: str) -> Path:
    points = {"jupyter_ai.personas": {"afar": "afar:Afar"}}
    files = {"__init__.py": SOURCE}
    return make_plugin(folder / version, "afar", files, points, version=version)


@pytest.fixture
def examine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Examine:
    """Runs `doctor` with a value of `hosts`; returns what it says of hosts."""
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.syspath_prepend(package(tmp_path, "1.0"))

    def run(hosts: Any) -> list[dict[str, str]]:
        config = {"AiExtension": {"hosts": hosts}}
        (tmp_path / "jupyter_server_config.json").write_text(json.dumps(config))
        capsys.readouterr()
        main(["doctor", "--json"])
        report = json.loads(capsys.readouterr().out)
        return [one for one in report["findings"] if one["section"] == "Hosts"]

    return run


def test_threads_and_processes_need_no_check(examine: Examine) -> None:
    assert examine({"Guide": "threads", "*": "threads"}) == []
    [finding] = examine({"Afar": "processes"})
    assert finding["text"] == "Afar run in processes beside the server"


def test_a_persona_that_needs_objects_of_the_server_is_named_where_it_runs_elsewhere(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {"jupyter_ai.personas": {"of-server": "of_server:OfServer"}}
    folder = make_plugin(tmp_path / "of", "of_server", {"__init__.py": OF_SERVER}, points)
    monkeypatch.syspath_prepend(folder)
    assert len(examine({"OfServer": "threads", "*": "processes"})) == 1
    _, finding = examine("processes")
    assert finding["state"] == "note"
    assert "its code reads objects of that: `self.config_manager`" in finding["text"]
    setting = '{"OfServer": "threads", "*": "processes"}'
    assert finding["fix"] == f"Set `c.AiExtension.hosts = {setting}`"


def test_workers_with_other_versions_are_named_with_what_to_install(
    examine: Examine, tmp_path: Path
) -> None:
    for version, state in [("1.0", "ok"), ("2.0", "broken"), (None, "broken")]:
        path = [] if version is None else [package(tmp_path / "worker", version)]
        with DaskCluster(tmp_path, pythonpath=path) as cluster:
            [finding] = examine({"Afar": cluster.place})
        assert finding["state"] == state
        if version == "1.0":
            assert "has the packages in the same versions" in finding["text"]
            continue
        has = "has afar 2.0" if version else "lacks afar"
        assert f"{has}; the server has afar 1.0" in finding["text"]
        assert finding["fix"].startswith("Run `pip install afar==1.0` where the worker runs")


def test_a_scheduler_that_does_not_answer_and_a_cluster_without_workers_are_named(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hurried:
        hurried.setattr("jupyter_ai_personas.hosts.dask.CONNECT_SECONDS", 0.2)
        [away] = examine({"Afar": "dask://127.0.0.1:1"})
    assert away["state"] == "broken"
    assert away["text"].startswith("The Dask scheduler `tcp://127.0.0.1:1` cannot be reached")
    assert away["fix"] == "Start it, or correct `c.AiExtension.hosts`."
    with DaskCluster(tmp_path, workers=0) as cluster:
        [empty] = examine({"Afar": cluster.place})
    assert "which has no workers" in empty["text"]
    assert empty["fix"] == f"Start one: `dask worker {cluster.address}`"
